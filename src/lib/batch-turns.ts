import DataLoader from 'dataloader';

/** How long the next batch waits for one that is not answered, in milliseconds: its connection may be dead. */
const PATIENCE_MS = 100;

/**
 * When a DataLoader sends its batches: not before the last one was answered. So what is asked meanwhile shares a statement,
 * and is answered with what was read after it was asked.
 */
export class BatchTurns {
  #onTheWay = 0;
  /** Those that were filled first. */
  readonly #waiting = new Set<() => void>();

  /** For the loader's `batchScheduleFn`. */
  readonly schedule = (send: () => void): void => {
    if (this.#onTheWay === 0) {
      setImmediate(send);
      return;
    }
    const next = () => {
      clearTimeout(patience);
      if (this.#waiting.delete(next)) send();
    };
    const patience = setTimeout(next, PATIENCE_MS).unref();
    this.#waiting.add(next);
  };

  /** Sends a batch. */
  async run<T>(batch: () => Promise<T>): Promise<T> {
    this.#onTheWay += 1;
    try {
      return await batch();
    } finally {
      this.#onTheWay -= 1;
      const [next] = this.#waiting;
      next?.();
    }
  }
}

/**
 * Answers questions that are asked one by one with reads of many, see {@link BatchTurns}. Nothing is kept.
 * @param find answers in the order of the questions, of which some may be the same
 * @param most as many go into one read
 */
export function inTurns<Q, A>(
  find: (questions: readonly Q[]) => Promise<readonly A[]>,
  most = Number.POSITIVE_INFINITY,
): (question: Q) => Promise<A> {
  const turns = new BatchTurns();
  const loader = new DataLoader<Q, A>((questions) => turns.run(() => find(questions)), {
    cache: false,
    maxBatchSize: most,
    batchScheduleFn: turns.schedule,
  });
  return (question) => loader.load(question);
}
