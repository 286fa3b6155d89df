import { selectOf } from '../../db/columns.ts';
import type { Provider } from '../../db/database.ts';
import { isListed } from '../../db/listed.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { LogSql } from './log-sql.ts';

type EndsSql = Pick<LogSql, 'findLogs' | 'listLogs' | 'findByAge' | 'removeBefore'>;

/** Where logs begin and end, and how they are cut, in the SQL of both databases. */
export const logEnds = (kind: Provider): EndsSql => ({
  findLogs: (database, userIds) =>
    database.$queryRaw`SELECT ${selectedLog} FROM "user" u WHERE ${isListed({ kind }, sql`u.id`, userIds)}`,

  listLogs: (database, after, limit) =>
    database.$queryRaw`
      SELECT ${selectedLog} FROM "user" u
      ${after === undefined ? sql`` : sql`WHERE u.id > ${idOf[kind](after)}`} ORDER BY u.id LIMIT ${limit}`,

  async findByAge(database, { userId, from, end }, age, { cutoff, latest }) {
    const isYoungToProducer = sql`timestamp BETWEEN ${cutoff} AND ${latest}`;
    const isWanted =
      age === 'young'
        ? sql`recorded_at >= ${cutoff} AND (recorded_at <= ${latest} OR ${isYoungToProducer})`
        : sql`(recorded_at < ${cutoff} AND NOT ${isYoungToProducer}) OR (recorded_at > ${latest} AND timestamp < ${cutoff})`;
    const [row] = await database.$queryRaw<{ sequence: number }[]>`
      SELECT sequence FROM sync_event WHERE sequence >= ${from} AND sequence < ${end} AND user_id = ${idOf[kind](userId)}
        AND (${isWanted}) ORDER BY sequence ${age === 'young' ? sql`ASC` : sql`DESC`} LIMIT 1`;
    return row?.sequence;
  },

  async removeBefore(transaction, userId, tail) {
    const user = idOf[kind](userId);
    const events = await transaction.$executeRaw`DELETE FROM sync_event WHERE user_id = ${user} AND sequence < ${tail}`;
    const runs =
      await transaction.$executeRaw`DELETE FROM sync_run WHERE user_id = ${user} AND last_sequence < ${tail}`;
    return { events, runs };
  },
});

const selectedLog = sql`u.id AS "userId", ${selectOf('u', ['headSequence', 'tailSequence', 'createdAt'])}`;

const idOf: Readonly<Record<Provider, (id: string) => Sql>> = {
  sqlite: (id) => sql`${id}`,
  postgresql: (id) => sql`${id}::uuid`,
};
