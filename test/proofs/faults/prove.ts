import { startFaultyPostgres } from '../../support/faulty-postgres.ts';
import { hasRedis, startFaultyRedis } from '../../support/faulty-redis.ts';
import { mulberry32 } from '../../support/seeded.ts';
import { hasSmallDisk } from '../../support/small-disk.ts';
import { proveBlackHoles } from './black-holes.ts';
import { proveClocksApart } from './clocks-apart.ts';
import { proveCrowd, proveCrowdOnFile } from './crowds.ts';
import { proveCycles } from './cycles.ts';
import { proveDeafInstances } from './deaf-instances.ts';
import { startFleet } from './fleet.ts';
import { proveFullDisks } from './full-disks.ts';
import { proveGracefulStops } from './graceful-stops.ts';
import { proveLies } from './lies.ts';
import { proveLockedRows } from './locked-rows.ts';
import { proveLostInstances } from './lost-instances.ts';
import {
  type Line,
  proveCommitOrder,
  proveDatabaseRestarts,
  proveFileKills,
  proveInstanceKills,
  proveListenerKills,
  proveRedisRestarts,
  proveWakeUps,
} from './promises.ts';
import type { Sizes } from './sizes.ts';
import { proveAges } from './wrong-ages.ts';

export interface ProofOptions {
  readonly seed: number;
  readonly sizes: Sizes;
  /** Parts of the promises' names; without any, all are proved. */
  readonly only?: readonly string[];
  readonly print: (line: string) => void;
  /** Told what is being proved. */
  readonly progress?: (text: string) => void;
}

/** What `only` can name. */
export const proofs = [
  'order',
  'locks',
  'wake-ups',
  'instances',
  'clocks',
  'lies',
  'deaf',
  'ages',
  'lost',
  'sqlite',
  'crowds',
  'listeners',
  'postgres',
  'stops',
  'holes',
  'cycles',
  'redis',
  'disks',
] as const;

/** Holds each promise against its faults, one after another. Returns whether all are kept. */
export async function prove({ seed, sizes, only = [], print, progress = () => {} }: ProofOptions): Promise<boolean> {
  const withRedis = hasRedis();
  const postgres = await startFaultyPostgres();
  let fleet = await startFleet(await postgres.createDatabase('fleet'));
  let kept = true;
  let turn = 0;
  let proved = 0;

  async function hold(name: (typeof proofs)[number], work: (random: () => number) => Promise<Line>): Promise<void> {
    turn += 1; // each has choices of its own, so that one of them can be replayed alone
    if (only.length > 0 && !only.some((part) => name.includes(part))) return;
    proved += 1;
    progress(`${name} …`);
    const begun = performance.now();
    const line = await work(mulberry32(seed + turn));
    kept = isKept(line) && kept;
    print(`${toText(line)}, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    for (const wrong of line.outcome.wrong) print(`    ${wrong}`);
  }

  const parts = (random: () => number) => ({ fleet, postgres, random, sizes });
  try {
    await hold('order', (random) => proveCommitOrder(parts(random)));
    await hold('locks', () => proveLockedRows({ fleet, sizes }));
    await hold('wake-ups', (random) => proveWakeUps(parts(random), 'NOTIFY'));
    await hold('instances', (random) => proveInstanceKills(parts(random)));
    await hold('clocks', (random) => proveClocksApart(parts(random)));
    await hold('lies', (random) => proveLies(parts(random)));
    await hold('deaf', (random) => proveDeafInstances(parts(random)));
    await hold('ages', () => proveAges({ postgres, sizes }));
    await hold('lost', () => proveLostInstances({ fleet, sizes }));
    await hold('sqlite', (random) => proveFileKills({ random, sizes }));
    await hold('crowds', (random) => proveCrowdOnFile({ random, sizes }));
    if (sizes.crowdOnPostgres)
      await hold('crowds', (random) => {
        const [server, ...recording] = fleet.instances;
        const { databaseUrl } = fleet;
        return proveCrowd({ name: 'on Postgres', databaseUrl, server, recording, random, sizes });
      });
    await hold('listeners', (random) => proveListenerKills(parts(random)));
    await hold('postgres', (random) => proveDatabaseRestarts(parts(random)));
    await hold('stops', (random) => proveGracefulStops(parts(random)));
    await hold('holes', async (random) =>
      proveBlackHoles({ databaseUrl: await postgres.createDatabase('holes'), random, sizes }),
    );
    await hold('cycles', (random) => proveCycles({ postgres, random, sizes }));
    if (withRedis) {
      await fleet.remove();
      const redis = await startFaultyRedis();
      try {
        fleet = await startFleet(await postgres.createDatabase('with_redis'), { REDIS_URL: redis.url });
        await hold('wake-ups', (random) => proveWakeUps(parts(random), 'Redis'));
        await hold('redis', (random) => proveRedisRestarts(parts(random), redis));
        if (hasSmallDisk()) await hold('disks', (random) => proveFullDisks({ postgres, redis, random, sizes }));
      } finally {
        await redis.stop();
      }
    } else print('SKIPPED  Redis restarts, full disks: there is no redis-server on the path');
  } finally {
    await fleet.remove();
    await postgres.remove();
  }
  return kept && proved > 0;
}

function isKept({ outcome }: Line): boolean {
  const { missing, duplicated, outOfOrder, wrong } = outcome;
  return missing + duplicated + outOfOrder + wrong.length === 0;
}

function toText(line: Line): string {
  const { promise, outcome, more = {} } = line;
  const figures = {
    faults: outcome.faults,
    cuts: outcome.cuts,
    acknowledged: outcome.acknowledged,
    sessions: outcome.sessions,
    seen: outcome.seen,
    missing: outcome.missing,
    duplicated: outcome.duplicated,
    'out of order': outcome.outOfOrder,
    'worst catch-up (ms)': Math.round(outcome.worstCatchUpMs),
    ...(outcome.worstByWay && {
      'over REST (ms)': Math.round(outcome.worstByWay.rest),
      'of runs (ms)': Math.round(outcome.worstByWay.runs),
    }),
    ...more,
  };
  const list = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  return `${isKept(line) ? 'KEPT  ' : 'BROKEN'} ${promise}: ${list.join(', ')}`;
}
