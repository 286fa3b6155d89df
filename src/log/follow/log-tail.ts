import type { Database } from '../../db/database.ts';
import type { SyncEvent } from '../event.ts';
import type { LogBounds } from '../read-pages.ts';
import { logSqlOf } from '../sql/log-sql-of.ts';

/** A log as a look into the database finds it. */
export interface FoundLog extends LogBounds {
  /** When its user was made: a user who is deleted and made anew has another log. */
  readonly createdAt: Date;
}

/**
 * The end of one followed log: its head and its newest events, in memory once for all who follow. A change costs one
 * read, however many followers there are; who lags behind what is kept here reads pages of the log on his own.
 */
export class LogTail {
  readonly userId: string;
  readonly #database: Database;
  readonly #capacity: number;
  readonly #look: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  readonly #followers = new Set<() => void>();
  /** Without holes, the last one at the head. */
  #newest: SyncEvent[] = [];
  #head: number;
  #oldest: number;
  readonly #createdAt: number;
  #gone = false;
  /** Head that a wake-up told of. */
  #target: number;
  #advancing = false;
  /** The newest advance; it never rejects. */
  #advanced: Promise<void> = Promise.resolve();
  /** Why the newest advance has failed. */
  #failure: unknown;

  /** `look` finds the log's bounds in the database and calls `update` with them. */
  constructor(
    bounds: FoundLog,
    options: { database: Database; capacity: number; look: () => Promise<void>; onError: (error: unknown) => void },
  ) {
    this.userId = bounds.userId;
    this.#head = bounds.headSequence;
    this.#target = bounds.headSequence;
    this.#oldest = bounds.tailSequence;
    this.#createdAt = bounds.createdAt.getTime();
    this.#database = options.database;
    this.#capacity = options.capacity;
    this.#look = options.look;
    this.#onError = options.onError;
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

  /** The log has grown up to `head`, or so a signal says. */
  wake(head: number): void {
    this.#target = Math.max(this.#target, head);
    if (!this.#advancing) this.#advanced = this.#advance();
  }

  /** Finds out how long the log is right now, whatever the signals said. @throws when it cannot be read */
  async catchUp(): Promise<void> {
    await this.#look();
    await this.#advanced;
    if (this.#failure) throw this.#failure;
  }

  /**
   * What a look into the database has found: the log's bounds, nothing for a deleted user. `headBefore` is the head
   * when the look began; the log may have grown since.
   */
  update(bounds: FoundLog | undefined, headBefore: number): void {
    // Another log under the same id: the user was deleted and made anew.
    const isAnother = bounds && (bounds.createdAt.getTime() !== this.#createdAt || bounds.headSequence < headBefore);
    if (!bounds || isAnother) this.#end();
    else {
      this.#oldest = Math.max(this.#oldest, bounds.tailSequence);
      this.wake(bounds.headSequence);
    }
  }

  /** Up to `limit` events after a sequence, in order, from memory if they are there. Empty only at the head, or when
   * retention took the next event, or after the user's deletion. */
  async read(after: number, limit: number): Promise<readonly SyncEvent[]> {
    const [first] = this.#newest;
    const offset = first ? after - first.sequence + 1 : -1;
    if (offset >= 0) return this.#newest.slice(offset, offset + limit);
    const upTo = Math.min(after + limit, this.#head);
    const events = await this.#readRange(after, upTo);
    // The numbers are dense, so a first event other than the next one shows that the log was cut or deleted.
    if (events[0]?.sequence === after + 1) return events;
    await this.#look();
    if (!this.#gone && this.#oldest <= after + 1)
      throw new Error(`The log of ${this.userId} has a hole at ${after + 1}`);
    return [];
  }

  /** Calls back, at most once for each turn of news, until the returned function is called. */
  onChange(follower: () => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #end(): void {
    this.#gone = true;
    this.#tell();
  }

  #tell(): void {
    for (const follower of [...this.#followers]) follower();
  }

  async #advance(): Promise<void> {
    this.#advancing = true;
    this.#failure = undefined;
    try {
      while (this.#target > this.#head && !this.#gone) {
        const upTo = this.#target;
        const fresh = await this.#readRange(Math.max(this.#head, upTo - this.#capacity), upTo);
        if (fresh.at(-1)?.sequence !== upTo) {
          // Deleted, or never there: a signal is no more than a reason to look.
          this.#target = this.#head;
          await this.#look();
          if (this.#target === upTo) throw new Error(`The log of ${this.userId} has no event ${upTo}`);
          continue;
        }
        const isNext = fresh[0]?.sequence === this.#head + 1;
        this.#newest = [...(isNext ? this.#newest : []), ...fresh].slice(-this.#capacity);
        this.#head = upTo;
        this.#tell();
      }
    } catch (error) {
      this.#failure = error;
      this.#onError(error); // the next look tries again
    } finally {
      this.#advancing = false;
    }
  }

  async #readRange(after: number, upTo: number): Promise<SyncEvent[]> {
    const rows = await logSqlOf(this.#database).readRanges(this.#database.reader, [
      { userId: this.userId, after, upTo },
    ]);
    return rows.map(({ page: _, ...event }) => event).sort((a, b) => a.sequence - b.sequence);
  }
}
