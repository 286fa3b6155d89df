import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openSources } from '../../src/sources/open-sources.ts';
import { openWearablesRedis } from '../../src/sources/open-wearables/bridge.ts';
import { provider, type TestDatabase } from '../support/database.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { createEmitter, type Emitter, wireEvent } from '../support/open-wearables-emitter.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { createSmallDisk, hasSmallDisk } from '../support/small-disk.ts';

const NAME = 'open-wearables-redis';
const limits = { sourceRenewMs: 100, sourceTryMs: 50, bridgeRetryMs: 200, databaseRetryMs: 20, bridgeCheckMs: 300 };

describe.runIf(hasRedis())('what the log could not take from the bridge', () => {
  let redis: FaultyRedis;
  let emitter: Emitter;

  beforeAll(async () => {
    redis = await startFaultyRedis();
    emitter = createEmitter(redis.url);
  });
  afterAll(async () => {
    emitter.close();
    await redis.stop();
  });
  beforeEach(async () => void (await emitter.redis.flushall()));

  async function start(bridged: boolean, database?: TestDatabase): Promise<TestServer> {
    const settings: Record<string, string> = bridged ? { OPEN_WEARABLES_REDIS_URL: redis.url } : {};
    const server = await startServer({ limits, settings, ...(database && { database }) });
    onTestFinished(() => server.close());
    return server;
  }

  const source = async (server: TestServer) => {
    const { data } = await server.graphql(
      '{ sources { state recorded quarantined lastError quarantine { edges { node { reason } } } } }',
    );
    return data.sources[0];
  };

  /** As a release left it that took a full disk for the entry's fault. */
  async function quarantine(server: TestServer, text: string): Promise<void> {
    const fingerprint = createHash('sha256').update(NAME).update('\0').update(text).digest('hex');
    await server.app.services.database.transaction(async (transaction) => {
      await transaction.quarantinedEntry.create({
        data: {
          ...{ fingerprint, source: NAME, reason: 'not_stored', detail: 'the database refuses it', place: 'x' },
          ...{ payload: text, payloadBytes: Buffer.byteLength(text), firstSeenAt: new Date() },
        },
      });
    });
  }

  test('is tried again after a restart and while the bridge runs, and leaves the quarantine', async () => {
    const server = await start(true);
    await expect.poll(() => source(server)).toMatchObject({ state: 'LIVE' });
    const [now, later] = [wireEvent(), wireEvent({ metadata: { text: 'ü'.repeat(5_000) } })];
    await quarantine(server, JSON.stringify(now));
    await expect.poll(() => source(server)).toMatchObject({ recorded: 1, quarantine: { edges: [] } });
    await server.restart();
    await quarantine(server, JSON.stringify(later));
    await expect.poll(() => source(server)).toMatchObject({ recorded: 2, quarantine: { edges: [] } });
  });

  test('for a reason that nobody knows is not put aside at once, and not lost at the end', async () => {
    const server = await start(false);
    const { services } = server.app;
    let left = 5;
    const failing = {
      ...services.log,
      eventsById: (ids: readonly string[]) => services.log.eventsById(ids),
      async record(drafts: Parameters<typeof services.log.record>[0]) {
        if (left > 0 && drafts.some(({ message }) => message === 'unlucky')) {
          left -= 1;
          throw new Error('nobody knows');
        }
        return services.log.record(drafts);
      },
    };
    const sources = await openSources(
      [openWearablesRedis],
      { [NAME]: { OPEN_WEARABLES_REDIS_URL: redis.url } },
      {
        ...services,
        log: failing,
        onError: () => {},
      },
    );
    sources.start();
    onTestFinished(() => sources.close());
    await expect.poll(() => source(server)).toMatchObject({ state: 'LIVE' });
    await emitter.emit(wireEvent({ message: 'unlucky' }));
    await emitter.emit(wireEvent());
    await expect.poll(() => source(server)).toMatchObject({ recorded: 2, quarantined: 0 });

    left = 45; // more than the attempts that are made for an entry of which nothing is known, two calls each
    await emitter.emit(wireEvent({ message: 'unlucky' }));
    await emitter.emit(wireEvent());
    await expect.poll(() => source(server)).toMatchObject({ quarantined: 1 });
    await expect.poll(() => source(server)).toMatchObject({ recorded: 4, quarantine: { edges: [] } });
  });

  test.runIf(provider === 'sqlite' && hasSmallDisk())('because its disk was full is recorded, all of it', async () => {
    const disk = createSmallDisk(4);
    const url = `file:${join(disk.folder, 'synclog.db')}`;
    const server = await start(true, { url, drop: async () => disk.remove() });
    await expect.poll(() => source(server)).toMatchObject({ state: 'LIVE' });
    disk.fill();
    const events = Array.from({ length: 150 }, () => wireEvent({ metadata: { text: 'x'.repeat(2_000) } }));
    for (const event of events) await emitter.emit(event);
    await expect.poll(() => source(server)).toMatchObject({ state: 'LIVE' });
    await emitter.emitText('0b8f0b8f-0000-4000-8000-000000000000', 'no JSON');
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status).toBe(503);
    disk.free();
    await expect.poll(() => source(server)).toMatchObject({ recorded: 150, quarantined: 1 });
    expect((await source(server)).quarantine.edges).toEqual([{ node: { reason: 'NOT_JSON' } }]);
  });
});
