import { isDeepStrictEqual } from 'node:util';
import type { SyncRun } from '../../db/rows.ts';
import { AppError } from '../../errors.ts';
import type { EventDraft, SyncEvent } from '../event.ts';
import type { AddedEvent } from '../projection.ts';
import type { LockedLogs, LogHead } from '../sql/log-sql.ts';
import type { Batch } from './batches.ts';
import { foldRun, isLate, newestAt, runKey } from './fold-run.ts';
import { FoldedBatches } from './folded-batches.ts';

/** A draft that has its id, checked and with all that is JSON in plain JSON. */
export type IdentifiedDraft = Omit<EventDraft, 'dataTypes'> & { readonly id: string; readonly dataTypes?: unknown };

/** What the log answers for one draft. */
export interface RecordedEvent {
  readonly event: SyncEvent;
  /** True when the log had this event already; then nothing was changed. */
  readonly duplicate: boolean;
}

/** What the transaction read about the drafts, under the lock of their users. */
export interface LogState extends LockedLogs {
  readonly events: readonly SyncEvent[];
  readonly runs: readonly SyncRun[];
  readonly batches: readonly Batch[];
}

/** What the transaction has to write, and the answer to each recording. */
export interface RecordingPlan {
  readonly outcomes: readonly (readonly RecordedEvent[] | AppError)[];
  /** The events that are new to the log, in order of sequence for each user. */
  readonly added: readonly AddedEvent[];
  readonly runs: readonly SyncRun[];
  /** Batches that are new, or that have ended otherwise than before. */
  readonly batches: readonly Batch[];
  /** New heads of the users whose logs grow. */
  readonly heads: ReadonlyMap<string, LogHead>;
}

/**
 * Decides several recordings that share a transaction, in their order; each stands alone, all or nothing. A recording
 * that names an unknown user or reuses an event id for other content is refused and leaves no trace in the plan.
 * @param now when the events are recorded; those of a log whose newest event says later, then.
 */
export function planRecordings(
  recordings: readonly (readonly IdentifiedDraft[])[],
  state: LogState,
  now: Date,
): RecordingPlan {
  const known = new Map(state.events.map((event) => [event.id, event]));
  const runs = new Map(state.runs.map((run) => [runKey(run), run]));
  const batches = new FoldedBatches(state.batches);
  const heads = new Map(state.heads);
  const grown = new Map<string, LogHead>();
  const changedRuns = new Map<string, SyncRun>();
  const added: AddedEvent[] = [];

  const record = (draft: IdentifiedDraft): RecordedEvent => {
    const earlier = known.get(draft.id);
    if (earlier) return { event: earlier, duplicate: true };
    const key = runKey(draft);
    const runBefore = runs.get(key);
    const head = nextHead(heads.get(draft.userId), now);
    const event = makeEvent(inOrder(draft, runBefore, now), head.sequence, runBefore, head.recordedAt, now);
    const run = foldRun(runBefore, event, state.change, batches.fold(event));
    known.set(event.id, event);
    runs.set(key, run);
    changedRuns.set(key, run);
    heads.set(event.userId, head);
    grown.set(event.userId, head);
    added.push({ event, runBefore });
    return { event, duplicate: false };
  };

  const outcomes = recordings.map((drafts) => findRefusal(drafts, state.heads, known) ?? drafts.map(record));
  return { outcomes, added, runs: [...changedRuns.values()], batches: batches.changed, heads: grown };
}

/** What tells that a run began, and has no time of its own, happened before all else that the run has. */
function inOrder(draft: IdentifiedDraft, run: SyncRun | undefined, now: Date): IdentifiedDraft {
  const timestamp = draft.timestamp ?? now;
  if (!draft.isBeginning || !run) return draft;
  const first = run.milestoneAt ?? newestAt(run);
  return timestamp < first ? draft : { ...draft, timestamp: new Date(first.getTime() - 1) };
}

