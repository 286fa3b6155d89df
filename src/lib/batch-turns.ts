import DataLoader from 'dataloader';

/** How long the next batch waits for one that is not answered, in milliseconds: its connection may be dead. */
const PATIENCE_MS = 100;

/**
 * When a DataLoader sends its batches: each after the one before was answered, or was not in time. So what is asked
 * meanwhile shares a statement, and is answered with what was read after it was asked. Between two batches the event loop
 * turns, as a batch for SQLite is answered within the call.
 *
 *     free --schedule()--> taken --answered, or out of patience, and none waits--> free
 *                                --and one waits--> taken, by that one
 */
export class BatchTurns {
  #isTaken = false;
  /** Changes when a turn begins, and when it is over. */
  #turn = 0;
  #patience: NodeJS.Timeout | undefined;
  /** The batches that wait for their turn, the oldest first; the last one may still be filling. */
  readonly #waiting: (() => void)[] = [];

  /** For the loader's `batchScheduleFn`. */
  readonly schedule = (send: () => void): void => {
    if (this.#isTaken) this.#waiting.push(send);
    else this.#take(send);
  };

  /** Sends a batch. */
  async run<T>(batch: () => Promise<T>): Promise<T> {
    const turn = this.#turn;
    try {
      return await batch();
    } finally {
      if (turn === this.#turn) this.#end();
    }
  }

  #take(send: () => void): void {
    this.#isTaken = true;
    setImmediate(() => {
      this.#turn += 1;
      this.#patience = setTimeout(() => this.#end(), PATIENCE_MS).unref();
      send();
    });
  }

  #end(): void {
    clearTimeout(this.#patience);
    this.#turn += 1;
    const next = this.#waiting.shift();
    if (next) this.#take(next);
    else this.#isTaken = false;
  }
}

/**
 * Answers questions that are asked one by one with reads of many, see {@link BatchTurns}. Nothing is kept. A read that
 * fails has failed for all who share it.
 * @param find answers in the order of the questions, of which some may be the same
 * @param most at most so many go into one read
 */
export function inTurns<Q, A>(
  find: (questions: readonly Q[]) => Promise<readonly A[]>,
  most: number,
): (question: Q) => Promise<A> {
  const turns = new BatchTurns();
  const loader = new DataLoader<Q, A>((questions) => turns.run(() => find(questions)), {
    cache: false,
    maxBatchSize: most,
    batchScheduleFn: turns.schedule,
  });
  return (question) => loader.load(question);
}

/** At most so many ids are looked for with one statement by who look for one each. */
const IDS_TOGETHER = 1_000;

/** The same for what has an id: what is not found is undefined. @param find what there is of these, in any order */
export function oneByOne<T>(
  find: (ids: readonly string[]) => Promise<readonly T[]>,
  idOf: (found: T) => string,
): (id: string) => Promise<T | undefined> {
  return inTurns(async (ids) => {
    const found = new Map((await find([...new Set(ids)])).map((each) => [idOf(each), each]));
    return ids.map((id) => found.get(id));
  }, IDS_TOGETHER);
}
