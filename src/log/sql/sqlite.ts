import { sql } from '../../db/sql.ts';
import { filteredPages } from './filtered-pages.ts';
import { lockedLogs } from './locked-logs.ts';
import { logEnds } from './log-ends.ts';
import type { LogHead, LogSql } from './log-sql.ts';
import { packedEvent, readPackedEvents } from './packed-events.ts';
import { recordedBefore } from './recorded-before.ts';
import { selectedBatch, selectedEvent, selectedRun } from './selected-columns.ts';
import { batchUpsert, eventInsertion, runUpsert } from './written-rows.ts';

/** The log in SQLite: lists of ids and ranges are passed as JSON and taken apart by `json_each`. */
export const sqliteLogSql: LogSql = {
  /** There is one lock in SQLite, and a change has it from the beginning. */
  async lockUsers(transaction, userIds) {
    const rows = await transaction.$queryRaw<(LogHead & { id: string; change: number })[]>`
      SELECT id, head_sequence AS sequence, head_recorded_at AS "recordedAt", (SELECT change + 1 FROM log_state WHERE name = 'log') AS change
      FROM user WHERE id IN (SELECT value FROM json_each(${JSON.stringify(userIds)}))`;
    return lockedLogs(rows);
  },

  readEventsById: (database, ids) =>
    database.$queryRaw`
      SELECT ${selectedEvent} FROM sync_event e WHERE e.id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,

  readRuns: (database, keys) =>
    database.$queryRaw`
      SELECT ${selectedRun} FROM json_each(${JSON.stringify(keys.map(({ userId, runId }) => [userId, runId]))}) k
      CROSS JOIN sync_run r ON r.user_id = k.value->>0 AND r.run_id = k.value->>1`,

  readBatches: (database, keys) =>
    database.$queryRaw`
      SELECT ${selectedBatch}
      FROM json_each(${JSON.stringify(keys.map(({ userId, runId, batchId }) => [userId, runId, batchId]))}) k
      CROSS JOIN sync_run_batch b ON b.user_id = k.value->>0 AND b.run_id = k.value->>1 AND b.batch_id = k.value->>2`,

  readChangedRuns: (database, logs) =>
    database.$queryRaw`
      SELECT ${selectedRun} FROM json_each(${JSON.stringify(logs.map(({ userId, after }) => [userId, after]))}) k
      CROSS JOIN sync_run r ON r.user_id = k.value->>0 AND r.last_sequence > k.value->>1 ORDER BY r.last_sequence`,

  insertEvents: eventInsertion.sqlite,
  upsertRuns: runUpsert.sqlite,
  upsertBatches: batchUpsert.sqlite,

  raiseHeads: ({ heads, change }) => [
    {
      text: 'UPDATE user SET head_sequence = ?, head_recorded_at = ? WHERE id = ?',
      rows: Array.from(heads, ([id, { sequence, recordedAt }]) => [sequence, recordedAt?.getTime() ?? null, id]),
    },
    { text: "UPDATE log_state SET change = ? WHERE name = 'log'", rows: [[Number(change)]] },
  ],

  async raiseTail(transaction, { id, createdAt }, tail) {
    const changed = await transaction.$executeRaw`
      UPDATE user SET tail_sequence = max(tail_sequence, ${tail}) WHERE id = ${id} AND created_at = ${createdAt}`;
    return changed > 0;
  },

  readRanges: (database, ranges) =>
    readPackedEvents(
      database,
      sql`
      SELECT ${packedEvent.sqlite}, r.key AS "page"
      FROM json_each(${JSON.stringify(ranges.map(({ userId, after, upTo, createdAt }) => [userId, after, upTo, createdAt?.getTime()]))}) r
      CROSS JOIN sync_event e
      ON e.user_id = r.value->>0 AND e.sequence > r.value->>1 AND e.sequence <= r.value->>2
      WHERE r.value->>3 IS NULL
        OR EXISTS (SELECT 1 FROM user u WHERE u.id = r.value->>0 AND u.created_at = r.value->>3)`,
    ),

  ...logEnds('sqlite'),
  ...filteredPages('sqlite'),
  ...recordedBefore('sqlite'),
};
