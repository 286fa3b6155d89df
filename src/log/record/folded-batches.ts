import type { SyncEvent } from '../event.ts';
import { happenedAt } from '../told-early.ts';
import { endsRun, hasFailed } from '../words.ts';
import { type Batch, type BatchChange, batchIdOf, batchKey } from './batches.ts';
import { isMilestone } from './fold-milestone.ts';

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

  /**
   * Takes a milestone into account. Batches of a run are worked on side by side, so that the ends of each are in an order of
   * their own: one that is late for the run may be the newest of its batch.
   */
  fold(event: SyncEvent): BatchChange | undefined {
    const batchId = batchIdOf(event);
    if (batchId === undefined || !isMilestone(event)) return undefined;
    const { userId, runId } = event;
    const key = batchKey({ userId, runId, batchId });
    const before = this.#known.get(key);
    const at = happenedAt(event);
    const isNewestEnd = endsRun(event) && (!before?.endedAt || at >= before.endedAt);
    const batch = {
      ...{ userId, runId, batchId },
      endedAt: isNewestEnd ? at : (before?.endedAt ?? null),
      failed: isNewestEnd ? hasFailed(event) : (before?.failed ?? false),
    };
    if (!before || isNewestEnd) {
      this.#known.set(key, batch);
      this.#changed.set(key, batch);
    }
    return { isNew: !before, failures: Number(batch.failed) - Number(before?.failed ?? false) };
  }
}
