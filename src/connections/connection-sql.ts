import { selectOf } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import { type ColumnTypes, insertionInto } from '../db/insertion.ts';
import { connectionFields, type ProviderLink } from '../db/rows.ts';
import { type Sql, sql } from '../db/sql.ts';

/** What tells a connection from others. */
export type ConnectionKey = readonly [userId: string, provider: string];

/** The columns of a connection `c` under the names of the fields. */
export const selectedConnection = selectOf('c', connectionFields);

const connectionTypes: ColumnTypes<ProviderLink> = {
  userId: 'uuid',
  provider: 'text',
  state: 'text',
  stateSince: 'timestamptz',
  stateAt: 'timestamptz',
  problem: 'text',
  notedAt: 'timestamptz',
  problemSequence: 'int',
  connectionId: 'text',
  connectedAt: 'timestamptz',
  revokedAt: 'timestamptz',
  firstAttemptAt: 'timestamptz',
  lastAttemptAt: 'timestamptz',
  lastSuccessAt: 'timestamptz',
  lastDataAt: 'timestamptz',
  consecutiveFailures: 'int',
  emptySuccesses: 'int',
  waitingSince: 'timestamptz',
  source: 'text',
  lastRunId: 'text',
  scope: 'text',
  health: 'text',
  healthUntil: 'timestamptz',
  reasonClass: 'text',
  failingSince: 'timestamptz',
  underWay: 'jsonb',
  rhythm: 'jsonb',
  backfill: 'jsonb',
  successSequence: 'int',
  dataSequence: 'int',
  lastSequence: 'int',
  change: 'bigint',
};

/** Inserts connections, and replaces those that exist. */
export const connectionUpsert = insertionInto('provider_connection', connectionTypes, ['userId', 'provider']);

/** The connections with these keys, as far as they exist, in one statement: SQLite gets the keys as JSON, Postgres as arrays. */
export const selectConnections: Readonly<Record<Provider, (keys: readonly ConnectionKey[]) => Sql>> = {
  sqlite: (keys) => sql`
    SELECT ${selectedConnection} FROM json_each(${JSON.stringify(keys)}) k
    CROSS JOIN provider_connection c ON c.user_id = k.value->>0 AND c.provider = k.value->>1`,
  postgresql: (keys) => sql`
    SELECT ${selectedConnection}
    FROM unnest(${keys.map(([userId]) => userId)}::uuid[], ${keys.map(([, provider]) => provider)}::text[])
      k(user_id, provider)
    JOIN provider_connection c ON c.user_id = k.user_id AND c.provider = k.provider`,
};
