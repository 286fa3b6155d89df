import type { SyncRun } from '../../db/rows.ts';
import type { SyncEvent } from '../event.ts';
import { type AnyProjection, FoldedStates } from '../projection.ts';
import type { RunToFold } from '../sql/runs-to-fold.ts';
import { hasFailed } from '../words.ts';
import type { Batch } from './batches.ts';
import { foldRun, isLate } from './fold-run.ts';
import { FoldedBatches } from './folded-batches.ts';

/**
 * A run as it is folded anew from the events that the log has of it. What was added stays added: an event of the log never
 * changes, and a second look at it adds nothing.
 */
export class Refolding {
  readonly userId: string;
  readonly runId: string;
  /** All events up to this one are to be added; at most the run's newest one. */
  upTo: number;
  /** All events up to this one were added. */
  reached = 0;
  readonly #batches = new FoldedBatches([]);
  readonly #states: readonly FoldedStates[];
  #run: SyncRun | undefined;

  /** @param projections whose states are folded with the run */
  constructor({ userId, runId, lastSequence }: RunToFold, projections: readonly AnyProjection[]) {
    this.userId = userId;
    this.runId = runId;
    this.upTo = lastSequence;
    this.#states = projections.map((projection) => new FoldedStates(projection));
  }

  /** Adds one more event, in order of sequence. Whether it is late is decided anew, whatever is stored with it. */
  add(stored: SyncEvent): void {
    const event = { ...stored, late: isLate(this.#run, stored) };
    for (const states of this.#states) states.add({ event, runBefore: this.#run });
    this.#run = foldRun(this.#run, event, 0n, this.#batches.fold(event));
    this.reached = event.sequence;
  }

  /** What a transaction puts in the place of a stored row. */
  replace(stored: SyncRun, change: bigint): Refolded {
    if (!this.#run || this.#run.eventCount < stored.eventCount)
      return { run: { ...keepRun(stored), change }, parts: undefined };
    const states = this.#states.map(({ changed }) => changed);
    return { run: { ...this.#run, change }, parts: { batches: this.#batches.changed, states } };
  }
}

/** A run that was folded anew. */
export interface Refolded {
  readonly run: SyncRun;
  /** What is to replace all that is stored of it; undefined where that stays. */
  readonly parts:
    | {
        readonly batches: readonly Batch[];
        /** Of each projection. */
        readonly states: readonly (readonly unknown[])[];
      }
    | undefined;
}

/**
 * A run of which retention has removed events stays as it is: nobody can say any more what it is made of. The little that its
 * last state tells counts as what is known of it.
 */
function keepRun(run: SyncRun): SyncRun {
  const { lastEventAt, startedAt, finished } = run;
  const newestAt = run.newestAt && run.newestAt > lastEventAt ? run.newestAt : lastEventAt;
  const kept = { ...run, newestAt, foldedSequence: run.lastSequence };
  // Milestones that were recorded since tell more.
  if (run.milestoneAt || !(startedAt || finished)) return kept;
  const opened = { ...kept, scope: 'live', openedAt: startedAt ?? lastEventAt };
  if (!finished) return opened;
  return {
    ...opened,
    milestoneAt: lastEventAt,
    milestoneStatus: run.status,
    milestoneError: run.error,
    lastEndedAt: run.endedAt,
    attempts: 1,
    failedAttempts: Number(hasFailed(run)),
  };
}
