import { selectOf } from '../db/columns.ts';
import type { Database } from '../db/database.ts';
import { isListed } from '../db/listed.ts';
import { sql } from '../db/sql.ts';
import type { LogBounds } from './event-pages.ts';

/** A log as a look into the database finds it. */
export interface FoundLog extends LogBounds {
  /** When its user was made: a user who is deleted and made anew has another log. */
  readonly createdAt: Date;
}

/** Where the logs of these users begin and end now, in one statement; users who do not exist are left out. */
export function findLogs(database: Database, userIds: readonly string[]): Promise<FoundLog[]> {
  return database.reader.$queryRaw`
    SELECT u.id AS "userId", ${selectedBounds} FROM "user" u WHERE ${isListed(database, sql`u.id`, userIds)}`;
}

const selectedBounds = selectOf('u', ['headSequence', 'tailSequence', 'createdAt']);
