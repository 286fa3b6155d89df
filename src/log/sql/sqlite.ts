import { isOneOf, listOf, toColumn } from '../../db/columns.ts';
import { toSqliteJson } from '../../db/row-json.ts';
import { eventFields, runFields } from '../../db/rows.ts';
import { joinSql, rawSql, type Sql, sql } from '../../db/sql.ts';
import { listFilters } from '../filter.ts';
import type { FilteredPage, LogSql } from './log-sql.ts';
import { replacedRun, selectedEvent, selectedRun } from './selected-columns.ts';

/** A field of a row in `withProgress`; metadata stays JSON, everything else becomes a plain SQL value. */
const fromJson = (field: string) =>
  field === 'metadata' ? `r.value->'$.metadata'` : field === 'progress' ? 'f.progress' : `r.value->>'$.${field}'`;

/** The log in SQLite: lists of rows, ids and ranges are passed as JSON and taken apart by `json_each`. */
export const sqliteLogSql: LogSql = {
  /** It writes although it changes nothing: SQLite takes its write lock with a transaction's first write. */
  async lockUsers(transaction, userIds) {
    const rows = await transaction.$queryRaw<{ id: string; head: number }[]>`
      UPDATE user SET head_sequence = head_sequence
      WHERE id IN (SELECT value FROM json_each(${JSON.stringify(userIds)})) RETURNING id, head_sequence AS head`;
    return new Map(rows.map(({ id, head }) => [id, head]));
  },

  readEventsById: (database, ids) =>
    database.$queryRaw`
      SELECT ${selectedEvent} FROM sync_event e WHERE e.id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,

  readRuns: (database, keys) =>
    database.$queryRaw`
      SELECT ${selectedRun} FROM json_each(${JSON.stringify(keys.map(({ userId, runId }) => [userId, runId]))}) k
      CROSS JOIN sync_run r ON r.user_id = k.value->>0 AND r.run_id = k.value->>1`,

  readChangedRuns: (database, logs) =>
    database.$queryRaw`
      SELECT ${selectedRun} FROM json_each(${JSON.stringify(logs.map(({ userId, after }) => [userId, after]))}) k
      CROSS JOIN sync_run r ON r.user_id = k.value->>0 AND r.last_sequence > k.value->>1 ORDER BY r.last_sequence`,

  async insertEvents(transaction, events) {
    await transaction.$executeRaw`
      INSERT INTO sync_event (${listOf(eventFields, toColumn)})
      SELECT ${listOf(eventFields, fromJson)} FROM ${withProgress(events)}`;
  },

  async upsertRuns(transaction, runs) {
    await transaction.$executeRaw`
      INSERT INTO sync_run (${listOf(runFields, toColumn)})
      SELECT ${listOf(runFields, fromJson)} FROM ${withProgress(runs)} WHERE true
      ON CONFLICT (user_id, run_id) DO UPDATE SET ${replacedRun}`;
  },

  async raiseHeads(transaction, heads) {
    await transaction.$executeRaw`
      UPDATE user SET head_sequence = h.value->>1 FROM json_each(${JSON.stringify([...heads])}) h
      WHERE user.id = h.value->>0`;
  },

  async raiseTail(transaction, { id, createdAt }, tail) {
    const changed = await transaction.$executeRaw`
      UPDATE user SET tail_sequence = max(tail_sequence, ${tail}) WHERE id = ${id} AND created_at = ${createdAt}`;
    return changed > 0;
  },

  readRanges: (database, ranges) =>
    database.$queryRaw`
      SELECT ${selectedEvent}, r.key AS "page"
      FROM json_each(${JSON.stringify(ranges.map(({ userId, after, upTo }) => [userId, after, upTo]))}) r
      CROSS JOIN sync_event e
      ON e.user_id = r.value->>0 AND e.sequence > r.value->>1 AND e.sequence <= r.value->>2`,

  readFilteredPages: (database, pages) => database.$queryRaw(joinSql(pages.map(selectFilteredPage), ' UNION ALL ')),
};

/**
 * The rows as JSON, with their fractions beside it as parameters of their own: SQLite reads some decimal texts as a
 * neighbour of the double that wrote them, and a retry would then look like other content.
 */
function withProgress(rows: readonly { readonly progress: number | null }[]): Sql {
  const fractions = rows.flatMap(({ progress }, index) => (progress === null ? [] : [sql`(${index}, ${progress})`]));
  const values = fractions.length > 0 ? sql`VALUES ${joinSql(fractions)}` : sql`SELECT NULL, NULL`;
  return sql`json_each(${toSqliteJson(rows)}) r
    LEFT JOIN (WITH f (row, progress) AS (${values}) SELECT * FROM f) f ON f.row = r.key`;
}

/**
 * A page is a SELECT of its own that walks the log from one end and stops at its limit, instead of a window function
 * that would rank the whole log.
 */
function selectFilteredPage({ userId, after, upTo, filter, limit, fromEnd }: FilteredPage, page: number): Sql {
  const conditions = [
    sql`e.user_id = ${userId} AND e.sequence > ${after} AND e.sequence <= ${upTo}`,
    ...(filter.runId == null ? [] : [isOneOf(rawSql('e.run_id'), [filter.runId])]),
    ...listFilters.flatMap(([list, field]) => {
      const words = filter[list];
      return words == null ? [] : [isOneOf(rawSql(`e.${field}`), words)];
    }),
  ];
  return sql`SELECT * FROM (
    SELECT ${selectedEvent}, ${page} AS "page" FROM sync_event e WHERE ${joinSql(conditions, ' AND ')}
    ORDER BY e.sequence ${rawSql(fromEnd ? 'DESC' : 'ASC')} LIMIT ${limit})`;
}
