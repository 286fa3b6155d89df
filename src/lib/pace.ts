/** What is done in one go should take about so long, in milliseconds. */
const SLICE_MS = 2;
/** For how long after a slice the next one waits for who goes first. */
const PATIENCE_MS = 10;

/** How many go first right now. */
let hurried = 0;

/** What takes little goes before what has a pace. It must not wait for a client. @returns to be called at its end, or before */
export function hurry(): () => void {
  hurried += 1;
  let isOver = false;
  return () => {
    if (!isOver) hurried -= 1;
    isOver = true;
  };
}

/** The same as long as something lasts. */
export async function first<T>(work: Promise<T>): Promise<T> {
  const end = hurry();
  try {
    return await work;
  } finally {
    end();
  }
}

/** Lets work that goes on in many small steps go on in slices, between which the event loop serves others. */
export class Pace {
  #waiting: (() => void)[] = [];
  #whenIdle: (() => void)[] = [];
  #since = 0;
  #endedAt = 0;
  #patienceMs: number;
  #isHeldUp = false;
  #isScheduled = false;

  /** @param patienceMs for how long all slices together wait for who goes first: some work is to be done in time */
  constructor(patienceMs = Number.POSITIVE_INFINITY) {
    this.#patienceMs = patienceMs;
  }

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
    setImmediate(() => this.#slice());
  }

  /** Who takes a step goes on before the next one does, so that the clock tells what they take. */
  async #slice(): Promise<void> {
    this.#isScheduled = false;
    const now = performance.now();
    const waitedMs = now - this.#endedAt;
    if (hurried > 0 && waitedMs < Math.min(PATIENCE_MS, this.#patienceMs)) {
      this.#isHeldUp = true;
      return this.#schedule();
    }
    if (this.#isHeldUp) this.#patienceMs -= waitedMs;
    this.#isHeldUp = false;
    this.#since = now;
    if (this.#waiting.length === 0) {
      const callbacks = this.#whenIdle;
      this.#whenIdle = [];
      for (const callback of callbacks) callback();
      return;
    }
    const next = this.#waiting;
    this.#waiting = [];
    let taken = 0;
    for (const take of next) {
      take();
      taken += 1;
      await undefined;
      if (this.isLong) break;
    }
    this.#endedAt = performance.now();
    this.#waiting = [...next.slice(taken), ...this.#waiting];
    this.#schedule();
  }
}
