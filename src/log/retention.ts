import type { Database } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import type { Clock } from '../lib/clock.ts';
import { pause } from '../lib/pause.ts';
import type { Limits } from '../limits.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

type SweptUser = Pick<User, 'id' | 'createdAt' | 'tailSequence'>;

/** What one sweep removed. */
export interface Swept {
  readonly events: number;
  readonly runs: number;
}

const DAY_MS = 86_400_000;

/**
 * Removes what is older than it must be kept: always the oldest part of a log, never one of its newest
 * `retainedEvents`, and the runs of which no event is left. Each batch is a short transaction that moves the log's tail
 * first, so that writers wait for milliseconds and a reader is told of a gap instead of falling into it.
 */
export class Retention {
  readonly #database: Database;
  readonly #limits: Limits;
  readonly #keepMs: number;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #onSwept: (swept: Swept) => void;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: {
    database: Database;
    limits: Limits;
    days: number;
    clock: Clock;
    onError: (error: unknown) => void;
    /** Told what a sweep has removed, if anything. */
    onSwept?: (swept: Swept) => void;
  }) {
    this.#database = options.database;
    this.#limits = options.limits;
    this.#keepMs = options.days * DAY_MS;
    this.#clock = options.clock;
    this.#onError = options.onError;
    this.#onSwept = options.onSwept ?? (() => {});
  }

  /** Sweeps now and then every `retentionPauseMs`, until `close`. Several instances may: batches do not add up. */
  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  /** Removes everything that is due, user by user. */
  async sweep(): Promise<Swept> {
    const cutoff = new Date(this.#clock() - this.#keepMs);
    let events = 0;
    let runs = 0;
    for (let after = ''; !this.#closing.signal.aborted; ) {
      const users = await this.#database.reader.user.findMany({
        where: after ? { id: { gt: after } } : {},
        orderBy: { id: 'asc' },
        take: this.#limits.retentionUsers,
        select: { id: true, headSequence: true, tailSequence: true, createdAt: true },
      });
      const last = users.at(-1);
      if (!last) break;
      after = last.id;
      for (const user of users) {
        const highestTail = user.headSequence - this.#limits.retainedEvents + 1;
        if (highestTail <= user.tailSequence) continue;
        const swept = await this.#sweepUser(user, highestTail, cutoff);
        events += swept.events;
        runs += swept.runs;
      }
    }
    return { events, runs };
  }

  async #sweepUser(user: SweptUser, highestTail: number, cutoff: Date): Promise<Swept> {
    const { id: userId, tailSequence: tail } = user;
    const due = await this.#database.reader.syncEvent.findFirst({
      where: { userId, sequence: { gte: tail, lt: highestTail }, recordedAt: { gte: cutoff } },
      orderBy: { sequence: 'asc' },
      select: { sequence: true },
    });
    const newTail = due?.sequence ?? highestTail;
    let events = 0;
    let runs = 0;
    for (let from = tail; from < newTail && !this.#closing.signal.aborted; from += this.#limits.retentionBatch) {
      const upTo = Math.min(from + this.#limits.retentionBatch, newTail);
      const removed = await this.#database.transaction(async (transaction) => {
        // Another log may be under this id by now: the user was deleted and made anew.
        if (!(await logSqlOf(this.#database).raiseTail(transaction, user, upTo))) return { events: 0, runs: 0 };
        const gone = await transaction.syncEvent.deleteMany({ where: { userId, sequence: { lt: upTo } } });
        const ended = await transaction.syncRun.deleteMany({ where: { userId, lastSequence: { lt: upTo } } });
        return { events: gone.count, runs: ended.count };
      });
      events += removed.events;
      runs += removed.runs;
    }
    return { events, runs };
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const swept = await this.sweep().catch(this.#onError);
      if (swept && swept.events > 0) this.#onSwept(swept);
      await pause(this.#limits.retentionPauseMs, signal);
    }
  }
}
