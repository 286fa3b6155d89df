import { describe, expect, onTestFinished, test } from 'vitest';
import { RateLimits } from '../../src/gate/rate-limits.ts';
import { RateSharing } from '../../src/gate/rate-sharing.ts';
import { openRedisBuckets } from '../../src/instances/redis-buckets.ts';
import { defaultLimits } from '../../src/limits.ts';
import type { EventDraft } from '../../src/log/event.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { memoryLog } from '../support/memory-log.ts';
import { rest } from '../support/rest-client.ts';
import { startServer } from '../support/server.ts';

/** A bucket that holds 100 and is not filled while a test runs. */
const limits = { ...defaultLimits, userRate: { burst: 100, perSecond: 0.001 } };

const draft: EventDraft = {
  userId: '01890a5d-ac96-774b-bcce-b302099a8057',
  runId: 'run_1',
  provider: 'oura',
  source: 'PULL',
  stage: 'FETCHING',
  status: 'IN_PROGRESS',
};

async function startRedis(): Promise<FaultyRedis> {
  const redis = await startFaultyRedis();
  onTestFinished(() => redis.stop());
  return redis;
}

/** An instance that shares when the test says so. */
function instance(redis: FaultyRedis) {
  const options = { limits, pressure: undefined, clock: () => performance.now(), factor: 1 };
  const rates = new RateLimits({ ...options, userQuota: { events: 100, bytes: 1_000_000 } });
  const store = openRedisBuckets(redis.url, () => {});
  const told: string[] = [];
  const outage = { failed: () => void told.push('away'), works: () => void told.push('works') };
  const sharing = new RateSharing(rates, store, outage);
  onTestFinished(() => sharing.close());
  return {
    told,
    share: () => sharing.share(),
    /** Tells the others of a recording, which is then refused; answers with what. */
    refusedRecording: (count: number): Promise<unknown> =>
      rates
        .spendingOf({ kind: 'anonymous' }, 'somewhere', 'graphql')
        .record(
          Array.from({ length: count }, () => draft),
          async () => {
            await sharing.share();
            throw 'refused';
          },
        )
        .catch((error: unknown) => error),
    /** How much of the user's bucket it gives, of so much that is asked one by one. */
    ask(count: number, user = 'one'): number {
      let given = 0;
      for (let asked = 0; asked < count; asked += 1)
        try {
          rates.take('user', user, 1, 'graphql');
          given += 1;
        } catch {}
      return given;
    },
  };
}

describe.runIf(hasRedis())('instances with one Redis', () => {
  test('count on the same account, to a tenth of a bucket each', async () => {
    const redis = await startRedis();
    const [first, second] = [instance(redis), instance(redis)];
    expect(first.ask(100)).toBe(100);
    await first.share();
    expect(second.ask(10)).toBe(10); // it has not heard of the first
    await second.share();
    expect(second.ask(1)).toBe(0);
    expect(second.ask(1, 'other')).toBe(1);
  });

  test('tell nothing before a tenth was taken', async () => {
    const redis = await startRedis();
    const [first, second] = [instance(redis), instance(redis)];
    expect(first.ask(9)).toBe(9);
    await first.share();
    expect(first.told).toEqual([]); // nobody was asked
    expect(second.ask(100)).toBe(100);
    await second.share();
    expect(first.ask(1)).toBe(1);
    await first.share();
    expect(first.ask(1)).toBe(0);
  });

  test('give back together', async () => {
    const redis = await startRedis();
    const [first, second] = [instance(redis), instance(redis)];
    for (let refused = 0; refused < 3; refused += 1) {
      expect(await first.refusedRecording(60)).toBe('refused');
      await first.share();
    }
    expect(await first.refusedRecording(100)).toBe('refused');
    expect(await second.refusedRecording(100)).toBe('refused');
  });

  test('count by themselves while Redis is away, and together when it is back', async () => {
    const redis = await startRedis();
    const [first, second] = [instance(redis), instance(redis)];
    await redis.stop();
    expect(first.ask(60)).toBe(60);
    await first.share();
    expect(first.told).toContain('away');
    expect(first.ask(60)).toBe(40);
    await redis.start();
    await expect.poll(() => first.told.at(-1), { timeout: 10_000 }).toBe('works');
    expect(second.ask(80)).toBe(80);
    await second.share();
    expect(first.ask(1)).toBe(0);
  });
});

describe.runIf(hasRedis())('a server', () => {
  test('answers while its Redis is away, says so in one line, and keeps its own count', async () => {
    const redis = await startRedis();
    const { logger, about } = memoryLog();
    const server = await startServer({
      settings: { RATE_LIMITS: 'on', REDIS_URL: redis.url },
      limits: { anonymousRate: { burst: 20, perSecond: 0.001 } },
      logger,
    });
    onTestFinished(() => server.close());
    await redis.stop();
    const ask = async () => (await rest(`${server.url}/`)).status;
    for (let asked = 0; asked < 20; asked += 1) expect(await ask()).toBe(200);
    expect(await ask()).toBe(429);
    await expect.poll(() => about('rate limits are not shared')).toHaveLength(1);
    expect((await rest(`${server.url}/readyz`)).body.detail).toHaveProperty('rate limits');
    await redis.start();
    await expect.poll(() => about('rate limits are shared over Redis again'), { timeout: 10_000 }).toHaveLength(1);
  });
});
