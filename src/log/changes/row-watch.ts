import type { Database } from '../../db/database.ts';
import { pause } from '../../lib/pause.ts';
import { retry } from '../../lib/retry.ts';
import type { Limits } from '../../limits.ts';
import { RecentRows } from './recent-rows.ts';
import { keyOfRow, type RowState, type WatchedRow, type WatchedRows } from './watched-rows.ts';

/** Users whose changed rows one statement reads; the rows of many more would keep the process from everything else. */
const USERS_PER_STATEMENT = 1_000;
/** Looks for rows alone that come one after another, before one is a whole look again. */
const LOOKS_FOR_ROWS = 20;
/** Rows that a look has found of which one statement reads the newest states. */
const ROWS_PER_STATEMENT = 1_000;

export interface RowWatchOptions<Row extends WatchedRow> {
  readonly database: Database;
  readonly rows: WatchedRows<Row>;
  readonly limits: Pick<Limits, 'slowPollMs' | 'databaseRetryMs'>;
  /** Told of failures; they are retried. */
  readonly onError: (error: unknown) => void;
}

interface Listener<Row> {
  /** Told of each changed row, in its newest state. */
  readonly onRow: (row: Row) => void;
  /** Told after each look that has succeeded: no change that is committed from now on can escape. */
  readonly onLook: () => void;
  /** Awaited before each look that is not for rows alone. */
  readonly beforeLook: () => Promise<void>;
}

/**
 * Finds the rows that change, from `start` to `stop`.
 *
 *     wake-up --note()--------------> noted users --+
 *                                                   +--read--> rows --not sent before--> onRow
 *     look: slowPollMs, lookNow() --> found rows ---+
 *
 * A wake-up can be lost, so every `slowPollMs`, and at `lookNow`, a look finds what was committed since the last one. Looks
 * and reads that fail are tried again after `databaseRetryMs`. `stop` ends the pauses of both; what still runs then is
 * ignored.
 */
export class RowWatch<Row extends WatchedRow> {
  readonly #options: RowWatchOptions<Row>;
  readonly #listener: Listener<Row>;
  readonly #recent: RecentRows;
  readonly #stopping = new AbortController();
  /** Its abort ends the pause before the next look. */
  #resting = new AbortController();
  /** userId -> lowest sequence: every row of the user whose `lastSequence` is above it has to be read again. */
  readonly #changedAfter = new Map<string, number>();
  /** Rows that a look has found, by their keys. Of the same users, others after them may not have changed. */
  readonly #found = new Map<string, RowState>();
  #reading = false;
  /** Does the next look begin with all that a look finds out, and not with the rows? */
  #isWhole = true;
  /** Looks since the last that was. */
  #looksForRows = 0;

  constructor(options: RowWatchOptions<Row>, listener: Listener<Row>) {
    this.#options = options;
    this.#listener = listener;
    this.#recent = new RecentRows(options.database, options.rows);
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
    this.#isWhole = true;
    this.#resting.abort();
  }

  /** Rows have changed without an event: looks for those now, and leaves the rest of a look to one of the next. */
  lookForRows(): void {
    this.#resting.abort();
  }

  /** Rows of a user have changed after a sequence of the user's log. */
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
      if (!this.#resting.signal.aborted) this.#isWhole = true;
    }
  }

  async #look(): Promise<void> {
    if (this.#isWhole || this.#looksForRows >= LOOKS_FOR_ROWS) await this.#beginWhole();
    else this.#looksForRows += 1;
    const changed = await this.#recent.look();
    if (this.#stopping.signal.aborted) return;
    for (const row of changed) this.#found.set(keyOfRow(row), row);
    this.#listener.onLook();
    void this.#read();
  }

  async #beginWhole(): Promise<void> {
    this.#isWhole = false; // from now on `lookNow` asks for another one
    this.#looksForRows = 0;
    try {
      await this.#listener.beforeLook();
    } catch (error) {
      this.#isWhole = true;
      throw error;
    }
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
    const { database, rows } = this.#options;
    while (this.#changedAfter.size > 0 && !this.#stopping.signal.aborted) {
      const logs = [...this.#changedAfter].slice(0, USERS_PER_STATEMENT).map(([userId, after]) => ({ userId, after }));
      for (const { userId } of logs) this.#changedAfter.delete(userId);
      const changed = await rows.readAfter(database.reader, logs).catch((error: unknown) => {
        for (const { userId, after } of logs) this.#add(userId, after);
        throw error;
      });
      this.#tell(changed);
    }
    while (this.#found.size > 0 && !this.#stopping.signal.aborted) {
      const found = [...this.#found.values()].slice(0, ROWS_PER_STATEMENT);
      const changed = await rows.readRows(database.reader, found);
      for (const row of found) if (this.#found.get(keyOfRow(row)) === row) this.#found.delete(keyOfRow(row));
      this.#tell(changed);
    }
  }

  #tell(rows: Row[]): void {
    if (this.#stopping.signal.aborted) return;
    const { nameOf } = this.#options.rows;
    rows.sort((a, b) => a.lastSequence - b.lastSequence);
    for (const row of rows) if (this.#recent.noteSent(nameOf(row), row)) this.#listener.onRow(row);
  }

  #retry(attempt: () => Promise<void>): Promise<void> {
    const { limits, onError } = this.#options;
    return retry(attempt, { signal: this.#stopping.signal, pauseMs: limits.databaseRetryMs, onFailure: onError });
  }
}
