import type { Database } from '../../db/database.ts';
import { isUnavailable } from '../../db/faults.ts';
import type { WakeUps } from '../../instances/wake-ups.ts';
import { retry } from '../../lib/retry.ts';
import type { Limits } from '../../limits.ts';
import { FollowedLog } from './followed-log.ts';
import { findLogs } from './found-log.ts';

/** A followed log, until it is released. */
interface AcquiredLog extends Disposable {
  readonly log: FollowedLog;
}

interface Entry {
  readonly userId: string;
  followers: number;
  /** Undefined when there is no such user. */
  readonly log: Promise<FollowedLog | undefined>;
  /** The highest head that was heard of before the log was there. */
  heard: number;
}

/**
 * The logs that somebody follows right now, each in memory once. A wake-up can be lost, so all of them are looked at
 * every `slowPollMs`, in one statement.
 *
 *     wake-up --------+
 *                     +--> FollowedLog: reads what is new --> LogTail: keeps it --> followers
 *     slow poll, gap -+
 *
 * Nothing calls upwards but the tail's news of itself. This class owns the listening to wake-ups and both timers: the poll runs while anybody follows,
 * and a failed look is tried again every `databaseRetryMs` while the database is away. An entry comes with its first
 * follower, and goes with its last one or with its user.
 */
export class FollowedLogs {
  readonly #database: Database;
  readonly #limits: Limits;
  readonly #onError: (error: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #stopListening: () => void;
  readonly #closing = new AbortController();
  #poll: NodeJS.Timeout | undefined;
  #isLookDue = false;
  #isLooking = false;

  constructor(options: { database: Database; wakeUps: WakeUps; limits: Limits; onError: (error: unknown) => void }) {
    this.#database = options.database;
    this.#limits = options.limits;
    this.#onError = options.onError;
    this.#stopListening = options.wakeUps.listen((change) => {
      const entry = this.#entries.get(change.userId);
      if (!entry) return;
      if (change.kind === 'grown') {
        entry.heard = Math.max(entry.heard, change.head);
        void this.#wake(entry, (log) => log.wake(change.head));
      } else void this.#wake(entry, (log) => log.update(undefined, 0));
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
  async acquire(userId: string): Promise<AcquiredLog | undefined> {
    const entry = this.#entries.get(userId) ?? this.#open(userId);
    entry.followers += 1;
    let log: FollowedLog | undefined;
    try {
      log = await entry.log;
    } finally {
      if (!log) this.#leave(entry);
    }
    return log && { log, [Symbol.dispose]: () => this.#leave(entry) };
  }

  /** Looks at all followed logs now, once more if a look is under way: changes may have been missed. */
  async look(): Promise<void> {
    this.#isLookDue = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#isLookDue) {
        this.#isLookDue = false;
        await retry(() => this.#lookAtAll(), {
          signal: this.#closing.signal,
          pauseMs: this.#limits.databaseRetryMs,
          isTemporary: isUnavailable,
          onFailure: this.#onError,
        });
      }
    } catch (error) {
      this.#onError(error); // the next look tries again
    } finally {
      this.#isLooking = false;
    }
  }

  close(): void {
    this.#stopListening();
    this.#closing.abort();
    clearInterval(this.#poll);
  }

  #open(userId: string): Entry {
    const log = this.#load(userId, () => this.#forget(entry));
    const entry: Entry = { userId, followers: 0, heard: 0, log };
    this.#entries.set(userId, entry);
    this.#poll ??= setInterval(() => void this.look(), this.#limits.slowPollMs).unref();
    void this.#wake(entry, (log) => log.wake(entry.heard));
    return entry;
  }

  /** Once a user is gone, so is the entry: whoever comes next may meet a new log under the same id. */
  async #load(userId: string, forget: () => void): Promise<FollowedLog | undefined> {
    const [found] = await findLogs(this.#database, [userId]);
    if (!found) return undefined;
    const log = new FollowedLog(found, { database: this.#database, capacity: this.#limits.tailEvents });
    log.tail.onChange(() => {
      if (log.tail.gone) forget();
    });
    return log;
  }

  /** Tells a log of a change. What it cannot read now, a look finds again. */
  async #wake(entry: Entry, tell: (log: FollowedLog) => Promise<void>): Promise<void> {
    // A log that could not be loaded is its followers' business: `acquire` throws it at them.
    const log = await entry.log.catch(() => undefined);
    if (!log) return;
    try {
      await tell(log);
    } catch (error) {
      this.#onError(error);
      if (isUnavailable(error)) void this.look();
    }
  }

  /** Finds out where the followed logs begin and end now, and reads what is new. */
  async #lookAtAll(): Promise<void> {
    const entries = [...this.#entries.values()];
    if (entries.length === 0) return;
    const logs = await Promise.all(entries.map(({ log }) => log.catch(() => undefined)));
    const heads = logs.map((log) => log?.tail.head ?? 0);
    const found = await findLogs(
      this.#database,
      entries.map(({ userId }) => userId),
    );
    const byUser = new Map(found.map((each) => [each.userId, each]));
    await Promise.all(logs.map((log, index) => log?.update(byUser.get(log.userId), heads[index] ?? 0)));
  }

  #leave(entry: Entry): void {
    entry.followers -= 1;
    if (entry.followers === 0) this.#forget(entry);
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.userId) === entry) this.#entries.delete(entry.userId);
    if (this.#entries.size > 0) return;
    clearInterval(this.#poll);
    this.#poll = undefined;
  }
}
