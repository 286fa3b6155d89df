import type { Provider } from '../../db/database.ts';
import { emptySql, rawSql, type Sql, sql } from '../../db/sql.ts';
import { readSnapshot } from '../sql/snapshots.ts';
import type { ChangedRowSql, RowState } from './watched-rows.ts';

interface ChangedRowTable {
  readonly table: string;
  /** The column that tells a row from others of its user. An index has `change`, the user and this one. */
  readonly name: string;
  /** See `findNewest`. @param end numbers of transactions that mean something are below it */
  readonly recordedAt: (end: number) => Sql;
}

/** How the rows of a table that change are found. */
export function changedRowSql(kind: Provider, { table, name, recordedAt }: ChangedRowTable): ChangedRowSql {
  const selected = rawSql(`user_id AS "userId", ${name} AS "name", last_sequence AS "lastSequence", change`);
  const rows = rawSql(`${table}`);
  const place = rawSql(`change, user_id, ${name}`);
  const backwards = rawSql(`change DESC, user_id DESC, ${name} DESC`);
  const valuesOf = ({ change, userId, name }: RowState) => sql`${Number(change)}, ${userId}, ${name}`;
  return {
    readSnapshot: (database) => readSnapshot(database, kind),

    /**
     * Those beyond `now` are left to the next look: a database that was restored out of a dump numbers its transactions
     * anew, and has rows with numbers that are still to come.
     */
    findChanged(database, last, now, { after, limit }) {
      const isNew =
        last.open.length > 0
          ? sql`(change >= ${last.end} OR change = ANY(${last.open}::bigint[]))` // SQLite has none
          : sql`change >= ${last.end}`;
      const isLater = after ? sql`AND (${place}) > (${valuesOf(after)})` : emptySql;
      return database.$queryRaw`
        SELECT ${selected} FROM ${rows} WHERE ${isNew} AND change < ${now.end} ${isLater}
        ORDER BY ${place} LIMIT ${limit}`;
    },

    findNewest(database, { end }, { after, limit }) {
      const isEarlier = after ? sql`AND (${place}) < (${valuesOf(after)})` : emptySql;
      return database.$queryRaw`
        SELECT ${selected}, ${recordedAt(end)} AS "recordedAt" FROM ${rows} WHERE change < ${end} ${isEarlier}
        ORDER BY ${backwards} LIMIT ${limit}`;
    },
  };
}
