import type { SyncRun } from '../../db/rows.ts';
import type { SyncEvent } from '../event.ts';
import { happenedAt } from '../told-early.ts';
import { endsRun } from '../words.ts';
import type { BatchChange } from './batches.ts';
import { earliest, foldMilestone, isMilestone, noMilestone } from './fold-milestone.ts';

/**
 * Did an event happen before the newest that its run has? Then it does not change how the run stands. An end is measured by
 * starts and ends alone: a report of progress that is dated a little later does not keep a run from having ended.
 */
export function isLate(
  run: SyncRun | undefined,
  event: Pick<SyncEvent, 'timestamp' | 'recordedAt' | 'stage' | 'status'>,
): boolean {
  if (!run) return false;
  const at = happenedAt(event);
  if (at >= newestAt(run)) return false;
  const isMeasured = endsRun(event) && run.newestAt !== null; // an earlier release kept no other time
  return !isMeasured || (run.milestoneAt !== null && at < run.milestoneAt);
}

/** Where an earlier release has written last, the time by which it has sorted the run is all that is known. */
export function newestAt(run: SyncRun): Date {
  return run.newestAt ?? run.lastEventAt;
}

/**
 * The summary of a run after one more of its events, which must come in order of sequence. By the producer's time the newest
 * event says how the run stands, also after an end, see `isLate`: it is copied whole, nothing of earlier ones is merged in, except that
 * `startedAt` and `primaryUserId` stick once they are known. A late event is counted, and tells at most that the run began
 * earlier. What the run is made of is told by its milestones, see `foldMilestone`. A producer whose clock is ahead does not
 * lead the lists of runs: to them, its event happened when it was recorded.
 * @param change the transaction that adds the event
 * @param batch what the event changes of the run's batches; undefined if it is about none
 */
export function foldRun(run: SyncRun | undefined, event: SyncEvent, change: bigint, batch?: BatchChange): SyncRun {
  const { sequence: lastSequence, recordedAt } = event;
  const known = run ?? noMilestone;
  const made = isMilestone(event) ? foldMilestone(known, event, batch) : known;
  const eventCount = (run?.eventCount ?? 0) + 1;
  const foldedSequence = run && run.foldedSequence !== run.lastSequence ? run.foldedSequence : lastSequence;
  if (run && event.late)
    return {
      ...run,
      ...made,
      ...{ lastSequence, recordedAt, change, eventCount, foldedSequence },
      startedAt: earliest(run.startedAt, event.startedAt),
      newestStartedAt: run.newestStartedAt ?? event.startedAt,
    };
  // Written out, since an object of so many fields that others are spread into takes some hundred times as long.
  return {
    userId: event.userId,
    runId: event.runId,
    provider: event.provider,
    source: event.source,
    stage: event.stage,
    status: event.status,
    message: event.message,
    progress: event.progress,
    itemsProcessed: event.itemsProcessed,
    itemsTotal: event.itemsTotal,
    error: event.error,
    primaryUserId: event.primaryUserId ?? run?.primaryUserId ?? null,
    newestPrimaryUserId: event.primaryUserId,
    startedAt: run?.startedAt ?? event.startedAt,
    newestStartedAt: event.startedAt ?? (run && (run.newestStartedAt ?? run.startedAt)) ?? null,
    endedAt: event.endedAt,
    lastEventAt: latest(event.timestamp < recordedAt ? event.timestamp : recordedAt, run?.lastEventAt),
    lastSequence,
    eventCount,
    finished: endsRun(event),
    recordedAt,
    change,
    newestAt: latest(happenedAt(event), run && newestAt(run)),
    scope: made.scope,
    windowStart: made.windowStart,
    windowEnd: made.windowEnd,
    openedAt: made.openedAt,
    traceId: made.traceId,
    milestoneAt: made.milestoneAt,
    milestoneStatus: made.milestoneStatus,
    milestoneError: made.milestoneError,
    failedSequence: made.failedSequence,
    lastEndedAt: made.lastEndedAt,
    attempts: made.attempts,
    failedAttempts: made.failedAttempts,
    reopened: run !== undefined && (run.reopened || (run.finished && !endsRun(event))),
    batchCount: made.batchCount,
    failedBatchCount: made.failedBatchCount,
    itemsInserted: made.itemsInserted,
    itemsUpdated: made.itemsUpdated,
    itemsLate: made.itemsLate,
    foldedSequence,
  };
}

function latest(one: Date, other: Date | undefined): Date {
  return other && other.getTime() > one.getTime() ? other : one;
}

/** A run's key as one text, for maps. */
export function runKey({ userId, runId }: { readonly userId: string; readonly runId: string }): string {
  return `${userId} ${runId}`;
}
