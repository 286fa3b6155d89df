import type { SyncEvent } from '../event.ts';
import type { FoundLog } from '../found-log.ts';

/** How far a tail had come at some moment, and of which user. */
export interface TailState {
  readonly head: number;
  /** When the user was made, which tells this log from another one under the id; undefined while the user is awaited. */
  readonly createdAt: Date | undefined;
}

/** Told of each turn of news. */
export interface TailListener {
  changed(): void;
}

/**
 * The end of one followed log, in memory once for all who follow: its bounds and its newest events. It reads nothing; it
 * is told what was read, and tells its listeners.
 *
 *     awaited --update() finds the user--> there --update() finds no user, or another log under the id--> gone, for ever
 *
 * While its user is awaited, it is the tail of an empty log.
 */
export class LogTail {
  readonly #capacity: number;
  /** Undefined while the user is awaited. */
  #createdAt: Date | undefined;
  readonly #listeners = new Set<TailListener>();
  /** Without holes, the last one at the head. */
  #newest: SyncEvent[] = [];
  #head: number;
  #oldest: number;
  #gone = false;

  /**
   * @param found the log; undefined to await a user who is not there.
   * @param capacity as many events are kept.
   */
  constructor(found: FoundLog | undefined, capacity: number) {
    this.#head = found?.headSequence ?? 0;
    this.#oldest = found?.tailSequence ?? 1;
    this.#createdAt = found?.createdAt;
    this.#capacity = capacity;
  }

  /** For a look that begins now. */
  get state(): TailState {
    return { head: this.#head, createdAt: this.#createdAt };
  }

  /** Sequence of the newest event that was read; 0 for an empty log. */
  get head(): number {
    return this.#head;
  }

  /** Sequence of the oldest event that is kept; head + 1 when none is. */
  get oldest(): number {
    return this.#oldest;
  }

  /** True once the user is deleted. */
  get gone(): boolean {
    return this.#gone;
  }

  /** As many events as it keeps. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Up to `limit` events after a sequence, in order; undefined when they are not all in memory. */
  recall(after: number, limit: number): readonly SyncEvent[] | undefined {
    const [first] = this.#newest;
    const offset = first ? after - first.sequence + 1 : -1;
    return offset >= 0 ? this.#newest.slice(offset, offset + limit) : undefined;
  }

  /**
   * What a look has found; nothing where there is no user. `before` is the state in which the look began; the log may
   * have grown since, or the user may have been made.
   */
  update(found: FoundLog | undefined, before: TailState): void {
    this.#createdAt ??= found?.createdAt;
    // Another log under the same id: the user was deleted and made anew.
    const isAnother =
      found && (found.createdAt.getTime() !== this.#createdAt?.getTime() || found.headSequence < before.head);
    if (found && !isAnother) this.#oldest = Math.max(this.#oldest, found.tailSequence);
    // A look that began while the user was awaited may be older than the user, and so cannot say that the user is gone.
    else if (before.createdAt) {
      this.#gone = true;
      this.#tell();
    }
  }

  /** The newest events of the log, in order, of which the last is the new head. Older ones may be missing before them. */
  append(events: readonly SyncEvent[]): void {
    const isNext = events[0]?.sequence === this.#head + 1;
    this.#newest = [...(isNext ? this.#newest : []), ...events].slice(-this.#capacity);
    this.#head = this.#newest.at(-1)?.sequence ?? this.#head;
    this.#tell();
  }

  /** Events that were read, in order: kept if they lead to the oldest one in memory, or to the head. */
  prepend(events: readonly SyncEvent[]): void {
    const isBefore = events.at(-1)?.sequence === (this.#newest[0]?.sequence ?? this.#head + 1) - 1;
    if (isBefore && this.#newest.length + events.length <= this.#capacity) this.#newest = [...events, ...this.#newest];
  }

  /** Tells the listener of news until it leaves. */
  listen(listener: TailListener): void {
    this.#listeners.add(listener);
  }

  leave(listener: TailListener): void {
    this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener.changed();
  }
}
