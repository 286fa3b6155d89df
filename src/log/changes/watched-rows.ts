import type { Queryable } from '../../db/database.ts';
import type { ChangedLog, LogSql } from '../sql/log-sql.ts';
import type { Snapshot } from '../sql/snapshots.ts';

/** As much of a row as tells one of its states from another: a transaction changes a row once. */
export interface RowState {
  readonly userId: string;
  /** What tells the row from others of its user, such as the id of a run. */
  readonly name: string;
  readonly lastSequence: number;
  readonly change: bigint;
}

/** A row of a user that says what has changed it last. */
export interface WatchedRow {
  readonly userId: string;
  /** The newest event that has changed it. */
  readonly lastSequence: number;
  /** The transaction that has changed it last, in the database's own order. */
  readonly change: bigint;
}

/** A page of rows in the order of their changes: what comes after a row, or the first page. */
interface RowPage {
  readonly after: RowState | undefined;
  readonly limit: number;
}

/** The statements by which the rows of a table that change are found. */
export interface ChangedRowSql {
  readSnapshot(database: Queryable): Promise<Snapshot>;
  /** Of the rows of the transactions that `now` can see and `last` cannot, those of a page. */
  findChanged(database: Queryable, last: Snapshot, now: Snapshot, page: RowPage): Promise<RowState[]>;
  /**
   * Of the rows whose change `now` can know of, those of a page; the newest change comes first. They were recorded at the
   * latest when it is said, by the database's clock; lately where nothing is said.
   */
  findNewest(
    database: Queryable,
    now: Snapshot,
    page: RowPage,
  ): Promise<(RowState & { readonly recordedAt: Date | null })[]>;
}

/** A kind of rows that can be watched: what tells one from another, and the statements by which they are found and read. */
export interface WatchedRows<Row extends WatchedRow> extends ChangedRowSql, Pick<LogSql, 'findLogs'> {
  nameOf(row: Row): string;
  /** The rows that were changed by events after a sequence of their user's log. */
  readAfter(database: Queryable, logs: readonly ChangedLog[]): Promise<Row[]>;
  readRows(database: Queryable, states: readonly RowState[]): Promise<Row[]>;
}

/** A row's key as one text, for maps. */
export function keyOfRow({ userId, name }: Pick<RowState, 'userId' | 'name'>): string {
  return `${userId} ${name}`;
}
