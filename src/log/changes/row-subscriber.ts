import { AppError } from '../../errors.ts';

/** A row that has changed, as all subscribers are told of it. */
export interface ChangedRow<Row> {
  readonly kind: 'changed';
  readonly row: Row;
  /** The moment that the row is judged at, by filters and by the payload, in milliseconds since 1970. */
  readonly judgedAt: number;
}

/** What a subscriber is told: once, that no later change can escape it any more, and then of each changed row. */
export type RowChange<Row> = { readonly kind: 'began' } | ChangedRow<Row>;

/** Which rows a subscriber is told of. */
export interface RowWish<Row> {
  readonly wants: (row: Row, judgedAt: number) => boolean;
  /** The one user whom the viewer may see: the subscription ends when that user is deleted. */
  readonly only?: string | undefined;
}

/**
 * The changed rows that wait for one reader: of each row its newest state. A row that changes again keeps its place, so that
 * one that never rests is told in its turn, too.
 *
 *     beginning --begin()--> telling --end()--------------------> ended
 *                                    --more than `limit` wait---> overflown
 *
 * While beginning it collects and tells nothing. The reader's signal ends it in every state.
 */
export class RowSubscriber<Row> {
  readonly wish: RowWish<Row>;
  readonly #limit: number;
  readonly #waiting = new Map<string, ChangedRow<Row>>();
  #state: 'beginning' | 'telling' | 'ended' | 'overflown' = 'beginning';
  #wake = () => {};

  /** @param limit as many rows may wait. */
  constructor(wish: RowWish<Row>, limit: number) {
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

  /** @param key of the row */
  push(key: string, change: ChangedRow<Row>): void {
    if (!this.wish.wants(change.row, change.judgedAt)) return;
    this.#waiting.set(key, change);
    if (this.#waiting.size > this.#limit) this.#leaveFor('overflown');
    this.#wake();
  }

  /**
   * That it began, and then each change; until its end, or until the signal aborts: silently, or with its reason if
   * that is an `AppError`.
   * @throws AppError SLOW_CONSUMER once more than `limit` rows wait.
   */
  async *read(signal: AbortSignal): AsyncGenerator<RowChange<Row>, void, undefined> {
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      for (let told = false; !signal.aborted && this.#state !== 'ended'; ) {
        if (this.#state === 'overflown') throw new AppError('SLOW_CONSUMER', 'Too many changes wait to be read');
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
