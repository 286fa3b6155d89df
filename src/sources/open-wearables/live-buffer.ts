import type { Clock } from '../../lib/clock.ts';
import type { Limits } from '../../limits.ts';
import type { Entry } from '../record-entries.ts';

/** A message, and when it has arrived. */
interface Arrived extends Entry {
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * Live messages that wait to be recorded, bounded in number and length. When there are too many, all are dropped: most
 * of them stand in Redis' lists, too, and whoever takes from the buffer has to read the lists again.
 */
export class LiveBuffer {
  readonly #limits: Pick<Limits, 'bridgeMessages' | 'bridgeLength'>;
  readonly #clock: Clock;
  #messages: Arrived[] = [];
  #length = 0;
  #overflowed = false;
  #wake = () => {};

  constructor(limits: Pick<Limits, 'bridgeMessages' | 'bridgeLength'>, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Messages were dropped since the last `restart`. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** What waits, in its order. */
  get waiting(): readonly Entry[] {
    return this.#messages;
  }

  /** When the oldest message arrived, in milliseconds since 1970. */
  get oldestAt(): number | undefined {
    return this.#messages[0]?.at;
  }

  push(entry: Entry): void {
    if (this.#overflowed) return;
    this.#messages.push({ ...entry, at: this.#clock() });
    this.#length += entry.text.length;
    if (this.#messages.length > this.#limits.bridgeMessages || this.#length > this.#limits.bridgeLength) {
      this.#messages = [];
      this.#length = 0;
      this.#overflowed = true;
    }
    this.#wake();
  }

  /** Takes the oldest messages, in their order. */
  take(most: number): Arrived[] {
    const taken = this.#messages.splice(0, most);
    for (const { text } of taken) this.#length -= text.length;
    return taken;
  }

  /** Lets messages in again after an overflow: the lists are about to be read. Messages that wait stay. */
  restart(): void {
    this.#overflowed = false;
  }

  /** Resolves when a message is there, the signal aborts, or after so many milliseconds. For one waiter at a time. */
  next(signal: AbortSignal, ms: number): Promise<void> {
    if (!this.isEmpty || this.#overflowed || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(wake, ms).unref();
      signal.addEventListener('abort', wake);
      this.#wake = wake;
    });
  }
}
