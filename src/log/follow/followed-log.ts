import type { SyncEvent } from '../event.ts';
import type { SyncEventFilter } from '../filter.ts';
import type { FoundLog } from '../found-log.ts';
import type { LogReads } from '../log-reads.ts';
import { LogTail, type TailState } from './log-tail.ts';
import { type Delivered, type FollowedEvents, SharedSteps } from './steps.ts';

/** A wake-up that comes so long after a look has found what it tells of, has been lost. In milliseconds. */
const LOST_MS = 1_000;

interface FollowedLogOptions {
  /** Undefined to await a user who is not there. */
  readonly found: FoundLog | undefined;
  readonly reads: LogReads;
  /** Of the tail. */
  readonly capacity: number;
  /** Begins to measure how late this event, and newer ones, come to readers. */
  readonly measure: (oldest: SyncEvent) => Delivered;
  /** Told when a wake-up was lost. */
  readonly onLost: () => void;
}

/**
 * One log that somebody follows. It moves its tail on to the head that signals and looks tell of, with one read for each
 * change however many followers there are. A follower who lags behind the tail reads pages of the log.
 *
 *     resting --wake(), update() or catchUp() tells of a higher head--> advancing --at that head, or failed--> resting
 *
 * It owns no timer. A failure is thrown at whoever caused the advance, and the next wake or look tries again.
 */
export class FollowedLog {
  readonly userId: string;
  readonly tail: LogTail;
  readonly #reads: LogReads;
  readonly #steps = new SharedSteps();
  /** Pages that are being read, by the sequence before each. */
  readonly #reading = new Map<number, Promise<readonly SyncEvent[]>>();
  /** The highest head that was told of. */
  #target: number;
  #isAdvancing = false;
  /** The head that a look has found and no wake-up has told of, and since when, by `performance.now()`. */
  #unheard: { readonly head: number; readonly since: number } | undefined;
  readonly #options: FollowedLogOptions;
  /** The newest advance. */
  #advanced: Promise<void> = Promise.resolve();

  constructor(userId: string, options: FollowedLogOptions) {
    this.userId = userId;
    this.tail = new LogTail(options.found, options.capacity);
    this.#reads = options.reads;
    this.#options = options;
    this.#target = this.tail.head;
  }

  /** The log has grown up to `head`, or so a signal says, which may be wrong. Resolves when the tail is there. @throws when it cannot be read */
  wake(head: number): Promise<void> {
    this.#target = Math.max(this.#target, head);
    if (!this.#isAdvancing) this.#advanced = this.#advance();
    return this.#advanced;
  }

  /** A signal says that the log has grown up to `head`. Resolves and throws as `wake` does. */
  hear(head: number): Promise<void> {
    if (this.#unheard && head >= this.#unheard.head) this.#unheard = undefined;
    return this.wake(head);
  }

  /** What one of the looks at all followed logs has found. Resolves and throws as `wake` does. */
  findGrown(found: FoundLog | undefined, before: TailState): Promise<void> {
    const now = performance.now();
    if (this.#unheard && now - this.#unheard.since >= LOST_MS) {
      this.#unheard = undefined;
      this.#options.onLost();
    }
    const head = found?.headSequence ?? 0;
    if (head > this.#target) this.#unheard ??= { head, since: now };
    return this.update(found, before);
  }

  /** What a look has found, see `LogTail.update`. Resolves and throws as `wake` does. */
  update(found: FoundLog | undefined, before: TailState): Promise<void> {
    this.tail.update(found, before);
    return this.wake(found?.headSequence ?? 0);
  }

  /** Finds out how long the log is right now, whatever the signals said. @throws when it cannot be read */
  async catchUp(): Promise<void> {
    const before = this.tail.state;
    await this.update(await this.#reads.find(this.userId), before);
  }

  /**
   * What comes after a sequence, if it is in memory: up to `limit` events of which those are shown that match the filter,
   * or none at the head. All followers at the same place are given the same step.
   */
  stepAfter(after: number, filter: SyncEventFilter | null | undefined, limit: number): FollowedEvents | undefined {
    const { tail } = this;
    const recall = () => (after < tail.head ? tail.recall(after, limit) : []);
    return this.#steps.after(after, filter, tail, recall, this.#options.measure);
  }

  /**
   * Up to `limit` events after a sequence, in order; one read for all who ask for the same at once, and what leads to the
   * head stays in memory. Empty only when retention took the next event, or after the user's deletion.
   */
  read(after: number, limit: number): Promise<readonly SyncEvent[]> {
    return this.#reading.get(after) ?? this.#startReading(after, limit);
  }

  #startReading(after: number, limit: number): Promise<readonly SyncEvent[]> {
    const reading = this.#readAfter(after, limit).finally(() => this.#reading.delete(after));
    this.#reading.set(after, reading);
    return reading;
  }

  async #readAfter(after: number, limit: number): Promise<readonly SyncEvent[]> {
    const events = await this.#readRange(after, Math.min(after + limit, this.tail.head));
    // The numbers are dense, so a first event other than the next one shows that the log was cut or deleted.
    if (events[0]?.sequence === after + 1) {
      this.tail.prepend(events);
      return events;
    }
    await this.catchUp();
    if (!this.tail.gone && this.tail.oldest <= after + 1)
      throw new Error(`The log of ${this.userId} has a hole at ${after + 1}`);
    return [];
  }

  async #advance(): Promise<void> {
    this.#isAdvancing = true;
    try {
      while (this.#target > this.tail.head && !this.tail.gone) {
        const upTo = this.#target;
        const fresh = await this.#readRange(Math.max(this.tail.head, upTo - this.tail.capacity), upTo);
        if (fresh.at(-1)?.sequence === upTo) this.tail.append(fresh);
        else await this.#correctTarget(upTo);
      }
    } catch (error) {
      // What a signal has told of may be what cannot even be read. The next signal or look tells what there is.
      this.#target = this.tail.head;
      throw error;
    } finally {
      this.#isAdvancing = false;
    }
  }

  /** The user is awaited, the log was deleted, or has never been that long: a signal is no more than a reason to look. */
  async #correctTarget(upTo: number): Promise<void> {
    const before = this.tail.state;
    this.#target = before.head;
    const found = await this.#reads.find(this.userId);
    this.tail.update(found, before);
    this.#target = Math.max(this.#target, found?.headSequence ?? 0);
    if (before.createdAt && this.#target === upTo && !this.tail.gone)
      throw new Error(`The log of ${this.userId} has no event ${upTo}`);
  }

  /** Of this very log: a user who was deleted and made anew meanwhile has another one. Nothing while the user is awaited. */
  async #readRange(after: number, upTo: number): Promise<SyncEvent[]> {
    const { createdAt } = this.tail.state;
    if (!createdAt) return [];
    const rows = await this.#reads.ranges([{ userId: this.userId, after, upTo, createdAt }]);
    return rows.map(({ event }) => event).sort((a, b) => a.sequence - b.sequence);
  }
}
