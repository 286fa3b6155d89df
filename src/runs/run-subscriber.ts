import type { SyncRun } from '../db/rows.ts';
import { AppError } from '../errors.ts';
import { runKey } from '../log/record/fold-run.ts';

/** A run that has changed, as all subscribers are told of it. */
export interface ChangedRun {
  readonly kind: 'changed';
  readonly run: SyncRun;
  /** The moment that the run is judged at, by filters and by the payload, in milliseconds since 1970. */
  readonly judgedAt: number;
}

/** What a subscriber is told: once, that no later change can escape it any more, and then of each changed run. */
export type RunChange = { readonly kind: 'began' } | ChangedRun;

/** Which runs a subscriber is told of. */
export interface RunWish {
  readonly wants: (run: SyncRun, judgedAt: number) => boolean;
  /** The one user whom the viewer may see: the subscription ends when that user is deleted. */
  readonly only?: string | undefined;
}

/**
 * The changed runs that wait for one reader: of each run its newest state. A run that changes again keeps its place, so that
 * one that never rests is told in its turn, too.
 *
 *     beginning --begin()--> telling --end()--------------------> ended
 *                                    --more than `limit` wait---> overflown
 *
 * While beginning it collects and tells nothing. The reader's signal ends it in every state.
 */
export class RunSubscriber {
  readonly wish: RunWish;
  readonly #limit: number;
  readonly #waiting = new Map<string, ChangedRun>();
  #state: 'beginning' | 'telling' | 'ended' | 'overflown' = 'beginning';
  #wake = () => {};

  /** @param limit as many runs may wait. */
  constructor(wish: RunWish, limit: number) {
    this.wish = wish;
    this.#limit = limit;
  }

  /** From now on no change can escape. Calls after the first one change nothing. */
  begin(): void {
    this.#leaveFor('telling');
  }

  end(): void {
    this.#leaveFor('ended');
  }

  push(change: ChangedRun): void {
    if (!this.wish.wants(change.run, change.judgedAt)) return;
    this.#waiting.set(runKey(change.run), change);
    if (this.#waiting.size > this.#limit) this.#leaveFor('overflown');
    this.#wake();
  }

  /**
   * That it began, and then each change; until its end, or until the signal aborts: silently, or with its reason if
   * that is an `AppError`.
   * @throws AppError SLOW_CONSUMER once more than `limit` runs wait.
   */
  async *read(signal: AbortSignal): AsyncGenerator<RunChange, void, undefined> {
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      for (let told = false; !signal.aborted && this.#state !== 'ended'; ) {
        if (this.#state === 'overflown') throw new AppError('SLOW_CONSUMER', 'Too many changed runs wait to be read');
        const [next] = this.#waiting;
        if (this.#state === 'telling' && !told) {
          told = true;
          yield { kind: 'began' };
        } else if (this.#state === 'telling' && next) {
          this.#waiting.delete(next[0]);
          yield next[1];
        } else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
      if (signal.aborted && signal.reason instanceof AppError) throw signal.reason;
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #leaveFor(state: 'telling' | 'ended' | 'overflown'): void {
    if (this.#state !== 'beginning' && (this.#state !== 'telling' || state === 'telling')) return;
    this.#state = state;
    this.#wake();
  }
}
