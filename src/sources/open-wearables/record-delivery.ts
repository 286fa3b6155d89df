import { AppError } from '../../errors.ts';
import { retry } from '../../lib/retry.ts';
import type { EventDraft, SyncEvent } from '../../log/event.ts';
import type { SourceTools } from '../define-source.ts';
import { deliveryId, formerDeliveryId } from './derived-id.ts';

type Parts = Pick<SourceTools, 'log' | 'users' | 'limits'>;

/** How often it is looked whether the log has the event: another instance may be recording the same delivery. */
const ATTEMPTS = 2;

/**
 * Records the event of a delivery, unless the log has it: from an earlier attempt of Svix, or because the run has told
 * of the same stage in another way, such as over Redis. Resolves to undefined if the log has it with other content.
 */
export async function recordDelivery(
  event: EventDraft,
  parts: Parts,
): Promise<'recorded' | 'duplicate' | 'of_deleted_user' | undefined> {
  const draft = { ...event, id: deliveryId(event) };
  await parts.users.ensure(new Map([[draft.userId, undefined]]));
  try {
    return await retry(() => recordUnlessKnown(draft, parts), {
      pauseMs: 0,
      attempts: ATTEMPTS,
      isTemporary: (error) => codeOf(error) === 'EVENT_ID_CONFLICT',
    });
  } catch (error) {
    // The user was deleted, and the time of a delivery does not say whether the run began before that.
    if (codeOf(error) === 'NOT_FOUND') return 'of_deleted_user';
    if (codeOf(error) === 'EVENT_ID_CONFLICT') return undefined;
    throw error;
  }
}

async function recordUnlessKnown(draft: EventDraft, parts: Parts): Promise<'recorded' | 'duplicate'> {
  const earlier = await findLike(draft, parts);
  const own = earlier.find(({ id }) => id === draft.id) ?? (await findFormer(draft, parts));
  if (!own && earlier.length > 0) return 'duplicate';
  const [recorded] = await parts.log.record([own ? { ...draft, id: own.id, ...timesOf(own) } : draft]);
  return recorded?.duplicate ? 'duplicate' : 'recorded';
}

function codeOf(error: unknown): string | undefined {
  return error instanceof AppError ? error.code : undefined;
}

/** The newest events of the same run and stage, a page of them. */
async function findLike(
  { userId, runId, stage }: EventDraft,
  { log, users, limits }: Parts,
): Promise<readonly SyncEvent[]> {
  const [user] = await users.byIds([userId]);
  if (!user) return [];
  const [events = []] = await log.readPages([
    {
      log: { userId, headSequence: user.headSequence, tailSequence: user.tailSequence },
      filter: { runId, stages: [stage] },
      limit: limits.pageSize,
      fromEnd: true,
    },
  ]);
  return events;
}

/** The event of the same delivery that an earlier release has recorded, whichever user's log has that id. */
async function findFormer(draft: EventDraft, { log }: Parts): Promise<SyncEvent | undefined> {
  const id = formerDeliveryId(draft);
  const events = id === undefined ? [] : await log.eventsById([id]);
  return events.find(({ userId }) => userId === draft.userId);
}

/** Svix signs each attempt with a time of its own: the times of the attempt that got through first are kept. */
function timesOf({ startedAt, endedAt, timestamp }: SyncEvent) {
  return { startedAt, endedAt, timestamp };
}
