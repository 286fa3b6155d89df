import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft, StatedDataType, StatedReason } from '../event.ts';
import { checkEvent, type EventProblem } from './check-event.ts';
import type { IdentifiedDraft } from './plan-recordings.ts';

/** Refuses drafts with all that is wrong with any of them. @throws AppError BAD_USER_INPUT */
export function refuseProblems<Draft>(
  drafts: readonly Draft[],
  { listedProblems }: Pick<Limits, 'listedProblems'>,
  check: (draft: Draft) => readonly EventProblem[],
): void {
  const problems = drafts.flatMap((draft, index) => check(draft).map((problem) => ({ index, ...problem })));
  const [first] = problems;
  if (first)
    throw new AppError('BAD_USER_INPUT', `events[${first.index}].${first.field}: ${first.message}`, {
      problems: problems.slice(0, listedProblems),
    });
}

/**
 * Checks the drafts and gives those without an id a new one; metadata becomes plain JSON that nobody else holds.
 * @throws AppError BAD_USER_INPUT, or LIMIT_EXCEEDED for too many drafts
 */
export function identifyDrafts(drafts: readonly EventDraft[], limits: Limits): IdentifiedDraft[] {
  if (drafts.length === 0) throw new AppError('BAD_USER_INPUT', 'events: must hold at least one event');
  if (drafts.length > limits.eventsPerRecording)
    throw new AppError(
      'LIMIT_EXCEEDED',
      `events: at most ${limits.eventsPerRecording} events can be recorded at once, these are ${drafts.length}`,
    );
  refuseProblems(drafts, limits, (draft) => checkEvent(draft, limits));
  return drafts.map(identifyDraft);
}

/** Written out: doors leave out this and that, and objects of many shapes make all that follows slower. */
function identifyDraft(draft: EventDraft): IdentifiedDraft {
  return {
    id: draft.id ?? randomUUID(),
    userId: draft.userId,
    runId: draft.runId,
    provider: draft.provider,
    source: draft.source,
    stage: draft.stage,
    status: draft.status,
    message: draft.message,
    progress: draft.progress,
    itemsProcessed: draft.itemsProcessed,
    itemsTotal: draft.itemsTotal,
    error: draft.error,
    primaryUserId: draft.primaryUserId,
    metadata: draft.metadata ? JSON.parse(JSON.stringify(draft.metadata)) : {},
    scope: draft.scope,
    windowStart: draft.windowStart,
    windowEnd: draft.windowEnd,
    extra: draft.extra ? JSON.parse(JSON.stringify(draft.extra)) : null,
    reason: draft.reason ? plainReason(draft.reason) : null,
    dataTypes: draft.dataTypes?.length ? draft.dataTypes.map(plainDataType) : null,
    startedAt: draft.startedAt,
    endedAt: draft.endedAt,
    timestamp: draft.timestamp,
    isBeginning: draft.isBeginning,
  } satisfies Record<keyof EventDraft, unknown>;
}

/** With every part, so that one who leaves a part out states the same as one who says null. */
function plainReason({ text, actor, class: reasonClass, retryable }: StatedReason): StatedReason {
  return { text: text ?? null, actor: actor ?? null, class: reasonClass, retryable: retryable ?? null };
}

/** Without what is not said, so that one who says null states the same as one who leaves it out. Times are texts. */
function plainDataType({ requested, covered, ...told }: StatedDataType) {
  const isSaid = (span: StatedDataType['covered']) => span?.start || span?.end;
  const said = { ...told, ...(isSaid(requested) && { requested }), ...(isSaid(covered) && { covered }) };
  return JSON.parse(JSON.stringify(said, (_, value: unknown) => value ?? undefined));
}
