/** How long the next batch waits for one that is not answered, in milliseconds: its connection may be dead. */
const PATIENCE_MS = 100;

/**
 * When a DataLoader sends its batches: not before the last one was answered. So what is asked meanwhile shares a statement,
 * and is answered with what was read after it was asked.
 */
export class BatchTurns {
  #onTheWay = 0;
  #waiting: (() => void) | undefined;

  /** For the loader's `batchScheduleFn`. */
  readonly schedule = (send: () => void): void => {
    if (this.#onTheWay === 0) {
      setImmediate(send);
      return;
    }
    const next = () => {
      clearTimeout(patience);
      if (this.#waiting === next) this.#waiting = undefined;
      send();
    };
    const patience = setTimeout(next, PATIENCE_MS).unref();
    this.#waiting = next;
  };

  /** Sends a batch. */
  async run<T>(batch: () => Promise<T>): Promise<T> {
    this.#onTheWay += 1;
    try {
      return await batch();
    } finally {
      this.#onTheWay -= 1;
      this.#waiting?.();
    }
  }
}
