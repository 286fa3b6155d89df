import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/db/open-database.ts';
import { pick, type Random } from '../../src/lib/random.ts';
import { defaultLimits } from '../../src/limits.ts';
import { startFaultyPostgres } from '../support/faulty-postgres.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/faulty-proxy.ts';
import { hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { createEmitter, type Emitter, sampleEvents, type WireEvent } from '../support/open-wearables-emitter.ts';
import { mulberry32 } from '../support/seeded.ts';
import { graphql, type ServerProcess, startProcess } from '../support/server-process.ts';

/** How long things go wrong; a longer time makes a longer proof. */
const CHAOS_MS = Number(process.env.CHAOS_MS ?? 20_000);
const SEED = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
/** Each has two users, and 50 events that fit into their lists. */
const GROUPS = Math.ceil(CHAOS_MS / 1_000);
/** What a takeover and a new backfill may take in the end. */
const SETTLE_MS = 60_000;

describe.runIf(hasRedis())('two bridges that are killed, cut off and starved', () => {
  test('leave out nothing that ever was in a list, and record it once and in its order', {
    timeout: CHAOS_MS + SETTLE_MS + 60_000,
  }, async () => {
    const random = mulberry32(SEED);
    const postgres = await startFaultyPostgres();
    onTestFinished(() => postgres.remove());
    const databaseUrl = await postgres.createDatabase('chaos');
    const redis = await startFaultyRedis();
    onTestFinished(() => redis.stop());
    const emitter = createEmitter(redis.url);
    onTestFinished(() => emitter.close());
    const proxy = await startFaultyProxy(redis.url);
    onTestFinished(() => proxy.close());
    const settings = { DATABASE_URL: databaseUrl, OPEN_WEARABLES_REDIS_URL: proxy.url, LOG_LEVEL: 'silent' };
    const bridges = [await startProcess(settings), await startProcess(settings)] as const;
    onTestFinished(async () => {
      await Promise.all(bridges.map((bridge) => bridge.remove()));
    });

    const takeoverMs = await killHolder(bridges);
    expect(takeoverMs).toBeLessThan(10_000);
    const groups = Array.from({ length: GROUPS }, sampleEvents);
    const emitting = Promise.all(groups.map((events) => emitSlowly(events, emitter, random)));
    const faults = await goWrong({ bridges, proxy, postgres, random });
    await emitting;

    const emitted = new Map<string, WireEvent[]>();
    for (const event of groups.flat()) {
      const own = emitted.get(event.user_id) ?? [];
      emitted.set(event.user_id, [...own, event]);
    }
    const database = await openDatabase(databaseUrl);
    onTestFinished(() => database.close());
    await expect.poll(() => database.reader.syncEvent.count(), { timeout: SETTLE_MS }).toBe(groups.flat().length);
    for (const [userId, events] of emitted) {
      const log = await database.reader.syncEvent.findMany({ where: { userId }, orderBy: { sequence: 'asc' } });
      expect(log.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
      expect(log.map(({ id }) => id)).toEqual(events.map((event) => event.event_id));
      expect(log.map(({ metadata }) => metadata)).toEqual(events.map((event) => event.metadata));
    }
    const { sources } = await graphql(bridges[0], '{ sources { quarantined recorded duplicates } }');
    expect(sources[0].quarantined).toBe(0);
    process.stdout.write(
      `bridge under faults: seed ${SEED}, ${groups.flat().length} events of ${emitted.size} users, ${JSON.stringify(faults)}, taken over in ${takeoverMs} ms, ${sources[0].duplicates} duplicates met\n`,
    );
  });
});

/** Kills the instance that bridges, and resolves to how long the other one needed to take its place. */
async function killHolder(bridges: readonly [ServerProcess, ServerProcess]): Promise<number> {
  const holds = async (bridge: ServerProcess) => {
    const { sources } = await graphql(bridge, '{ sources { isHolder state } }');
    return sources[0].isHolder && sources[0].state === 'LIVE';
  };
  await expect.poll(async () => (await Promise.all(bridges.map(holds))).sort()).toEqual([false, true]);
  const [holder, other] = (await holds(bridges[0])) ? bridges : [bridges[1], bridges[0]];
  const killed = performance.now();
  await holder.end('SIGKILL');
  await expect.poll(() => holds(other)).toBe(true);
  const took = Math.round(performance.now() - killed);
  await holder.start();
  return took;
}

/** In their order, spread over the time of the faults. */
async function emitSlowly(events: readonly WireEvent[], emitter: Emitter, random: Random): Promise<void> {
  for (const event of events) {
    await wait(2 * random() * (CHAOS_MS / events.length));
    await emitter.emit(event);
  }
}

async function goWrong({
  bridges,
  proxy,
  postgres,
  random,
}: {
  bridges: readonly [ServerProcess, ServerProcess];
  proxy: FaultyProxy;
  postgres: Awaited<ReturnType<typeof startFaultyPostgres>>;
  random: Random;
}): Promise<Record<string, number>> {
  const end = async (signal: NodeJS.Signals) => {
    const bridge = pick(random, bridges);
    await bridge.end(signal);
    await wait(2_000 * random());
    await bridge.start();
  };
  const faults = {
    kills: () => end('SIGKILL'),
    stops: () => end('SIGTERM'),
    stalls: async () => {
      const { pid } = pick(random, bridges);
      if (pid === undefined) throw new Error('A bridge that runs has a pid');
      process.kill(pid, 'SIGSTOP');
      await wait(defaultLimits.sourceLeaseMs + 1_000);
      process.kill(pid, 'SIGCONT');
    },
    cuts: () => proxy.cut(),
    blackHoles: () => proxy.blackHole(),
    databasesAway: async () => {
      await postgres.stop('crash');
      await wait(1_000 * random());
      await postgres.start();
    },
  };
  const counts: Record<string, number> = {};
  const names = ['kills', 'cuts', 'blackHoles', 'databasesAway', 'stops', 'stalls'] as const;
  const until = performance.now() + CHAOS_MS;
  for (let round = 0; round < names.length || performance.now() < until; round += 1) {
    const name = names[round] ?? pick(random, names); // each of them at least once
    counts[name] = (counts[name] ?? 0) + 1;
    await faults[name]();
    await wait(1_500 * random());
  }
  return counts;
}
