import type { startFaultyPostgres } from '../../support/faulty-postgres.ts';
import { type ServerProcess, startProcess } from '../../support/server-process.ts';

export type Postgres = Awaited<ReturnType<typeof startFaultyPostgres>>;

/** Three instances on one database, each a process of its own. */
export interface Fleet {
  readonly instances: readonly [ServerProcess, ServerProcess, ServerProcess];
  readonly urls: [string, ...string[]];
  readonly databaseUrl: string;
  remove(): Promise<void>;
}

export async function startFleet(databaseUrl: string, settings: Readonly<Record<string, string>> = {}): Promise<Fleet> {
  // What goes wrong is meant to: the log would be full of it.
  const start = () => startProcess({ DATABASE_URL: databaseUrl, LOG_LEVEL: 'fatal', ...settings });
  const instances = [await start(), await start(), await start()] as const;
  return {
    instances,
    urls: instances.map(({ url }) => url) as [string, ...string[]],
    databaseUrl,
    async remove() {
      await Promise.all(instances.map((instance) => instance.remove()));
    },
  };
}
