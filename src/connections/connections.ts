import type { Database } from '../db/database.ts';
import type { ProviderConnection } from '../db/rows.ts';
import { joinSql, sql } from '../db/sql.ts';
import { groupBy } from '../lib/group-by.ts';
import type { Limits } from '../limits.ts';
import { selectedConnection } from './connection-sql.ts';

/** SQLite joins at most 500 SELECTs into one; users past this bound go into a further statement. */
const USERS_PER_STATEMENT = 100;

/** The connections of each of these users, by provider and at most `connectionsPerUser`. */
export async function listConnections(
  { reader }: Database,
  userIds: readonly string[],
  limits: Pick<Limits, 'connectionsPerUser'>,
): Promise<readonly (readonly ProviderConnection[])[]> {
  const found: ProviderConnection[] = [];
  for (let start = 0; start < userIds.length; start += USERS_PER_STATEMENT) {
    const selects = userIds.slice(start, start + USERS_PER_STATEMENT).map(
      (userId) => sql`SELECT * FROM (
        SELECT ${selectedConnection} FROM provider_connection c WHERE c.user_id = ${userId}
        ORDER BY c.provider LIMIT ${limits.connectionsPerUser}) AS p`,
    );
    found.push(
      ...(await reader.$queryRaw<ProviderConnection[]>`${joinSql(selects, ' UNION ALL ')} ORDER BY "provider"`),
    );
  }
  const byUser = groupBy(found, ({ userId }) => userId);
  return userIds.map((userId) => byUser.get(userId) ?? []);
}
