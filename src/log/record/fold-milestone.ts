import type { SyncRun } from '../../db/rows.ts';
import { isObject } from '../../lib/json.ts';
import { defaultLimits } from '../../limits.ts';
import type { SyncEvent } from '../event.ts';
import { saysTrouble } from '../says-trouble.ts';
import { believed, happenedAt } from '../told-early.ts';
import { endsRun, hasFailed, startsRun } from '../words.ts';
import type { BatchChange } from './batches.ts';

/** What a run is made of, which its milestones tell: the events that start or end it. */
export const noMilestone = {
  scope: null,
  windowStart: null,
  windowEnd: null,
  openedAt: null,
  traceId: null,
  milestoneAt: null,
  milestoneStatus: null,
  milestoneError: null,
  failedSequence: null,
  lastEndedAt: null,
  attempts: 0,
  failedAttempts: 0,
  batchCount: 0,
  failedBatchCount: 0,
  itemsInserted: 0,
  itemsUpdated: 0,
  itemsLate: 0,
} satisfies Partial<SyncRun>;

type Milestones = Pick<SyncRun, keyof typeof noMilestone>;

/** A longer one is no trace id that a producer means. */
const TRACE_ID_LENGTH = 32;

export function isMilestone(event: Pick<SyncEvent, 'stage' | 'status'>): boolean {
  return startsRun(event) || endsRun(event);
}

/** Is a milestone older than the newest that its run had? Then it counts nothing; what happened between two does not matter. */
function isOlder({ milestoneAt }: Milestones, event: SyncEvent): boolean {
  return milestoneAt !== null && happenedAt(event) < milestoneAt;
}

/**
 * What a run is made of after one more milestone: what Open Wearables stores of a run, and its batches. The first one says
 * for good when the run opened, whether it is about history, and which task works on it; the span of data is known from the
 * first that tells it. Counts of ends add up. A milestone that comes late counts nothing; a start may still tell that the
 * run opened earlier, what an end has counted is kept apart, and batches have an order of their own.
 * @param batch what it changes of the run's batches; undefined if it is about none
 * @returns what it is made of then; of a whole run, other fields may come with it as they were
 */
export function foldMilestone(run: Milestones, event: SyncEvent, batch: BatchChange | undefined): Milestones {
  const ends = endsRun(event);
  const inserted = ends ? countOf(event, 'inserted') : 0;
  const updated = ends ? countOf(event, 'updated') : 0;
  const failedBatchCount = run.failedBatchCount + (batch?.failures ?? 0);
  const ofBatches = { batchCount: run.batchCount + Number(batch?.isNew ?? false), failedBatchCount };
  if (isOlder(run, event))
    return {
      ...run,
      ...ofBatches,
      openedAt: startsRun(event) ? earliest(run.openedAt, event.startedAt) : run.openedAt,
      failedSequence: run.failedSequence ?? (batch && batch.failures > 0 ? event.sequence : null),
      itemsLate: sum(run.itemsLate, inserted, updated),
    };
  const failed = ends && hasFailed(event);
  const isFirst = run.milestoneAt === null;
  return {
    ...ofBatches,
    scope: isFirst ? (event.scope ?? 'live') : run.scope,
    windowStart: run.windowStart ?? event.windowStart,
    windowEnd: run.windowEnd ?? event.windowEnd,
    openedAt: isFirst ? believed(event.startedAt ?? event.timestamp, event) : run.openedAt,
    traceId: isFirst ? traceIdOf(event) : run.traceId,
    milestoneAt: happenedAt(event),
    milestoneStatus: event.status,
    milestoneError: event.error,
    failedSequence: failedAfter(run, event, failedBatchCount > 0),
    lastEndedAt: (ends ? event.endedAt : null) ?? run.lastEndedAt,
    attempts: sum(run.attempts, Number(ends)),
    failedAttempts: sum(run.failedAttempts, Number(failed)),
    itemsInserted: sum(run.itemsInserted, inserted),
    itemsUpdated: sum(run.itemsUpdated, updated),
    itemsLate: run.itemsLate,
  };
}

/**
 * Of which event a run shows the reason. A batch that has failed stays to be seen after a later success, and so does a failed
 * end while the run is tried again.
 */
function failedAfter({ failedSequence }: Milestones, event: SyncEvent, isBatchLeft: boolean): number | null {
  if (!endsRun(event)) return failedSequence;
  if (saysTrouble(event)) return event.sequence;
  return isBatchLeft ? failedSequence : null;
}

/** The earlier of two times, as far as they are known. */
export function earliest(one: Date | null, other: Date | null): Date | null {
  if (!one || !other) return one ?? other;
  return other < one ? other : one;
}

/** Stays at the greatest number that GraphQL has, rather than fail the recording. */
function sum(...counts: readonly number[]): number {
  return Math.min(
    defaultLimits.itemCount,
    counts.reduce((total, count) => total + count, 0),
  );
}

/** A count that a producer tells in its metadata, 0 where it tells none. */
function countOf({ metadata }: SyncEvent, name: 'inserted' | 'updated'): number {
  const count = isObject(metadata) ? metadata[name] : undefined;
  return Number.isInteger(count) && Number(count) > 0 ? Number(count) : 0;
}

function traceIdOf({ metadata }: SyncEvent): string | null {
  const id = isObject(metadata) ? metadata.trace_id : undefined;
  return typeof id === 'string' && id !== '' && id.length <= TRACE_ID_LENGTH ? id : null;
}
