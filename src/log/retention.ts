import type { Database } from '../db/database.ts';
import { isHeldUp } from '../db/faults.ts';
import type { Clock } from '../lib/clock.ts';
import { pause } from '../lib/pause.ts';
import type { Limits } from '../limits.ts';
import { BelievedTime } from './believed-time.ts';
import { cutLog } from './cut-log.ts';
import type { FoundLog } from './found-log.ts';
import type { AgeTimes, Cut, LogSql } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

const DAY_MS = 86_400_000;

/**
 * Removes what is older than it must be kept: always the oldest part of a log, never one of its newest
 * `retainedEvents`, and the runs of which no event is left. Each batch is a short transaction, so that writers wait for
 * milliseconds.
 *
 * The age of an event is what the database's clock has gone on since it was recorded, and nothing is removed while that
 * clock is doubted, see `judgeClock`. A clock that was ahead for a while has left events behind that were recorded later
 * than now: of their age, only the producer's time and the order of the log say anything.
 */
export class Retention {
  readonly #database: Database;
  readonly #sql: LogSql;
  readonly #limits: Limits;
  readonly #keepMs: number;
  readonly #time: BelievedTime;
  readonly #onError: (error: unknown) => void;
  readonly #onSwept: (swept: Cut) => void;
  readonly #onDoubt: (now: Date) => void;
  readonly #also: (now: Date, signal: AbortSignal) => Promise<void>;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #doubtsClock = false;
  #removed: Cut = { events: 0, runs: 0 };
  #sweptAt: number | undefined;

  constructor(options: {
    database: Database;
    /** The log's statements, if not those of the database's kind. */
    sql?: LogSql;
    limits: Limits;
    days: number;
    clock: Clock;
    onError: (error: unknown) => void;
    /** Told what a sweep has removed, if anything. */
    onSwept?: (swept: Cut) => void;
    /** Told when the clock begins to be doubted, and what it says. */
    onDoubt?: (now: Date) => void;
    /** Removes what else has an age, after each sweep by a clock that is believed; neither keeps the other from its work. */
    also?: (now: Date, signal: AbortSignal) => Promise<void>;
  }) {
    this.#database = options.database;
    this.#sql = options.sql ?? logSqlOf(options.database);
    this.#limits = options.limits;
    this.#keepMs = options.days * DAY_MS;
    this.#time = new BelievedTime(options, this.#keepMs);
    this.#onError = options.onError;
    this.#onSwept = options.onSwept ?? (() => {});
    this.#onDoubt = options.onDoubt ?? (() => {});
    this.#also = options.also ?? (async () => {});
  }

  /** Did the last sweep remove nothing because the database's clock has jumped? */
  get doubtsClock(): boolean {
    return this.#doubtsClock;
  }

  /** What was removed since the process began. */
  get removed(): Cut {
    return this.#removed;
  }

  /** When the last sweep that reached its end did so, in milliseconds since 1970 by the clock of this machine. */
  get sweptAt(): number | undefined {
    return this.#sweptAt;
  }

  /** Sweeps now and then every `retentionPauseMs`, until `close`. Several instances may: batches do not add up. */
  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  /** Removes everything that is due, user by user; nothing while the clock is doubted. */
  async sweep(): Promise<Cut> {
    const { now, latest, isBelieved } = await this.#time.read();
    if (!isBelieved && !this.#doubtsClock) this.#onDoubt(now);
    this.#doubtsClock = !isBelieved;
    if (!isBelieved) return { events: 0, runs: 0 };
    try {
      return await this.#sweepLogs({ cutoff: new Date(now.getTime() - this.#keepMs), latest });
    } finally {
      await this.#also(now, this.#closing.signal).catch(this.#onError);
    }
  }

  async #sweepLogs(times: AgeTimes): Promise<Cut> {
    let events = 0;
    let runs = 0;
    for (let after: string | undefined; !this.#closing.signal.aborted; ) {
      const logs = await this.#sql.listLogs(this.#database.reader, after, this.#limits.retentionUsers);
      after = logs.at(-1)?.userId;
      if (after === undefined) break;
      for (const log of logs) {
        const highestTail = log.headSequence - this.#limits.retainedEvents + 1;
        if (highestTail <= log.tailSequence) continue;
        const swept = await this.#sweepLog(log, highestTail, times);
        events += swept.events;
        runs += swept.runs;
      }
    }
    if (!this.#closing.signal.aborted) this.#sweptAt = Date.now();
    return { events, runs };
  }

  async #sweepLog(log: FoundLog, highestTail: number, times: AgeTimes): Promise<Cut> {
    const swept = { events: 0, runs: 0 };
    const { retentionBatch } = this.#limits;
    let tail = log.tailSequence;
    for (let from = tail; from < highestTail && !this.#closing.signal.aborted; ) {
      const upTo = Math.min(from + retentionBatch, highestTail);
      const { newestOld, oldestYoung } = await this.#findAges(log.userId, { from, upTo }, times);
      const newTail = newestOld === undefined ? tail : newestOld + 1;
      while (tail < newTail && !this.#closing.signal.aborted) {
        tail = Math.min(tail + retentionBatch, newTail); // what nobody knows the age of may lie before the batch
        const cut = await this.#cut(log, tail);
        if (!cut) return swept;
        swept.events += cut.events;
        swept.runs += cut.runs;
        this.#removed = { events: this.#removed.events + cut.events, runs: this.#removed.runs + cut.runs };
      }
      if (oldestYoung !== undefined) break;
      from = upTo;
    }
    return swept;
  }

  /** Nothing where somebody keeps the rows of this user locked: the others go on, and a later sweep comes back. */
  async #cut({ userId: id, createdAt }: FoundLog, tail: number): Promise<Cut | undefined> {
    try {
      return await cutLog(this.#database, { id, createdAt }, tail, this.#sql);
    } catch (error) {
      if (isHeldUp(error)) return undefined;
      throw error;
    }
  }

  /**
   * The first event of a batch that has to be kept, and the last one before it that has not. Neither may be there, where
   * the age of all events is unknown. In one batch only: a log may hold any number of those that need not be kept.
   */
  async #findAges(
    userId: string,
    { from, upTo }: { readonly from: number; readonly upTo: number },
    times: AgeTimes,
  ): Promise<{ readonly newestOld: number | undefined; readonly oldestYoung: number | undefined }> {
    const find = (end: number, age: 'young' | 'old') =>
      this.#sql.findByAge(this.#database.reader, { userId, from, end }, age, times);
    const oldestYoung = await find(upTo, 'young');
    if (oldestYoung === from) return { newestOld: undefined, oldestYoung };
    return { newestOld: await find(oldestYoung ?? upTo, 'old'), oldestYoung };
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
