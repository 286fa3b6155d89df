import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { startServer } from '../support/server.ts';

describe.runIf(hasRedis())('the doorbell over Redis', () => {
  test('logs a refused password without the password', async () => {
    const redis = await startFaultyRedis();
    onTestFinished(() => redis.stop());
    const lines = new PassThrough();
    const refused = once(lines, 'data');
    const server = await startServer({
      settings: { REDIS_URL: redis.url.replace('redis://', 'redis://bell:s3cret-word@') },
      logger: pino({ level: 'error' }, lines),
    });
    onTestFinished(() => server.close());
    const [line] = await refused;
    expect(String(line)).toContain('WRONGPASS');
    expect(String(line)).not.toContain('s3cret-word');
  });
});
