import { arrayOf } from '../../db/postgres-array.ts';
import { sql } from '../../db/sql.ts';
import { filteredPages } from './filtered-pages.ts';
import type { LogSql } from './log-sql.ts';
import { packedEvent, readPackedEvents } from './packed-events.ts';
import { selectedEvent, selectedRun } from './selected-columns.ts';
import { eventInsertion, runUpsert } from './written-rows.ts';

/** The log in Postgres: rows, lists of ids and ranges are passed as arrays. */
export const postgresLogSql: LogSql = {
  async lockUsers(transaction, userIds) {
    const rows = await transaction.$queryRaw<{ id: string; head: number }[]>`
      SELECT id, head_sequence AS head FROM "user" WHERE id = ANY(${userIds}::uuid[]) ORDER BY id FOR UPDATE`;
    return new Map(rows.map(({ id, head }) => [id, head]));
  },

  readEventsById: (database, ids) =>
    database.$queryRaw`SELECT ${selectedEvent} FROM sync_event e WHERE e.id = ANY(${ids}::uuid[])`,

  readRuns: (database, keys) =>
    database.$queryRaw`
      SELECT ${selectedRun}
      FROM unnest(${keys.map(({ userId }) => userId)}::uuid[], ${keys.map(({ runId }) => runId)}::text[]) k(user_id, run_id)
      JOIN sync_run r ON r.user_id = k.user_id AND r.run_id = k.run_id`,

  readChangedRuns: (database, logs) =>
    database.$queryRaw`
      SELECT ${selectedRun}
      FROM unnest(${logs.map(({ userId }) => userId)}::uuid[], ${logs.map(({ after }) => after)}::int[]) k(user_id, after)
      JOIN sync_run r ON r.user_id = k.user_id AND r.last_sequence > k.after ORDER BY r.last_sequence`,

  insertEvents: eventInsertion.postgresql,
  upsertRuns: runUpsert.postgresql,

  raiseHeads: (heads) => ({
    text: `UPDATE "user" SET head_sequence = h.head FROM unnest($1::uuid[], $2::int[]) h(id, head) WHERE "user".id = h.id`,
    rows: [[arrayOf([...heads.keys()], String), arrayOf([...heads.values()], String)]],
  }),

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
        ${ranges.map(({ upTo }) => upTo)}::int[]
      ) WITH ORDINALITY r(user_id, after, up_to, page)
      JOIN sync_event e ON e.user_id = r.user_id AND e.sequence > r.after AND e.sequence <= r.up_to`,
    ),

  ...filteredPages('postgresql'),
};
