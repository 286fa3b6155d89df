import { selectOf } from '../../db/columns.ts';
import type { Database } from '../../db/database.ts';
import { isUnavailable } from '../../db/faults.ts';
import { isListed } from '../../db/listed.ts';
import { sql } from '../../db/sql.ts';
import type { WakeUps } from '../../instances/wake-ups.ts';
import type { Limits } from '../../limits.ts';
import { type FoundLog, LogTail } from './log-tail.ts';

/** A followed log, until it is released. */
export interface FollowedLog extends Disposable {
  readonly tail: LogTail;
}

interface Entry {
  readonly userId: string;
  followers: number;
  /** Undefined when there is no such user. */
  readonly tail: Promise<LogTail | undefined>;
  /** The highest head that was heard of before the tail was there. */
  heard: number;
}

/**
 * The logs that somebody follows right now, each in memory once. It listens for wake-ups, and because one can be lost
 * it also looks at all followed logs every `slowPollMs`, in one statement; nobody following means no timer.
 */
export class FollowedLogs {
  readonly #database: Database;
  readonly #limits: Limits;
  readonly #onError: (error: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** Set while the database is away: the next look comes earlier. */
  #retry: NodeJS.Timeout | undefined;

  constructor(options: { database: Database; wakeUps: WakeUps; limits: Limits; onError: (error: unknown) => void }) {
    this.#database = options.database;
    this.#limits = options.limits;
    this.#onError = options.onError;
    this.#stopListening = options.wakeUps.listen((change) => {
      const entry = this.#entries.get(change.userId);
      if (!entry) return;
      if (change.kind === 'grown') entry.heard = Math.max(entry.heard, change.head);
      // A log that could not be read at all is its followers' business: `acquire` throws it at them.
      entry.tail.then(
        (tail) => (change.kind === 'grown' ? tail?.wake(change.head) : this.#update(entry, tail, undefined)),
        () => {},
      );
    });
  }

  /** How many logs are followed. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * A user's log, to be disposed of after use; nothing for an unknown user. Listening starts before the log is read,
   * so that no change can fall between.
   */
  async acquire(userId: string): Promise<FollowedLog | undefined> {
    const entry = this.#entries.get(userId) ?? this.#open(userId);
    entry.followers += 1;
    let tail: LogTail | undefined;
    try {
      tail = await entry.tail;
    } finally {
      if (!tail) this.#leave(entry);
    }
    return tail && { tail, [Symbol.dispose]: () => this.#leave(entry) };
  }

  close(): void {
    this.#stopListening();
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
  }

  #open(userId: string): Entry {
    const entry: Entry = { userId, followers: 0, heard: 0, tail: this.#load(userId, () => entry) };
    this.#entries.set(userId, entry);
    this.#timer ??= setInterval(() => void this.look(), this.#limits.slowPollMs).unref();
    return entry;
  }

  async #load(userId: string, entry: () => Entry): Promise<LogTail | undefined> {
    const [bounds] = await readBounds(this.#database, [userId]);
    if (!bounds) return undefined;
    const tail = new LogTail(bounds, {
      database: this.#database,
      capacity: this.#limits.tailEvents,
      look: () => this.#look([entry()]),
      onError: (error) => this.#fail(error),
    });
    tail.wake(entry().heard);
    return tail;
  }

  /** Once a user is gone, so is the entry: whoever comes next may meet a new log under the same id. */
  #update(entry: Entry, tail: LogTail | undefined, bounds: FoundLog | undefined, headBefore = 0): void {
    tail?.update(bounds, headBefore);
    if (tail?.gone) this.#forget(entry);
  }

  #leave(entry: Entry): void {
    entry.followers -= 1;
    if (entry.followers === 0) this.#forget(entry);
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.userId) === entry) this.#entries.delete(entry.userId);
    if (this.#entries.size > 0) return;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    this.#timer = undefined;
    this.#retry = undefined;
  }

  #fail(error: unknown): void {
    this.#onError(error);
    if (this.#entries.size === 0 || !isUnavailable(error)) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      void this.look();
    }, this.#limits.databaseRetryMs).unref();
  }

  /** Looks at all followed logs now: changes may have been missed. */
  async look(): Promise<void> {
    try {
      await this.#look([...this.#entries.values()]);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Finds out where these logs begin and end now. */
  async #look(entries: readonly Entry[]): Promise<void> {
    // One that could not be loaded is thrown at its followers, and must not keep the others from being looked at.
    const tails = await Promise.all(entries.map(({ tail }) => tail.catch(() => undefined)));
    const heads = tails.map((tail) => tail?.head);
    const bounds = await readBounds(
      this.#database,
      entries.map(({ userId }) => userId),
    );
    const byUser = new Map(bounds.map((each) => [each.userId, each]));
    for (const [index, entry] of entries.entries())
      this.#update(entry, tails[index], byUser.get(entry.userId), heads[index]);
  }
}

function readBounds(database: Database, userIds: readonly string[]): Promise<FoundLog[]> {
  return database.reader.$queryRaw`
    SELECT u.id AS "userId", ${selectedBounds} FROM "user" u WHERE ${isListed(database, sql`u.id`, userIds)}`;
}

const selectedBounds = selectOf('u', ['headSequence', 'tailSequence', 'createdAt']);
