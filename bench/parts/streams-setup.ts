import type { FilledDatabase } from '../data/databases.ts';
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
  Synclog: 'src/main.ts',
  'stock-pubsub': 'bench/peers/stock-pubsub.ts',
  'raw-broadcast': 'bench/peers/raw-broadcast.ts',
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