/** The clock may have gone back since the log's newest event was recorded: the next one is not earlier than that. */
function nextHead(head: LogHead | undefined, now: Date): { readonly sequence: number; readonly recordedAt: Date } {
  const before = head?.recordedAt;
  return { sequence: (head?.sequence ?? 0) + 1, recordedAt: before && before > now ? before : now };
}

/** The first reason why a recording cannot be stored as it is. */
function findRefusal(
  drafts: readonly IdentifiedDraft[],
  heads: ReadonlyMap<string, LogHead>,
  known: ReadonlyMap<string, SyncEvent>,
): AppError | undefined {
  const own = new Map<string, IdentifiedDraft>();
  for (const [index, draft] of drafts.entries()) {
    if (!heads.has(draft.userId))
      return new AppError('NOT_FOUND', `events[${index}].userId: there is no user ${draft.userId}`, {
        problems: [{ index, field: 'userId', message: 'is not the id of a user' }],
      });
    const earlier = known.get(draft.id);
    const twin = own.get(draft.id);
    if ((earlier && !isRepetition(draft, earlier)) || (twin && !isTwin(draft, twin)))
      return new AppError(
        'EVENT_ID_CONFLICT',
        `events[${index}].id: the event ${draft.id} has been recorded with other content`,
        { problems: [{ index, field: 'id', message: 'is the id of an event with other content' }] },
      );
    own.set(draft.id, draft);
  }
  return undefined;
}

/** The event that a draft becomes, with nothing left open. */
function makeEvent(
  draft: IdentifiedDraft | SyncEvent,
  sequence: number,
  runBefore: SyncRun | undefined,
  recordedAt: Date,
  now = recordedAt,
): SyncEvent {
  const timestamp = draft.timestamp ?? now;
  return {
    userId: draft.userId,
    sequence,
    id: draft.id,
    runId: draft.runId,
    provider: draft.provider,
    source: draft.source,
    stage: draft.stage,
    status: draft.status,
    message: draft.message ?? null,
    progress: numberOf(draft.progress),
    itemsProcessed: numberOf(draft.itemsProcessed),
    itemsTotal: numberOf(draft.itemsTotal),
    error: draft.error ?? null,
    primaryUserId: draft.primaryUserId ?? null,
    metadata: (draft.metadata ?? {}) as SyncEvent['metadata'], // Prisma's type of a JSON column is mutable, ours is not
    scope: draft.scope ?? null,
    windowStart: draft.windowStart ?? null,
    windowEnd: draft.windowEnd ?? null,
    extra: (draft.extra ?? null) as SyncEvent['extra'],
    reason: (draft.reason ?? null) as SyncEvent['reason'],
    dataTypes: (draft.dataTypes ?? null) as SyncEvent['dataTypes'],
    startedAt: draft.startedAt ?? null,
    endedAt: draft.endedAt ?? null,
    timestamp,
    recordedAt,
    late: isLate(runBefore, { timestamp, recordedAt, stage: draft.stage, status: draft.status }),
  };
}

/** Is the draft a retry of an earlier one? One without a time agrees with any. */
function isRepetition(draft: IdentifiedDraft, earlier: IdentifiedDraft | SyncEvent): boolean {
  if (draft.timestamp && earlier.timestamp && draft.timestamp.getTime() !== earlier.timestamp.getTime()) return false;
  return isDeepStrictEqual(contentOf(draft), contentOf(earlier));
}

/** Are two drafts of one recording the same? Both or neither must name a time, or a retry would meet another one. */
function isTwin(draft: IdentifiedDraft, twin: IdentifiedDraft): boolean {
  return isRepetition(draft, twin) && (draft.timestamp == null) === (twin.timestamp == null);
}

/** What a producer decides about an event, but for its time. */
function contentOf(draft: IdentifiedDraft | SyncEvent) {
  const { sequence, late, timestamp, recordedAt, ...content } = makeEvent(draft, 0, undefined, new Date(0));
  return content;
}

/** A number as the log keeps it: there is no negative zero in the database, so a retry of one would look different. */
function numberOf(value: number | null | undefined): number | null {
  return value == null ? null : value + 0;
}
