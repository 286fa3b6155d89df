import { setTimeout as pause } from 'node:timers/promises';
import { openFilled, type Provider } from '../data/databases.ts';
import { builtPeer, SYNCLOG } from '../measure/built-servers.ts';
import { builtInstall, type Install, sourceInstall } from '../measure/installs.ts';
import { usageOf } from '../measure/process-usage.ts';
import { turns } from '../measure/rounds.ts';
import { startServer } from '../measure/server-process.ts';
import { ratios, spreadOf } from '../measure/statistics.ts';
import type { Bench } from '../part.ts';
import type { Comparison, Line } from '../report/comparison.ts';

/** How long after the start its memory is looked at. */
const SETTLED_MS = 2_000;
const FROM_SOURCE = 'from source';
/** A part of what it takes from source. */
const START_GOAL = { bound: 0.4, better: 'lower' } as const;
/** Of 388 MB at 82b7b6a, the last that compiled as it ran and loaded whatever it could need, 0.4. */
const MEMORY_GOAL = { bound: 155, better: 'lower' } as const;
/** Of the memory that it takes from source in the same round: what was reached when it was first measured, with a little room. */
const MEMORY_PART_GOAL = { bound: 0.75, better: 'lower' } as const;
/** Of the bytes that have to be on the disk to run it from source; set as the one above. */
const INSTALL_GOAL = { bound: 0.2, better: 'lower' } as const;

/** What `npm start` runs, the same from its source, compiled as it runs, and the least that a server of Node can be. */
const servers = [
  { name: 'Synclog', file: SYNCLOG },
  { name: FROM_SOURCE, file: 'src/main.ts' },
  { name: 'bare', file: builtPeer('bare') },
] as const;

/** S2: the start on a database that is there, the memory of a server that nobody has asked anything, and what is installed for it. */
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
  const installs: Readonly<Record<string, Install>> = { Synclog: builtInstall(), [FROM_SOURCE]: await sourceInstall() };
  const [synclog, fromSource] = figures;
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
        ...installFigures(installs[name]),
      },
    })),
    results: [
      {
        of: `until it listens, against ${FROM_SOURCE}`,
        reached: ratios(synclog?.seconds ?? [], fromSource?.seconds ?? []),
        unit: 'x',
        goal: START_GOAL,
      },
      {
        of: `RSS idle, against ${FROM_SOURCE}`,
        reached: ratios(synclog?.megabytes ?? [], fromSource?.megabytes ?? []),
        unit: 'x',
        goal: MEMORY_PART_GOAL,
      },
      { of: 'RSS idle', reached: spreadOf(synclog?.megabytes ?? []), unit: ' MB', goal: MEMORY_GOAL },
      {
        of: `bytes installed, against ${FROM_SOURCE}`,
        reached: ratios([installs.Synclog?.bytes ?? Number.NaN], [installs[FROM_SOURCE]?.bytes ?? Number.NaN]),
        unit: 'x',
        goal: INSTALL_GOAL,
      },
    ],
  };
  return [compared];
}

function installFigures(install: Install | undefined): Line['figures'] {
  if (!install) return {};
  return { 'packages installed': spreadOf([install.packages]), 'MB installed': spreadOf([install.bytes / 1e6]) };
}
