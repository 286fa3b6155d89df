import { startFaultyPostgres } from '../../support/faulty-postgres.ts';
import { hasRedis, startFaultyRedis } from '../../support/faulty-redis.ts';
import { mulberry32 } from '../../support/seeded.ts';
import { hasSmallDisk } from '../../support/small-disk.ts';
import { type Finding, Holding, type ProofOptions } from '../proof-command.ts';
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
export async function prove(options: ProofOptions<Sizes>): Promise<boolean> {
  const { seed, sizes, print } = options;
  const withRedis = hasRedis();
  const postgres = await startFaultyPostgres();
  let fleet = await startFleet(await postgres.createDatabase('fleet'));
  const holding = new Holding<(typeof proofs)[number]>(options);
  let turn = 0;

  async function hold(name: (typeof proofs)[number], work: (random: () => number) => Promise<Line>): Promise<void> {
    turn += 1; // each has choices of its own, so that one of them can be replayed alone
    const random = mulberry32(seed + turn);
    await holding.hold(name, async () => findingOf(await work(random)));
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
  return holding.isKept;
}

function findingOf({ promise, outcome, more = {} }: Line): Finding {
  const { missing, duplicated, outOfOrder, wrong } = outcome;
  const figures = {
    faults: outcome.faults,
    cuts: outcome.cuts,
    acknowledged: outcome.acknowledged,
    sessions: outcome.sessions,
    seen: outcome.seen,
    missing,
    duplicated,
    'out of order': outOfOrder,
    'worst catch-up (ms)': Math.round(outcome.worstCatchUpMs),
    ...(outcome.worstByWay && {
      'over REST (ms)': Math.round(outcome.worstByWay.rest),
      'of runs (ms)': Math.round(outcome.worstByWay.runs),
    }),
    ...more,
  };
  const list = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  const isKept = missing + duplicated + outOfOrder + wrong.length === 0;
  return { isKept, text: `${promise}: ${list.join(', ')}`, wrong };
}
