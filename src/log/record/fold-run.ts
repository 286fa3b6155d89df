import type { SyncRun } from '../../db/rows.ts';
import type { SyncEvent } from '../event.ts';
import { endsRun } from '../words.ts';

/**
 * The summary of a run after one more of its events, which must come in order of sequence. The newest event is copied
 * whole, nothing of earlier ones is merged in, except that `startedAt` and `primaryUserId` stick once they are known.
 * A finished run is never reopened: a late event is counted, and tells at most when the run began if nothing has yet
 * (webhooks come in any order). A producer whose clock is ahead does not lead the lists of runs: to them, its event
 * happened when it was recorded.
 * @param change the transaction that adds the event
 */
export function foldRun(run: SyncRun | undefined, event: SyncEvent, change: bigint): SyncRun {
  const { sequence: lastSequence, recordedAt } = event;
  const counted = { lastSequence, recordedAt, change, eventCount: (run?.eventCount ?? 0) + 1 };
  if (run && event.late) return { ...run, ...counted, startedAt: run.startedAt ?? event.startedAt };
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
    startedAt: event.startedAt ?? run?.startedAt ?? null,
    endedAt: event.endedAt,
    lastEventAt: event.timestamp < recordedAt ? event.timestamp : recordedAt,
    finished: endsRun(event),
    ...counted,
  };
}

/** A run's key as one text, for maps. */
export function runKey({ userId, runId }: { readonly userId: string; readonly runId: string }): string {
  return `${userId} ${runId}`;
}
