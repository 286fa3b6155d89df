import { setTimeout as wait } from 'node:timers/promises';
import { between, pick, type Random } from '../../../src/lib/random.ts';
import type { FaultyRedis } from '../../support/faulty-redis.ts';
import { newUser, type ServerProcess, startProcess } from '../../support/server-process.ts';
import { startWitness } from '../../support/witness.ts';
import { campaignOf, type Outcome, outcomeOf, runCampaign } from './campaign.ts';
import type { Fleet, Postgres } from './fleet.ts';
import type { Sizes } from './sizes.ts';

/** How soon every instance serves, and every stream has caught up, once the database is back. */
const RECOVERY_MS = 5_000;

/** A promise and what it was held against. */
export interface Line {
  readonly promise: string;
  readonly outcome: Outcome;
  /** Figures of this promise alone. */
  readonly more?: Readonly<Record<string, number | string>>;
}

/** What most proofs work with. */
export interface Parts {
  readonly fleet: Fleet;
  readonly postgres: Postgres;
  readonly random: Random;
  readonly sizes: Sizes;
}

export async function proveCommitOrder(parts: Parts): Promise<Line> {
  const { sizes, fleet, postgres } = parts;
  const database = new URL(fleet.databaseUrl).pathname.slice(1);
  await postgres.query(holdTransactionsOpen, [], database);
  const outcome = await runCampaign({ ...campaignOf(parts, 0, sizes.events), followers: sizes.followers });
  await postgres.query('DROP FUNCTION hold_open CASCADE', [], database);
  return { promise: 'order of commit, with writing transactions held open for 0 to 50 ms', outcome };
}

/** At its end, with all its rows written, each transaction waits once for each log that it has written. */
const holdTransactionsOpen = `
  CREATE FUNCTION hold_open() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(random() * 0.05); RETURN NULL; END';
  CREATE CONSTRAINT TRIGGER hold_open AFTER UPDATE ON "user" DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION hold_open();`;

/** How soon an event that one instance has recorded is seen by a subscriber of another. */
export async function proveWakeUps({ fleet, random, sizes }: Parts, doorbell: string): Promise<Line> {
  const [one, other] = fleet.instances;
  const witness = await startWitness({
    url: () => one.url,
    followUrl: () => other.url,
    headers: one.headers,
    random,
  });
  while (witness.seen < sizes.wakeUps) await wait(50);
  const testimony = await witness.stop();
  const { medianMs } = testimony;
  return {
    promise: `wake-ups of another instance over ${doorbell}`,
    outcome: outcomeOf(testimony, { wrong: medianMs < sizes.wakeUpMs ? [] : ['wake-ups take too long'] }),
    more: { 'median (ms)': medianMs.toFixed(1) },
  };
}

export async function proveInstanceKills(parts: Parts): Promise<Line> {
  const { sizes, random, fleet } = parts;
  return {
    promise: 'kill -9 of an instance',
    outcome: await runCampaign({
      ...campaignOf(parts, sizes.instanceKills, 300 * sizes.instanceKills),
      async inject() {
        const instance = pick(random, [...fleet.instances]);
        await instance.end('SIGKILL');
        await instance.start();
      },
    }),
  };
}

/** A process of its own on a file: what it has acknowledged must be there when it starts again. */
export async function proveFileKills({ sizes, random }: Pick<Parts, 'sizes' | 'random'>): Promise<Line> {
  const server = await startProcess({ LOG_LEVEL: 'fatal' });
  try {
    const outcome = await runCampaign({
      urls: [server.url],
      headers: server.headers,
      databaseUrl: server.databaseUrl,
      random,
      events: Math.min(sizes.events, 300 * sizes.fileKills),
      writers: sizes.writers,
      followers: Math.ceil(sizes.followers / 2),
      faults: sizes.fileKills,
      async inject() {
        await wait(between(random, 0, 100));
        await server.end('SIGKILL');
        await server.start();
      },
    });
    return { promise: 'kill -9 of the SQLite process', outcome };
  } finally {
    await server.remove();
  }
}

export async function proveListenerKills(parts: Parts): Promise<Line> {
  const { sizes, random, postgres } = parts;
  return {
    promise: 'terminated listeners of the doorbell',
    outcome: await runCampaign({
      ...campaignOf(parts, sizes.listenerKills, 100 * sizes.listenerKills),
      async inject() {
        const find = "SELECT pid FROM pg_stat_activity WHERE application_name = 'synclog doorbell'";
        let listeners: { pid: number }[] = [];
        while (listeners.length === 0) listeners = await postgres.query(find);
        await postgres.query('SELECT pg_terminate_backend($1)', [pick(random, listeners as [{ pid: number }]).pid]);
        await wait(between(random, 0, 300));
      },
    }),
  };
}

export async function proveDatabaseRestarts(parts: Parts): Promise<Line> {
  const { sizes, postgres, fleet } = parts;
  let slowestMs = 0;
  const outcome = await runCampaign({
    ...campaignOf(parts, sizes.databaseRestarts, 500 * sizes.databaseRestarts),
    async inject(fault) {
      await postgres.stop(fault % 2 === 0 ? 'crash' : 'fast');
      await wait(sizes.awayMs);
      await postgres.start();
      const back = performance.now();
      await Promise.all(fleet.instances.map(untilItServes));
      slowestMs = Math.max(slowestMs, performance.now() - back);
    },
  });
  return {
    promise: `Postgres away for ${sizes.awayMs / 1000} s, crashed and stopped by turns`,
    outcome:
      Math.max(slowestMs, outcome.worstCatchUpMs - sizes.awayMs) < RECOVERY_MS // some were acknowledged just before
        ? outcome
        : { ...outcome, wrong: [...outcome.wrong, 'recovery takes too long'] },
    more: { 'slowest recovery (ms)': Math.round(slowestMs) },
  };
}

async function untilItServes(instance: ServerProcess): Promise<void> {
  for (;;)
    try {
      await newUser(instance);
      return;
    } catch {
      await wait(20);
    }
}

export async function proveRedisRestarts(parts: Parts, redis: FaultyRedis): Promise<Line> {
  const { sizes, random } = parts;
  return {
    promise: 'Redis restarts',
    outcome: await runCampaign({
      ...campaignOf(parts, sizes.redisRestarts, 500 * sizes.redisRestarts),
      async inject() {
        await redis.stop();
        await wait(between(random, 100, 3_000));
        await redis.start();
      },
    }),
  };
}
