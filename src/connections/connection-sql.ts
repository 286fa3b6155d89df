import { listOf, replacedBy, selectOf, toColumn } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import { type ColumnTypes, insertRows } from '../db/row-arrays.ts';
import { toSqliteJson } from '../db/row-json.ts';
import { connectionFields, type ProviderConnection } from '../db/rows.ts';
import { type Sql, sql } from '../db/sql.ts';

/** What tells a connection from others. */
export type ConnectionKey = readonly [userId: string, provider: string];

/** The columns of a connection `c` under the names of the fields. */
export const selectedConnection = selectOf('c', connectionFields);

const replaced = replacedBy(connectionFields);

const connectionTypes: ColumnTypes<ProviderConnection> = {
  userId: 'uuid',
  provider: 'text',
  firstAttemptAt: 'timestamptz',
  lastAttemptAt: 'timestamptz',
  lastSuccessAt: 'timestamptz',
  lastDataAt: 'timestamptz',
  consecutiveFailures: 'int',
  emptySuccesses: 'int',
  source: 'text',
  lastRunId: 'text',
};

interface ConnectionSql {
  /** The connections with these keys, as far as they exist. */
  select(keys: readonly ConnectionKey[]): Sql;
  /** Inserts connections, and replaces those that exist. */
  upsert(connections: readonly ProviderConnection[]): Sql;
}

/** Any number of connections is one statement: SQLite gets them as one JSON text, Postgres as arrays. */
export const connectionSql: Readonly<Record<Provider, ConnectionSql>> = {
  sqlite: {
    select: (keys) => sql`
      SELECT ${selectedConnection} FROM json_each(${JSON.stringify(keys)}) k
      CROSS JOIN provider_connection c ON c.user_id = k.value->>0 AND c.provider = k.value->>1`,
    upsert: (connections) => sql`
      INSERT INTO provider_connection (${listOf(connectionFields, toColumn)})
      SELECT ${listOf(connectionFields, (field) => `r.value->>'$.${field}'`)}
      FROM json_each(${toSqliteJson(connections)}) r WHERE true
      ON CONFLICT (user_id, provider) DO UPDATE SET ${replaced}`,
  },
  postgresql: {
    select: (keys) => sql`
      SELECT ${selectedConnection}
      FROM unnest(${keys.map(([userId]) => userId)}::uuid[], ${keys.map(([, provider]) => provider)}::text[])
        k(user_id, provider)
      JOIN provider_connection c ON c.user_id = k.user_id AND c.provider = k.provider`,
    upsert: (connections) => sql`
      ${insertRows('provider_connection', connectionTypes, connections)}
      ON CONFLICT (user_id, provider) DO UPDATE SET ${replaced}`,
  },
};
