import { arrayOf } from '../../db/postgres-array.ts';
import { emptySql, sql } from '../../db/sql.ts';
import { filteredPages } from './filtered-pages.ts';
import { lockedLogs } from './locked-logs.ts';
import { logEnds } from './log-ends.ts';
import type { LogHead, LogSql } from './log-sql.ts';
import { packedEvent, readPackedEvents } from './packed-events.ts';
import { recordedBefore } from './recorded-before.ts';
import { selectedBatch, selectedEvent, selectedRun } from './selected-columns.ts';
import { batchUpsert, eventInsertion, runUpsert } from './written-rows.ts';

/** Of this transaction, which gets one if it has none: they grow in the order in which transactions begin to write. */
const transactionNumber = sql`pg_current_xact_id()::text::bigint`;

/** The log in Postgres: rows, lists of ids and ranges are passed as arrays. */
export const postgresLogSql: LogSql = {
  /** The lock of a row whose key stays: it meets that of everybody who records, and none of rows that refer to a user. */
  async lockUsers(transaction, userIds, locking) {
    const rows = await transaction.$queryRaw<(LogHead & { id: string; change: bigint })[]>`
      SELECT id, head_sequence AS sequence, head_recorded_at AS "recordedAt", ${transactionNumber} AS change
      FROM "user" WHERE id = ANY(${userIds}::uuid[]) ORDER BY id
      FOR NO KEY UPDATE ${locking === 'skip' ? sql`SKIP LOCKED` : emptySql}`;
    const locked = new Set(rows.map(({ id }) => id));
    const missing = userIds.filter((id) => !locked.has(id));
    if (locking === 'wait' || missing.length === 0) return lockedLogs(rows);
    const skipped = await transaction.$queryRaw<{ id: string }[]>`
      SELECT id FROM "user" WHERE id = ANY(${missing}::uuid[])`;
    return lockedLogs(
      rows,
      skipped.map(({ id }) => id),
    );
  },

  readEventsById: (database, ids) =>
    database.$queryRaw`SELECT ${selectedEvent} FROM sync_event e WHERE e.id = ANY(${ids}::uuid[])`,

  readRuns: (database, keys) =>
    database.$queryRaw`
      SELECT ${selectedRun}
      FROM unnest(${keys.map(({ userId }) => userId)}::uuid[], ${keys.map(({ runId }) => runId)}::text[]) k(user_id, run_id)
      JOIN sync_run r ON r.user_id = k.user_id AND r.run_id = k.run_id`,

  readBatches: (database, keys) =>
    database.$queryRaw`
      SELECT ${selectedBatch}
      FROM unnest(
        ${keys.map(({ userId }) => userId)}::uuid[],
        ${keys.map(({ runId }) => runId)}::text[],
        ${keys.map(({ batchId }) => batchId)}::text[]
      ) k(user_id, run_id, batch_id)
      JOIN sync_run_batch b ON b.user_id = k.user_id AND b.run_id = k.run_id AND b.batch_id = k.batch_id`,

  readChangedRuns: (database, logs) =>
    database.$queryRaw`
      SELECT ${selectedRun}
      FROM unnest(${logs.map(({ userId }) => userId)}::uuid[], ${logs.map(({ after }) => after)}::int[]) k(user_id, after)
      JOIN sync_run r ON r.user_id = k.user_id AND r.last_sequence > k.after ORDER BY r.last_sequence`,

  insertEvents: eventInsertion.postgresql,
  upsertRuns: runUpsert.postgresql,
  upsertBatches: batchUpsert.postgresql,

  raiseHeads: ({ heads }) => [
    {
      text: `UPDATE "user" SET head_sequence = h.head, head_recorded_at = h.recorded_at
        FROM unnest($1::uuid[], $2::int[], $3::timestamptz[]) h(id, head, recorded_at) WHERE "user".id = h.id`,
      rows: [
        [
          arrayOf([...heads.keys()], String),
          arrayOf([...heads.values()], ({ sequence }) => String(sequence)),
          arrayOf([...heads.values()], ({ recordedAt }) => recordedAt?.toISOString() ?? 'NULL'),
        ],
      ],
    },
  ],

  async raiseTail(transaction, { id, createdAt }, tail) {
    const changed = await transaction.$executeRaw`
      UPDATE "user" SET tail_sequence = greatest(tail_sequence, ${tail}::int)
      WHERE id = ${id}::uuid AND created_at = ${createdAt}`;
    return changed > 0;
  },

  readRanges: (database, ranges) =>
    readPackedEvents(
      database,
      sql`
      SELECT ${packedEvent.postgresql}, (r.page - 1)::int AS "page"
      FROM unnest(
        ${ranges.map(({ userId }) => userId)}::uuid[],
        ${ranges.map(({ after }) => after)}::int[],
        ${ranges.map(({ upTo }) => upTo)}::int[],
        ${ranges.map(({ createdAt }) => createdAt?.toISOString() ?? null)}::timestamptz[]
      ) WITH ORDINALITY r(user_id, after, up_to, created_at, page)
      JOIN sync_event e ON e.user_id = r.user_id AND e.sequence > r.after AND e.sequence <= r.up_to
      WHERE r.created_at IS NULL
        OR EXISTS (SELECT FROM "user" u WHERE u.id = r.user_id AND u.created_at = r.created_at)`,
    ),

  ...logEnds('postgresql'),
  ...filteredPages('postgresql'),
  ...recordedBefore('postgresql'),
};
