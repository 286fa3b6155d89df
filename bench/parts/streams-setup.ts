import type { FilledDatabase } from '../data/databases.ts';
import { builtPeer, SYNCLOG } from '../measure/built-servers.ts';
import { withServers } from '../measure/server-process.ts';
import type { Options } from '../options.ts';

/** What each workload of streams works with. */
export interface StreamsSetup {
  readonly database: FilledDatabase;
  readonly options: Options;
}

/** The number of the user with the long log. */
export const backlogUser = 900_001;

const files = {
  Synclog: SYNCLOG,
  'stock-pubsub': builtPeer('stock-pubsub'),
  'raw-broadcast': builtPeer('raw-broadcast'),
} as const;
export type StreamServer = keyof typeof files;

/** Runs work with fresh servers: what one workload leaves in their memory is no part of the next. */
export function withStreamServers<T>(
  { database }: StreamsSetup,
  names: readonly StreamServer[],
  work: Parameters<typeof withServers<T>>[2],
): Promise<T> {
  return withServers(database.url, Object.fromEntries(names.map((name) => [name, files[name]])), work);
}
