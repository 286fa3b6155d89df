import type { Database } from '../db/database.ts';
import type { User } from '../db/rows.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** What was removed from a log. */
export interface Cut {
  readonly events: number;
  readonly runs: number;
}

/**
 * Removes the events of a log before its new tail, and the runs of which no event is left, in one transaction. It moves
 * the tail first, so that a reader is told of a gap instead of falling into it. Nothing is removed from another log under
 * the same id, whose user was made since.
 */
export function cutLog(database: Database, user: Pick<User, 'id' | 'createdAt'>, newTail: number): Promise<Cut> {
  return database.transaction(async (transaction) => {
    if (!(await logSqlOf(database).raiseTail(transaction, user, newTail))) return { events: 0, runs: 0 };
    const userId = user.id;
    const gone = await transaction.syncEvent.deleteMany({ where: { userId, sequence: { lt: newTail } } });
    const ended = await transaction.syncRun.deleteMany({ where: { userId, lastSequence: { lt: newTail } } });
    return { events: gone.count, runs: ended.count };
  });
}
