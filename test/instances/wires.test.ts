import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import type { ConnectWire, DoorbellWire } from '../../src/instances/doorbell.ts';
import { notifyWire } from '../../src/instances/notify-wire.ts';
import { redisWire } from '../../src/instances/redis-wire.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';

let postgres: ScratchPostgres;
let redis: FaultyRedis | undefined;

beforeAll(async () => {
  postgres = await startPostgres();
  if (hasRedis()) redis = await startFaultyRedis();
});
afterAll(async () => {
  await postgres.stop();
  await redis?.stop();
});

/** The heartbeat comes after five seconds of silence, and waits for three. */
const patient = { timeout: 15_000 };

const wires: [string, () => string, (url: string) => ConnectWire][] = [
  ['NOTIFY', () => postgres.url, (url) => (events) => notifyWire(url, events)],
];
if (hasRedis()) wires.push(['Redis', () => redis?.url ?? '', (url) => (events) => redisWire(url, events)]);

describe.each(wires)('a wire over %s', (name, urlOf, wireTo) => {
  /** The connection that listens is the first one; over NOTIFY it is the only one. */
  const halves: [string, number?][] = name === 'Redis' ? [['all'], ['the half that listens', 1]] : [['all']];

  test.each(halves)(
    'of which %s is silently cut is noticed by its heartbeat, and tells of a gap',
    async (_half, most) => {
      const proxy = await startFaultyProxy(urlOf());
      onTestFinished(() => proxy.close());
      let gaps = 0;
      const errors: unknown[] = [];
      const heard: string[] = [];
      const wire: DoorbellWire = wireTo(proxy.url)({
        onMessage: (message) => heard.push(message),
        onGap: () => {
          gaps += 1;
        },
        onError: (error) => errors.push(error),
      });
      onTestFinished(() => wire.close());
      await expect.poll(() => gaps).toBeGreaterThan(0);
      expect(errors).toEqual([]);
      const before = gaps;
      expect(proxy.blackHole(most)).toBeGreaterThan(0);
      await expect.poll(() => errors.length, patient).toBeGreaterThan(0);
      await expect.poll(() => gaps, patient).toBeGreaterThan(before);
      wire.send('after');
      await expect.poll(() => heard).toContain('after');
    },
  );
});
