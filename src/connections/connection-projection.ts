import type { Database } from '../db/database.ts';
import type { ProviderLink } from '../db/rows.ts';
import type { Projection } from '../log/projection.ts';
import { type ConnectionKey, connectionUpsert, selectConnections } from './connection-sql.ts';
import { foldConnection } from './fold-connection.ts';

const keyOf = ({ userId, provider }: Pick<ProviderLink, 'userId' | 'provider'>): ConnectionKey => [userId, provider];

/** The connections as what the log's events add up to. Late events do not count. */
export function createConnectionProjection({ kind }: Database): Projection<ConnectionKey, ProviderLink> {
  const select = selectConnections[kind];
  return {
    keysOf: (event) => [keyOf(event)],
    async read(transaction, keys) {
      const connections = await transaction.$queryRaw<ProviderLink[]>(select(keys));
      return connections.map((connection) => [keyOf(connection), connection]);
    },
    fold: (connection, event, runBefore) => (event.late ? undefined : foldConnection(connection, event, runBefore)),
    write: connectionUpsert[kind],
  };
}
