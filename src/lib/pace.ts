/** What is done in one go should take about so long, in milliseconds. */
const SLICE_MS = 5;
const MOST_AT_ONCE = 1_024;

/**
 * Lets work that goes on in many small steps go on in slices, between which the event loop serves others. How many steps
 * make a slice is learned from how long the last one took.
 */
export class Pace {
  #waiting: (() => void)[] = [];
  #whenIdle: (() => void)[] = [];
  #atOnce = 1;
  #since = 0;
  #isScheduled = false;
  /** What was done before the first slice says nothing of a step. */
  #isFirst = true;

  /** Resolves when the caller may take its next step. */
  step(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  /** Has the slice lasted long enough? For work that could do without a step. */
  get isLong(): boolean {
    return performance.now() - this.#since > SLICE_MS;
  }

  /** Calls back when nobody waits for a step: what asks in batches has then heard all questions. */
  whenIdle(callback: () => void): void {
    this.#whenIdle.push(callback);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#isFirst = true;
    setImmediate(() => this.#slice());
  }

  /** Steps are taken after this returns, and before the event loop goes on. */
  #slice(): void {
    const now = performance.now();
    if (!this.#isFirst) {
      const tookMs = now - this.#since;
      if (tookMs > SLICE_MS) this.#atOnce = Math.max(1, Math.floor((this.#atOnce * SLICE_MS) / tookMs));
      else this.#atOnce = Math.min(MOST_AT_ONCE, this.#atOnce * 2);
    }
    this.#since = now;
    this.#isFirst = false;
    const next = this.#waiting.splice(0, this.#atOnce);
    if (next.length === 0) {
      const callbacks = this.#whenIdle;
      this.#whenIdle = [];
      this.#isScheduled = false;
      for (const callback of callbacks) callback();
      return;
    }
    for (const resolve of next) resolve();
    setImmediate(() => this.#slice());
  }
}
