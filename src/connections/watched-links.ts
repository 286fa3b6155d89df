import type { Provider } from '../db/database.ts';
import type { ProviderLink } from '../db/rows.ts';
import { type Sql, sql } from '../db/sql.ts';
import { changedRowSql } from '../log/changes/changed-row-sql.ts';
import type { WatchedRows } from '../log/changes/watched-rows.ts';
import type { ChangedLog } from '../log/sql/log-sql.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';
import { selectConnections, selectedConnection } from './connection-sql.ts';

/** The connections as rows that can be watched. */
export function watchedLinks({ kind }: { readonly kind: Provider }): WatchedRows<ProviderLink> {
  const { findLogs } = logSqlOf({ kind });
  return {
    ...changedRowSql(kind, { table: 'provider_connection', name: 'provider', recordedAt }),
    findLogs,
    nameOf: ({ provider }) => provider,
    readAfter: (database, logs) => database.$queryRaw(selectChangedAfter[kind](logs)),
    readRows: (database, states) =>
      database.$queryRaw(selectConnections[kind](states.map(({ userId, name }) => [userId, name]))),
  };
}

/** A connection keeps no time of its own: it was changed no later than the next run that was recorded. */
const recordedAt = (end: number) => sql`(
  SELECT r.recorded_at FROM sync_run r WHERE r.change >= provider_connection.change AND r.change < ${end}
  ORDER BY r.change LIMIT 1)`;

const selectChangedAfter: Readonly<Record<Provider, (logs: readonly ChangedLog[]) => Sql>> = {
  sqlite: (logs) => sql`
    SELECT ${selectedConnection} FROM json_each(${JSON.stringify(logs.map(({ userId, after }) => [userId, after]))}) k
    CROSS JOIN provider_connection c ON c.user_id = k.value->>0 AND c.last_sequence > k.value->>1`,
  postgresql: (logs) => sql`
    SELECT ${selectedConnection}
    FROM unnest(${logs.map(({ userId }) => userId)}::uuid[], ${logs.map(({ after }) => after)}::int[]) k(user_id, after)
    JOIN provider_connection c ON c.user_id = k.user_id AND c.last_sequence > k.after`,
};
