import type { Database } from '../../db/database.ts';
import type { Snapshot } from '../sql/snapshots.ts';
import { type ChangedRowSql, keyOfRow, type RowState, type WatchedRow } from './watched-rows.ts';

/** Changed rows that one statement finds. */
const ROWS_PER_STATEMENT = 2_000;

/**
 * For how long before the last look rows are told of again once another server has taken over: a transaction may take some
 * seconds, and the clocks of the two may be apart.
 */
const OVERLAP_MS = 60_000;

/**
 * Finds the rows that change. Each look takes a snapshot of which transactions are committed, and finds the rows of those
 * that were not in the last one: none can escape, whatever the clocks of the instances say and however long a transaction
 * takes. The first snapshot is the baseline. A look costs what has changed, however many users and rows there are.
 *
 * A server that takes over without the newest transactions of the one before numbers its own from where it was: its numbers
 * say nothing of what was seen. Then what was recorded since shortly before the last look is told, some of it again.
 */
export class RecentRows {
  readonly #database: Database;
  readonly #sql: ChangedRowSql;
  /** Undefined until the baseline. */
  #last: Snapshot | undefined;
  /** The states that were sent lately: a wake-up and a look may both lead to one. */
  readonly #sent = new Map<string, bigint>();

  constructor(database: Database, sql: ChangedRowSql) {
    this.#database = database;
    this.#sql = sql;
  }

  /** Is the baseline there? Every change that is committed after it is found. */
  get hasBaseline(): boolean {
    return this.#last !== undefined;
  }

  /** Rows with a state that was committed since the last look, whether it was sent in the meantime or not. None for the baseline. */
  async look(): Promise<readonly RowState[]> {
    const last = this.#last;
    const now = await this.#sql.readSnapshot(this.#database.reader);
    const found = last ? await this.#readChanged(last, now) : [];
    if (last && (now.server !== last.server || now.end < last.end)) {
      found.push(...(await this.#readLatest(now, last.takenAt - OVERLAP_MS)));
      this.#sent.clear();
    }
    this.#last = now;
    const open = new Set(last?.open.map(BigInt));
    for (const [key, change] of this.#sent) if (last && change < last.end && !open.has(change)) this.#sent.delete(key);
    return found.filter((row) => this.#sent.get(keyOfRow(row)) !== row.change);
  }

  /** Notes that a state is sent now. False if it was sent before. */
  noteSent(name: string, { userId, change }: WatchedRow): boolean {
    const key = keyOfRow({ userId, name });
    if (this.#sent.get(key) === change) return false;
    this.#sent.set(key, change);
    return true;
  }

  async #readChanged(last: Snapshot, now: Snapshot): Promise<RowState[]> {
    const found: RowState[] = [];
    for (let after: RowState | undefined; ; after = found.at(-1)) {
      const page = { after, limit: ROWS_PER_STATEMENT };
      const rows = await this.#sql.findChanged(this.#database.reader, last, now, page);
      found.push(...rows);
      if (rows.length < ROWS_PER_STATEMENT) return found;
    }
  }

  /** The rows that were recorded since a moment: those of the newest transactions, page by page, until all of one are older. */
  async #readLatest(now: Snapshot, since: number): Promise<RowState[]> {
    const found: RowState[] = [];
    for (let after: RowState | undefined; ; ) {
      const rows = await this.#sql.findNewest(this.#database.reader, now, { after, limit: ROWS_PER_STATEMENT });
      const latest = rows.filter(({ recordedAt }) => !recordedAt || recordedAt.getTime() >= since);
      found.push(...latest);
      after = rows.at(-1);
      if (rows.length < ROWS_PER_STATEMENT || latest.length === 0) return found;
    }
  }
}
