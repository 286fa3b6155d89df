import type { Database } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import type { Clock } from '../lib/clock.ts';
import { pause } from '../lib/pause.ts';
import type { Limits } from '../limits.ts';
import { type Cut, cutLog } from './cut-log.ts';

type SweptUser = Pick<User, 'id' | 'createdAt' | 'tailSequence'>;

const DAY_MS = 86_400_000;

/**
 * Removes what is older than it must be kept: always the oldest part of a log, never one of its newest
 * `retainedEvents`, and the runs of which no event is left. Each batch is a short transaction, so that writers wait for
 * milliseconds.
 */
export class Retention {
  readonly #database: Database;
  readonly #limits: Limits;
  readonly #keepMs: number;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #onSwept: (swept: Cut) => void;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: {
    database: Database;
    limits: Limits;
    days: number;
    clock: Clock;
    onError: (error: unknown) => void;
    /** Told what a sweep has removed, if anything. */
    onSwept?: (swept: Cut) => void;
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
  async sweep(): Promise<Cut> {
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

  async #sweepUser(user: SweptUser, highestTail: number, cutoff: Date): Promise<Cut> {
    const swept = { events: 0, runs: 0 };
    for (let from = user.tailSequence; from < highestTail && !this.#closing.signal.aborted; ) {
      const upTo = Math.min(from + this.#limits.retentionBatch, highestTail);
      const newTail = (await this.#findYoung(user.id, { from, upTo }, cutoff)) ?? upTo;
      if (newTail > from) {
        const { events, runs } = await cutLog(this.#database, user, newTail);
        swept.events += events;
        swept.runs += runs;
      }
      if (newTail < upTo) break;
      from = upTo;
    }
    return swept;
  }

  /** The first event of a batch that has to be kept. In one batch only: a log may hold any number of those that need not. */
  async #findYoung(
    userId: string,
    { from, upTo }: { readonly from: number; readonly upTo: number },
    cutoff: Date,
  ): Promise<number | undefined> {
    const young = await this.#database.reader.syncEvent.findFirst({
      where: { userId, sequence: { gte: from, lt: upTo }, recordedAt: { gte: cutoff } },
      orderBy: { sequence: 'asc' },
      select: { sequence: true },
    });
    return young?.sequence;
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
