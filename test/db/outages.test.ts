import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import { nameOf } from '../../src/db/open-database.ts';
import { hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { openLog } from '../support/log-reader.ts';
import { memoryLog } from '../support/memory-log.ts';
import { startServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

describe('the log of the process', () => {
  test('has one line when the database goes and one when it is back, without its password', async () => {
    const { logger, lines, about } = memoryLog();
    const server = await startServer({ database: await createOnServer(postgres.url), logger });
    onTestFinished(() => server.close());
    const userId = await server.user();
    const reader = await openLog(streamTransports.websocket, { url: server.url, headers: server.admin }, { userId });
    await reader.step();
    await postgres.pause();
    for (let request = 0; request < 5; request += 1) await server.graphql('{ users { edges { cursor } } }');
    await postgres.resume();
    await expect.poll(async () => (await server.graphql('{ users { edges { cursor } } }')).errors).toEqual([]);
    expect(about('the database is away')).toHaveLength(1);
    expect(about('the database is back')).toHaveLength(1);
    expect(about("wake-ups over Postgres' NOTIFY fail")).toHaveLength(1);
    expect(lines.filter((line) => line.includes(':synclog@') || line.includes('\\n'))).toEqual([]);
    await reader.close();
  });

  test.runIf(hasRedis())('names no password of a Redis that refuses it, and does not repeat itself', async () => {
    const redis = await startFaultyRedis();
    onTestFinished(() => redis.stop());
    const owner = new Redis(redis.url);
    onTestFinished(() => owner.disconnect());
    await owner.config('SET', 'requirepass', 'the right one');
    const { logger, lines, about } = memoryLog();
    const url = redis.url.replace('//', '//:mistyped@');
    const server = await startServer({ logger, settings: { REDIS_URL: url } });
    onTestFinished(() => server.close());
    await expect.poll(() => about('wake-ups over Redis fail')).toHaveLength(1);
    for (let request = 0; request < 5; request += 1) await server.record({ userId: await server.user() });
    expect(about('wake-ups over Redis fail')).toHaveLength(1);
    expect(lines.filter((line) => line.includes('mistyped'))).toEqual([]);
  });

  test.runIf(hasRedis())('has one line when Open Wearables’ Redis goes and one when it is back', async () => {
    const redis = await startFaultyRedis();
    onTestFinished(() => redis.stop());
    const { logger, lines, about } = memoryLog();
    const settings = { OPEN_WEARABLES_REDIS_URL: redis.url };
    const server = await startServer({ logger, settings, limits: { bridgeRetryMs: 100 } });
    onTestFinished(() => server.close());
    const source = async () => (await server.graphql('{ sources { state lastError } }')).data.sources[0];
    await expect.poll(source).toMatchObject({ state: 'LIVE' });
    await redis.stop();
    await expect.poll(source).toMatchObject({ lastError: expect.stringContaining('ECONNREFUSED') }); // and not the first
    await redis.start();
    await expect.poll(() => about('Redis is back')).toHaveLength(1);
    expect(about('Redis is away')).toHaveLength(1);
    expect(lines.filter((line) => line.includes('"level":50') || line.includes('stack'))).toHaveLength(1);
  });

  test('names a database without user, password and parameters', () => {
    expect(nameOf('postgresql://u:p%40ss@db.example:5433/log?password=hunter2&sslmode=require')).toBe(
      'postgresql://db.example:5433/log',
    );
    expect(nameOf('file:./data/synclog.db')).toBe('file:./data/synclog.db');
  });
});
