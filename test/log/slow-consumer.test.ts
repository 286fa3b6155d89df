import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Limits } from '../../src/limits.ts';
import { lazyTransports, readLog } from '../support/log-reader.ts';
import { type Headers, startServer } from '../support/server.ts';
import { StreamCut, streamTransports, type TestStream } from '../support/streams.ts';

const eventCount = 600;
const filler = 'x'.repeat(60_000);
/** What the sockets of both ends may hold between them, as Linux sizes them at most, and a few payloads. */
const bytesOnTheWay = 20_000_000;
const query = readLog.replace('message', 'message metadata');
const pageSize = 20;

/** A server with one log that is longer than what sockets hold, and how many of its events were read. */
async function startWithLongLog(limits: Partial<Limits>) {
  const read = { rows: 0 };
  const server = await startServer({
    settings: { KEEP_ALIVE_SECONDS: '1' }, // those that recorded go by themselves
    limits: { pageSize, ...limits },
    onStatement({ sql, rows }) {
      if (/sync_event e/.test(sql)) read.rows += rows;
    },
  });
  onTestFinished(() => server.close());
  const userId = await server.user();
  for (let count = 0; count < eventCount; count += 50)
    await server.record(...Array.from({ length: 50 }, () => ({ userId, metadata: { filler } })));
  read.rows = 0;
  return { server, userId, read };
}

/** Connections that the server's end holds open. Only Node's own list of handles has them all, and it has no types. */
function connectionsOf(url: string): number {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): { localPort?: number }[] };
  return _getActiveHandles.call(process).filter(({ localPort }) => localPort === Number(new URL(url).port)).length;
}

async function open(
  url: string,
  headers: Headers,
  transports: typeof lazyTransports | typeof streamTransports,
  name: keyof typeof streamTransports,
  variables: object,
): Promise<TestStream> {
  const stream = await transports[name](url, { query, variables: { ...variables }, headers });
  onTestFinished(() => stream.close());
  return stream;
}

describe.each([
  ['websocket', 'sse'],
  ['sse', 'websocket'],
] as const)('a reader over %s that stops reading', (name, otherName) => {
  test('is ended with SLOW_CONSUMER and its cursor, and goes on from there without a gap', async () => {
    const { server, userId, read } = await startWithLongLog({ slowConsumerMs: 500 });
    const slow = await open(server.url, server.admin, lazyTransports, name, { userId, after: '0' });
    const seen: number[] = [];
    const take = (events: readonly { sequence: number }[]) => seen.push(...events.map(({ sequence }) => sequence));
    take((await slow.next())?.data.syncEvents.events);

    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
    expect(read.rows * filler.length).toBeLessThan(bytesOnTheWay);
    let end: Record<string, unknown> | undefined;
    const reading = (async () => {
      for (let result = await slow.next(); result; result = await slow.next())
        if (result.errors) end = result.errors[0]?.extensions;
        else take(result.data.syncEvents.events);
    })();
    await expect(reading).rejects.toThrow(StreamCut); // after `complete` its client would not come back
    expect(end).toEqual({ code: 'SLOW_CONSUMER', cursor: String(seen.length) });

    const next = await open(server.url, server.admin, streamTransports, otherName, { userId, after: end?.cursor });
    while (seen.length < eventCount) take((await next.next())?.data.syncEvents.events);
    expect(seen).toEqual(Array.from({ length: eventCount }, (_, index) => index + 1));
  });

  test('and never reads again is cut, and nothing of it stays', async () => {
    const { server, userId } = await startWithLongLog({
      slowConsumerMs: 500,
      socketPingMs: 1_000,
      connectionIdleMs: 2_000,
      checkpointMs: 500,
    });
    const slow = await open(server.url, server.admin, lazyTransports, name, { userId, after: '0' });
    await slow.next();
    const healthy = await open(server.url, server.admin, streamTransports, name, { userId });
    await healthy.next();
    expect(connectionsOf(server.url)).toBeGreaterThanOrEqual(2);
    expect(server.app.services.log.followedLogs).toBe(1);

    await expect.poll(() => connectionsOf(server.url)).toBe(1);
    expect((await healthy.next())?.data.syncEvents).toMatchObject({ events: [], caughtUp: true });
    await healthy.close();
    await expect.poll(() => connectionsOf(server.url)).toBe(0);
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
  });

  test('is not mistaken for one that reads slowly', async () => {
    const { server, userId } = await startWithLongLog({ slowConsumerMs: 4_000, socketPingMs: 1_000 });
    const stream = await open(server.url, server.admin, lazyTransports, name, { userId, after: '0' });
    let last = 0;
    for (let step = 0; step < 30; step += 1) {
      last = Number((await stream.next())?.data.syncEvents.cursor);
      await wait(150); // longer in all than a reader may take nothing
    }
    expect(last).toBe(eventCount);
  });
});
