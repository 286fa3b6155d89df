import type { Database } from '../db/database.ts';
import type { ProviderLink } from '../db/rows.ts';
import type { Projection } from '../log/projection.ts';
import { type ConnectionKey, connectionUpsert, selectConnections } from './connection-sql.ts';
import { foldConnection } from './fold-connection.ts';
import { judged } from './judged.ts';

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
    fold(connection, event, runBefore) {
      if (event.late) return undefined;
      const folded = foldConnection(connection, event, runBefore);
      if (folded === connection) return undefined;
      return judged({ ...folded, lastSequence: event.sequence }, event.recordedAt.getTime());
    },
    write: (links, change) => connectionUpsert[kind](links.map((link) => ({ ...link, change }))),
  };
}
