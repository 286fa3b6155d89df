import type { Database } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import type { Cut, LogSql } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/**
 * Removes the events of a log before its new tail, and the runs of which no event is left, in one transaction. It moves
 * the tail first, so that a reader is told of a gap instead of falling into it. Nothing is removed from another log under
 * the same id, whose user was made since.
 */
export function cutLog(
  database: Database,
  user: Pick<User, 'id' | 'createdAt'>,
  newTail: number,
  sql: LogSql = logSqlOf(database),
): Promise<Cut> {
  return database.transaction(async (transaction) =>
    (await sql.raiseTail(transaction, user, newTail))
      ? sql.removeBefore(transaction, user.id, newTail)
      : { events: 0, runs: 0 },
  );
}
