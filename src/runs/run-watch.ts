import type { Database } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { pause } from '../lib/pause.ts';
import { retry } from '../lib/retry.ts';
import type { Limits } from '../limits.ts';
import { runKey } from '../log/record/fold-run.ts';
import { RecentRuns } from './recent-runs.ts';
import { type RunSql, type RunState, runSqlOf } from './run-sql.ts';

/** Users whose changed runs one statement reads; the rows of many more would keep the process from everything else. */
const USERS_PER_STATEMENT = 1_000;
/** Runs that a look has found of which one statement reads the newest states. */
const RUNS_PER_STATEMENT = 1_000;

export interface RunWatchOptions {
  readonly database: Database;
  /** The statements, if not those of the database's kind. */
  readonly sql?: RunSql;
  readonly limits: Pick<Limits, 'slowPollMs' | 'databaseRetryMs'>;
  /** Told of failures; they are retried. */
  readonly onError: (error: unknown) => void;
}

interface Listener {
  /** Told of each changed run, in its newest state. */
  readonly onRun: (run: SyncRun) => void;
  /** Told after each look that has succeeded: no change that is committed from now on can escape. */
  readonly onLook: () => void;
  /** Awaited before each look. */
  readonly beforeLook: () => Promise<void>;
}

/**
 * Finds the runs that change, from `start` to `stop`.
 *
 *     wake-up --note()--------------> noted users --+
 *                                                   +--read--> runs --not sent before--> onRun
 *     look: slowPollMs, lookNow() --> found runs ---+
 *
 * A wake-up can be lost, so every `slowPollMs`, and at `lookNow`, a look finds what was committed since the last one. Looks
 * and reads that fail are tried again after `databaseRetryMs`. `stop` ends the pauses of both; what still runs then is
 * ignored.
 */
export class RunWatch {
  readonly #options: RunWatchOptions;
  readonly #sql: RunSql;
  readonly #listener: Listener;
  readonly #recent: RecentRuns;
  readonly #stopping = new AbortController();
  /** Its abort ends the pause before the next look. */
  #resting = new AbortController();
  /** userId -> lowest sequence: every run of the user whose `lastSequence` is above it has to be read again. */
  readonly #changedAfter = new Map<string, number>();
  /** Runs that a look has found, by their keys. Of the same users, others after them may not have changed. */
  readonly #found = new Map<string, RunState>();
  #reading = false;

  constructor(options: RunWatchOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#sql = options.sql ?? runSqlOf(options.database);
    this.#recent = new RecentRuns(options.database, this.#sql);
  }

  /** Is it certain that no change escapes? */
  get isComplete(): boolean {
    return this.#recent.hasBaseline;
  }

  start(): void {
    void this.#lookAgainAndAgain();
  }

  stop(): void {
    this.#stopping.abort();
    this.lookNow();
  }

  /** Changes may have been missed: looks now, once more if a look is under way. */
  lookNow(): void {
    this.#resting.abort();
  }

  /** Runs of a user have changed after a sequence of the user's log. */
  note(userId: string, after: number): void {
    this.#add(userId, after);
    void this.#read();
  }

  async #lookAgainAndAgain(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#resting = new AbortController();
      await this.#retry(() => this.#look());
      await pause(this.#options.limits.slowPollMs, this.#resting.signal);
    }
  }

  async #look(): Promise<void> {
    await this.#listener.beforeLook();
    const changed = await this.#recent.look();
    if (this.#stopping.signal.aborted) return;
    for (const run of changed) this.#found.set(runKey(run), run);
    this.#listener.onLook();
    void this.#read();
  }

  #add(userId: string, after: number): void {
    this.#changedAfter.set(userId, Math.min(this.#changedAfter.get(userId) ?? after, after));
  }

  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    await this.#retry(() => this.#readNoted());
    this.#reading = false;
  }

  async #readNoted(): Promise<void> {
    const { reader } = this.#options.database;
    while (this.#changedAfter.size > 0 && !this.#stopping.signal.aborted) {
      const logs = [...this.#changedAfter].slice(0, USERS_PER_STATEMENT).map(([userId, after]) => ({ userId, after }));
      for (const { userId } of logs) this.#changedAfter.delete(userId);
      const runs = await this.#sql.readChangedRuns(reader, logs).catch((error: unknown) => {
        for (const { userId, after } of logs) this.#add(userId, after);
        throw error;
      });
      this.#tell(runs);
    }
    while (this.#found.size > 0 && !this.#stopping.signal.aborted) {
      const found = [...this.#found.values()].slice(0, RUNS_PER_STATEMENT);
      const runs = await this.#sql.readRuns(reader, found);
      for (const run of found) if (this.#found.get(runKey(run)) === run) this.#found.delete(runKey(run));
      this.#tell(runs.sort((a, b) => a.lastSequence - b.lastSequence));
    }
  }

  #tell(runs: readonly SyncRun[]): void {
    if (this.#stopping.signal.aborted) return;
    for (const run of runs) if (this.#recent.noteSent(run)) this.#listener.onRun(run);
  }

  #retry(attempt: () => Promise<void>): Promise<void> {
    const { limits, onError } = this.#options;
    return retry(attempt, { signal: this.#stopping.signal, pauseMs: limits.databaseRetryMs, onFailure: onError });
  }
}
