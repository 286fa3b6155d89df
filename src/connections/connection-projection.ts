import type { Database } from '../db/database.ts';
import type { ProviderLink, SyncRun } from '../db/rows.ts';
import type { SyncEvent } from '../log/event.ts';
import type { Projection } from '../log/projection.ts';
import { foldBackfill, readBackfill } from './backfill.ts';
import { type ConnectionKey, connectionUpsert, selectConnections } from './connection-sql.ts';
import { foldConnection } from './fold-connection.ts';
import { judged } from './judged.ts';

function withBackfill(link: ProviderLink, event: SyncEvent, runBefore: SyncRun | undefined): ProviderLink {
  const before = readBackfill(link.backfill);
  const backfill = foldBackfill(before, event, runBefore);
  return backfill === before ? link : { ...link, backfill: backfill as unknown as ProviderLink['backfill'] }; // plain JSON
}

const keyOf = ({ userId, provider }: Pick<ProviderLink, 'userId' | 'provider'>): ConnectionKey => [userId, provider];

/** The connections as what the log's events add up to. Late events tell only how far the history has come. */
export function createConnectionProjection({ kind }: Database): Projection<ConnectionKey, ProviderLink> {
  const select = selectConnections[kind];
  return {
    keysOf: (event) => [keyOf(event)],
    async read(transaction, keys) {
      const connections = await transaction.$queryRaw<ProviderLink[]>(select(keys));
      return connections.map((connection) => [keyOf(connection), connection]);
    },
    fold(connection, event, runBefore) {
      const told = event.late ? connection : foldConnection(connection, event, runBefore);
      const folded = told && withBackfill(told, event, runBefore);
      if (!folded || folded === connection) return undefined;
      return judged({ ...folded, lastSequence: event.sequence }, event.recordedAt.getTime());
    },
    write: (links, change) => connectionUpsert[kind](links.map((link) => ({ ...link, change }))),
  };
}
