import type { SyncRun } from '../../db/rows.ts';
import type { SyncEvent } from '../event.ts';
import { endsRun, hasFailed } from '../words.ts';
import { type Batch, batchIdOf, batchKey } from './batches.ts';
import { counts } from './fold-milestone.ts';

/** Batches as the events of a transaction leave them. */
export class FoldedBatches {
  readonly #known: Map<string, Batch>;
  readonly #changed = new Map<string, Batch>();

  constructor(read: readonly Batch[]) {
    this.#known = new Map(read.map((batch) => [batchKey(batch), batch]));
  }

  get changed(): readonly Batch[] {
    return [...this.#changed.values()];
  }

  /** @returns the event's batch as it stood before the event */
  fold(run: SyncRun | undefined, event: SyncEvent): Batch | undefined {
    const batchId = batchIdOf(event);
    if (batchId === undefined) return undefined;
    const { userId, runId } = event;
    const key = batchKey({ userId, runId, batchId });
    const before = this.#known.get(key);
    const failed = endsRun(event) ? hasFailed(event) : (before?.failed ?? false);
    if (counts(run, event) && before?.failed !== failed) {
      const batch = { userId, runId, batchId, failed };
      this.#known.set(key, batch);
      this.#changed.set(key, batch);
    }
    return before;
  }
}
