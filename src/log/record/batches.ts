import type { SyncRunBatch } from '../../db/rows.ts';
import { isObject } from '../../lib/json.ts';

/** A batch of a run, as its newest end left it. */
export type Batch = SyncRunBatch;

/** What an event changes of the batches of its run. */
export interface BatchChange {
  /** Is it the first that tells of its batch? */
  readonly isNew: boolean;
  /** By how many there are more batches whose newest end was a failure: 1, 0 or -1. */
  readonly failures: number;
}

/** A longer id is none that a producer means: it is not counted. */
const BATCH_ID_LENGTH = 200;

/** The producer's id of the batch that an event is about; undefined where it names none. */
export function batchIdOf({ metadata }: { readonly metadata?: unknown }): string | undefined {
  const id = isObject(metadata) ? metadata.batch_id : undefined;
  if (typeof id === 'number') return String(id);
  return typeof id === 'string' && id !== '' && id.length <= BATCH_ID_LENGTH ? id : undefined;
}

/** A batch's key as one text, for maps. No text of an event has a NUL in it. */
export function batchKey({ userId, runId, batchId }: Pick<Batch, 'userId' | 'runId' | 'batchId'>): string {
  return `${userId} ${runId}\0${batchId}`;
}
