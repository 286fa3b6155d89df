import { isUnavailable } from '../../db/faults.ts';
import type { LogChange, WakeUps } from '../../instances/wake-ups.ts';
import { Alarms } from '../../lib/alarms.ts';
import type { Clock } from '../../lib/clock.ts';
import { retry } from '../../lib/retry.ts';
import type { Limits } from '../../limits.ts';
import type { SyncEvent } from '../event.ts';
import type { LogFigures } from '../log-figures.ts';
import type { LogReads } from '../log-reads.ts';
import { FollowedLog } from './followed-log.ts';
import type { Delivered } from './steps.ts';

/** A followed log, until it is released. */
export class AcquiredLog implements Disposable {
  readonly log: FollowedLog;
  readonly #release: () => void;

  constructor(log: FollowedLog, release: () => void) {
    this.log = log;
    this.#release = release;
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}

/** A user whose log somebody follows. */
interface Followed {
  readonly userId: string;
  followers: number;
  /** Undefined when there is no such user, and none is awaited. */
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
 * Nothing calls upwards but the tail's news of itself. This class owns the listening to wake-ups and the timers: the
 * poll runs while anybody follows, and a failed look is tried again every `databaseRetryMs` while the database is away.
 * A followed log comes with its first follower, and goes with its last one or with its user.
 */
export class FollowedLogs {
  /** For the checkpoints of all followers. */
  readonly checkpoints: Alarms;
  readonly #reads: LogReads;
  readonly #limits: Limits;
  readonly #awaitsUsers: boolean;
  readonly #onError: (error: unknown) => void;
  readonly #clock: Clock;
  readonly #figures: LogFigures;
  readonly #byUser = new Map<string, Followed>();
  readonly #stopListening: () => void;
  readonly #closing = new AbortController();
  #poll: NodeJS.Timeout | undefined;
  #isLookDue = false;
  #isLooking = false;

  constructor(options: {
    reads: LogReads;
    wakeUps: WakeUps;
    limits: Limits;
    /** Is an unknown user followed until there is one? No, if not given. */
    awaitsUsers?: boolean;
    onError: (error: unknown) => void;
    /** The database's, by which events are recorded. */
    clock: Clock;
    figures: LogFigures;
  }) {
    this.#reads = options.reads;
    this.#limits = options.limits;
    this.#awaitsUsers = options.awaitsUsers ?? false;
    this.checkpoints = new Alarms(options.limits.checkpointMs);
    this.#onError = options.onError;
    this.#clock = options.clock;
    this.#figures = options.figures;
    this.#stopListening = options.wakeUps.listen(
      (change) => this.#hear(change),
      () => void this.look(),
    );
  }

  /** How many logs are followed. */
  get size(): number {
    return this.#byUser.size;
  }

  /**
   * A user's log, to be disposed of after use; nothing for an unknown user, unless users are awaited. Listening starts
   * before the log is read, so that no change can fall between.
   */
  async acquire(userId: string): Promise<AcquiredLog | undefined> {
    const followed = this.#byUser.get(userId) ?? this.#open(userId);
    followed.followers += 1;
    let log: FollowedLog | undefined;
    try {
      log = await followed.log;
    } finally {
      if (!log) this.#leave(followed);
    }
    return log && new AcquiredLog(log, () => this.#leave(followed));
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

  #hear(change: LogChange): void {
    const followed = this.#byUser.get(change.userId);
    if (!followed) return;
    if (change.kind === 'grown') {
      followed.heard = Math.max(followed.heard, change.head);
      void this.#wake(followed, (log) => log.hear(change.head));
    } else if (change.kind === 'deleted') void this.#wake(followed, (log) => log.catchUp());
  }

  #open(userId: string): Followed {
    const log = this.#load(userId, () => this.#forget(followed));
    const followed: Followed = { userId, followers: 0, heard: 0, log };
    this.#byUser.set(userId, followed);
    this.#poll ??= setInterval(() => void this.look(), this.#limits.slowPollMs).unref();
    void this.#wake(followed, (log) => log.wake(followed.heard));
    return followed;
  }

  /** A log is forgotten with its user: whoever comes next may meet a new log under the same id. */
  async #load(userId: string, forget: () => void): Promise<FollowedLog | undefined> {
    const found = await this.#reads.find(userId);
    if (!found && !this.#awaitsUsers) return undefined;
    const log = new FollowedLog(userId, {
      ...{ found, reads: this.#reads, capacity: this.#limits.tailEvents },
      measure: (oldest) => this.#measureDelivery(oldest),
      onLost: () => {
        this.#figures.lostWakeUps += 1;
      },
    });
    log.tail.listen({
      changed() {
        if (log.tail.gone) forget();
      },
    });
    return log;
  }

  /** Tells a log of a change. What it cannot read now, a look finds again. */
  async #wake(followed: Followed, tell: (log: FollowedLog) => Promise<void>): Promise<void> {
    // A log that could not be loaded is its followers' business: `acquire` throws it at them.
    const log = await followed.log.catch(() => undefined);
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
    const all = [...this.#byUser.values()];
    if (all.length === 0) return;
    const logs = await Promise.all(all.map(({ log }) => log.catch(() => undefined)));
    const looked = logs.flatMap((log) => (log ? [{ log, before: log.tail.state }] : []));
    const found = await this.#reads.findAll(all.map(({ userId }) => userId));
    const foundByUser = new Map(found.map((each) => [each.userId, each]));
    await Promise.all(looked.map(({ log, before }) => log.findGrown(foundByUser.get(log.userId), before)));
  }

  #measureDelivery({ recordedAt }: SyncEvent): Delivered {
    const recorded = performance.now() - (this.#clock() - recordedAt.getTime());
    const { deliveryLag } = this.#figures;
    return (readyAt) => {
      const ms = performance.now() - Math.max(recorded, readyAt);
      deliveryLag.add(Math.max(0, ms) / 1_000); // another instance may know the clock otherwise by a little
    };
  }

  #leave(followed: Followed): void {
    followed.followers -= 1;
    if (followed.followers === 0) this.#forget(followed);
  }

  #forget(followed: Followed): void {
    if (this.#byUser.get(followed.userId) === followed) this.#byUser.delete(followed.userId);
    if (this.#byUser.size > 0) return;
    clearInterval(this.#poll);
    this.#poll = undefined;
  }
}
