import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { memoryLog } from '../support/memory-log.ts';
import { rest } from '../support/rest-client.ts';
import { startServer } from '../support/server.ts';

/** A Redis with a user of ours, and who may change that. */
async function startGuardedRedis(...rights: string[]): Promise<{ redis: FaultyRedis; url: string; owner: Redis }> {
  const redis = await startFaultyRedis();
  onTestFinished(() => redis.stop());
  const owner = new Redis(redis.url);
  onTestFinished(() => owner.disconnect());
  owner.on('error', () => {});
  await owner.acl('SETUSER', 'bell', 'on', '>s3cret-word', ...rights);
  return { redis, owner, url: redis.url.replace('redis://', 'redis://bell:s3cret-word@') };
}

const failed = 'wake-ups over Redis fail';
const works = 'wake-ups over Redis work again';

describe.runIf(hasRedis())('the doorbell over Redis', () => {
  async function start(url: string) {
    const { logger, lines, about } = memoryLog();
    const server = await startServer({ settings: { REDIS_URL: url }, logger });
    onTestFinished(() => server.close());
    return { lines, about, ready: () => rest(`${server.url}/readyz`) };
  }

  test.each([
    ['a refused password', ['~*', '&*', '+@all'], '>another', /WRONGPASS/],
    ['no right to subscribe', ['~*', '&*', '+@all', '-subscribe'], undefined, /NOPERM/],
    ['no right to publish', ['~*', '&*', '+@all', '-publish'], undefined, /NOPERM/],
    ['no right to the channel', ['~*', 'resetchannels', '+@all'], undefined, /NOPERM/],
  ] as const)(
    'tells of %s, with the reason, once; and that it works only when it does',
    async (_, rights, password, reason) => {
      const { owner, url } = await startGuardedRedis(...rights);
      if (password) await owner.acl('SETUSER', 'bell', 'resetpass', password);
      const { lines, about, ready } = await start(url);
      await expect.poll(() => about(failed)).toEqual([expect.stringMatching(reason)]);
      expect(await ready()).toMatchObject({
        status: 200,
        body: { status: 'ok', detail: { 'wake-ups': expect.stringMatching(reason) } },
      });
      await owner.acl('SETUSER', 'bell', 'resetpass', '>s3cret-word', '&*', '+@all');
      await expect.poll(() => about(works)).toHaveLength(1);
      expect((await ready()).body).toEqual({ status: 'ok' });
      expect(about(failed)).toHaveLength(1);
      expect(lines.filter((line) => line.includes('s3cret-word'))).toEqual([]);
    },
  );

  test('tells of a password that is refused after a restart, and does not say that it works', async () => {
    const { redis, url } = await startGuardedRedis('~*', '&*', '+@all');
    const { lines, about, ready } = await start(url);
    await redis.stop();
    await expect.poll(() => about(failed)).toHaveLength(1);
    await redis.start(); // it keeps no users
    await expect.poll(() => about('WRONGPASS')).toHaveLength(1);
    await expect.poll(ready).toMatchObject({ body: { detail: { 'wake-ups': expect.stringContaining('WRONGPASS') } } });
    expect(about(works)).toEqual([]);
    expect(lines.filter((line) => line.includes('s3cret-word'))).toEqual([]);
  });

  test('is silent about a Redis that works from the beginning', async () => {
    const { url } = await startGuardedRedis('~*', '&*', '+@all');
    const { about, ready } = await start(url);
    expect((await ready()).body).toEqual({ status: 'ok' });
    expect([...about(failed), ...about(works)]).toEqual([]);
  });
});
