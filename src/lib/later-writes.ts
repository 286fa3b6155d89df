/** What is noted in memory, to be written in the background. */
interface Noted {
  /** From the first note that is not written yet until it is written. */
  readonly afterMs: number;
  readonly isEmpty: () => boolean;
  /** Writes all that is noted; keeps noted what could not be written. Never rejects. */
  readonly write: () => Promise<void>;
}

/**
 * When what is noted is written: some time after the first note, one write at a time, and at the end.
 *
 *     idle --schedule--> waiting --afterMs--> writing --nothing noted--> idle
 *                           ^------something noted-----'                  (`close()` leads to a last write from everywhere)
 */
export class LaterWrites {
  readonly #noted: Noted;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(noted: Noted) {
    this.#noted = noted;
  }

  /** Nothing is to be noted any more. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Something is noted. */
  schedule(): void {
    if (this.#timer || this.#writing || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#noted.write().finally(() => {
        this.#writing = undefined;
        if (!this.#noted.isEmpty()) this.schedule();
      });
    }, this.#noted.afterMs).unref();
  }

  /** Writes what is noted, unless that takes as long as a database that is away. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#noted.write();
  }
}
