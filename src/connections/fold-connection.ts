import type { ProviderLink } from '../db/rows.ts';
import type { SyncEvent } from '../log/event.ts';
import { toldLateMs } from '../log/told-late.ts';
import { type StatusWord, wordOf } from '../log/words.ts';
import { countItems } from './count-items.ts';

type Meaning = 'success' | 'failure' | 'nothing';

/** What a run's status says of the connection. A word that this server does not know says nothing. */
const meaningOf: Readonly<Record<StatusWord, Meaning>> = {
  in_progress: 'nothing',
  success: 'success',
  partial: 'success',
  failed: 'failure',
  cancelled: 'nothing',
  skipped: 'nothing',
  unfinished: 'nothing',
  stale: 'nothing',
};
const meanings = new Map<string, Meaning>(Object.entries(meaningOf));

/** Of a status that this server does not know, the stage may still say that the run has failed. */
function meaningOfEvent({ stage, status }: SyncEvent): Meaning {
  return meanings.get(wordOf(status)) ?? (wordOf(stage) === 'failed' ? 'failure' : 'nothing');
}

/**
 * A user's connection to a provider after one more event that is not late, in order of sequence.
 * - An attempt is a run, or a notification that is a run by itself; it was made when the run began.
 * - A success is a run that ended as `success` or `partial`: something of it was done. It brought data if it counted at
 *   least one item; if it counted none it was empty; without a count it may have been either, so it changes neither the
 *   time of the last data nor the row of empty successes.
 * - A failure is a run that ended as `failed`. `skipped` had nothing to do and `cancelled` was stopped by somebody: they
 *   say nothing about the connection and leave its rows alone. So does a run that never ends.
 *
 * What comes in a row is told by the order of the log, whatever the producers' clocks say. Times only move forward, and
 * never past the moment of recording: a clock that is ahead would otherwise hide all that follows.
 * @param isFirst is this the first event of its run?
 */
export function foldConnection(connection: ProviderLink | undefined, event: SyncEvent, isFirst: boolean): ProviderLink {
  const past = (time: Date) => earlier(time, event.recordedAt);
  const begunAt = past(event.startedAt ?? event.timestamp);
  const before = connection ?? {
    userId: event.userId,
    provider: event.provider,
    firstAttemptAt: begunAt,
    lastAttemptAt: begunAt,
    lastSuccessAt: null,
    lastDataAt: null,
    consecutiveFailures: 0,
    emptySuccesses: 0,
    waitingSince: heardAt(begunAt, event),
    source: event.source,
    lastRunId: event.runId,
  };
  const attempted = isFirst || event.startedAt ? withAttempt(before, event, begunAt, isFirst) : before;
  const endedAt = past(event.endedAt ?? event.timestamp);
  const meaning = meaningOfEvent(event);
  if (meaning === 'success') return withSuccess(attempted, event, endedAt);
  return meaning === 'failure' ? { ...attempted, consecutiveFailures: attempted.consecutiveFailures + 1 } : attempted;
}

function withAttempt(
  connection: ProviderLink,
  { source, runId }: SyncEvent,
  begunAt: Date,
  isFirst: boolean,
): ProviderLink {
  return {
    ...connection,
    firstAttemptAt: earlier(connection.firstAttemptAt, begunAt),
    lastAttemptAt: later(connection.lastAttemptAt, begunAt),
    ...(isFirst && { lastRunId: runId }),
    ...(isFirst && !connection.lastSuccessAt && { source }),
  };
}

function withSuccess(connection: ProviderLink, event: SyncEvent, endedAt: Date): ProviderLink {
  const succeeded = {
    ...connection,
    lastSuccessAt: later(connection.lastSuccessAt, endedAt),
    waitingSince: heardAt(endedAt, event),
    consecutiveFailures: 0,
    source: event.source,
  };
  const items = countItems(event);
  if (items === null) return succeeded;
  if (items === 0) return { ...succeeded, emptySuccesses: connection.emptySuccesses + 1 };
  return { ...succeeded, lastDataAt: later(connection.lastDataAt, endedAt), emptySuccesses: 0 };
}

/**
 * When something was heard of, by this server's clock, whatever the producer's says; history is as old as the producer says.
 */
function heardAt(time: Date, { recordedAt }: SyncEvent): Date {
  return recordedAt.getTime() - time.getTime() >= toldLateMs ? time : recordedAt;
}

function earlier(one: Date, other: Date): Date {
  return other < one ? other : one;
}

function later(one: Date | null, other: Date): Date {
  return one && one > other ? one : other;
}
