import { setTimeout as pause } from 'node:timers/promises';
import { openFilled, type Provider } from '../data/databases.ts';
import { usageOf } from '../measure/process-usage.ts';
import { turns } from '../measure/rounds.ts';
import { startServer } from '../measure/server-process.ts';
import { spreadOf } from '../measure/statistics.ts';
import type { Bench } from '../part.ts';
import type { Comparison } from '../report/comparison.ts';

/** How long after the start its memory is looked at. */
const SETTLED_MS = 2_000;

/** What `npm start` runs, and the least that a server of Node can be, started the same way. */
const servers = [
  { name: 'Synclog', file: 'src/main.ts' },
  { name: 'bare', file: 'bench/peers/bare.ts' },
] as const;

/** S2: the start on a database that is there, and the memory of a server that nobody has asked anything. */
export async function measureStart(provider: Provider, { options, say, uses }: Bench): Promise<Comparison[]> {
  say(`start, ${provider}`);
  const database = await openFilled(provider, [{ from: 1, users: options.users, eventsPerUser: 200 }]);
  uses(database);
  const figures = servers.map(({ name }) => ({
    name,
    seconds: [] as number[],
    cpuSeconds: [] as number[],
    megabytes: [] as number[],
  }));
  try {
    for (const [{ name, file }] of turns(servers, options.rounds)) {
      const server = await startServer(file, { DATABASE_URL: database.url });
      const { cpuMicros } = usageOf(server.pid);
      await pause(SETTLED_MS);
      const own = figures.find((each) => each.name === name);
      own?.seconds.push(server.startMs / 1e3);
      own?.cpuSeconds.push(cpuMicros / 1e6);
      own?.megabytes.push(usageOf(server.pid).residentBytes / 1e6);
      await server.stop();
    }
  } finally {
    await database.remove();
  }
  const [synclog] = figures;
  const compared: Comparison = {
    id: 'S2',
    database: provider,
    title: 'start on an existing database, then idle',
    lines: figures.map(({ name, seconds, cpuSeconds, megabytes }) => ({
      who: name,
      figures: {
        'listens after s': spreadOf(seconds),
        'CPU s until then': spreadOf(cpuSeconds),
        'RSS MB idle': spreadOf(megabytes),
      },
    })),
    results: [
      { of: 'until it listens', reached: spreadOf(synclog?.seconds ?? []), unit: ' s' },
      { of: 'RSS idle', reached: spreadOf(synclog?.megabytes ?? []), unit: ' MB' },
    ],
  };
  return [compared];
}
