import type { Database } from '../db/database.ts';
import type { ProviderLink } from '../db/rows.ts';
import { joinSql, SELECTS_PER_STATEMENT, sql } from '../db/sql.ts';
import { groupBy } from '../lib/group-by.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Limits } from '../limits.ts';
import { selectedConnection } from './connection-sql.ts';

/** How the syncs of users with their providers stand, for reading: the projection writes it. */
export class Connections {
  readonly #database: Database;
  readonly #limits: Pick<Limits, 'connectionsPerUser'>;

  constructor(parts: { readonly database: Database; readonly limits: Pick<Limits, 'connectionsPerUser'> }) {
    this.#database = parts.database;
    this.#limits = parts.limits;
  }

  /** The connections of each of these users, by provider and at most `connectionsPerUser`. */
  async ofUsers(userIds: readonly string[]): Promise<readonly (readonly ProviderLink[])[]> {
    const found: ProviderLink[] = [];
    for (const some of inPieces(userIds, SELECTS_PER_STATEMENT)) {
      const selects = some.map(
        (userId) => sql`SELECT * FROM (
          SELECT ${selectedConnection} FROM provider_connection c WHERE c.user_id = ${userId}
          ORDER BY c.provider LIMIT ${this.#limits.connectionsPerUser}) AS p`,
      );
      const rows = this.#database.reader.$queryRaw<ProviderLink[]>`
        ${joinSql(selects, ' UNION ALL ')} ORDER BY "provider"`;
      found.push(...(await rows));
    }
    const byUser = groupBy(found, ({ userId }) => userId);
    return userIds.map((userId) => byUser.get(userId) ?? []);
  }
}
