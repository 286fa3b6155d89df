import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectTo } from '../support/connection.ts';
import { openEventStream } from '../support/event-stream.ts';
import { hasPrometheus, promtool } from '../support/prometheus.ts';
import { anEvent, startServer, type TestServer } from '../support/server.ts';
import { openWebSocketStream, streamTransports, type TestStream } from '../support/streams.ts';

async function started(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const server = await startServer(options);
  onTestFinished(() => server.close());
  return server;
}

async function scrape({ url, admin }: TestServer): Promise<string> {
  return (await fetch(`${url}/metrics`, { headers: admin })).text();
}

/** What a series says; undefined where there is none. */
async function read(server: TestServer, series: string): Promise<number | undefined> {
  const line = (await scrape(server)).split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

/** What was counted of requests, as `door operation code`. */
async function requests(server: TestServer): Promise<Record<string, number>> {
  const lines = (await scrape(server)).matchAll(
    /^synclog_requests_total\{door="(.*?)",operation="(.*?)",code="(.*?)"\} (\d+)$/gm,
  );
  return Object.fromEntries(
    [...lines].map(([, door, operation, code, count]) => [`${door} ${operation} ${code}`, Number(count)]),
  );
}

const named = (name: string, field: string) => `query ${name} { ${field} }`;

describe('/metrics', () => {
  test.runIf(hasPrometheus)("is what Prometheus' own tool takes, whatever has happened", async () => {
    const server = await started();
    const userId = await server.user();
    await server.record({ userId });
    await server.graphql('{ nope }');
    expect(promtool(['check', 'metrics'], await scrape(server))).toEqual({ status: 0, said: '' });
  });

  test('counts requests by door, operation and code, and what they took', async () => {
    const server = await started();
    const userId = await server.user();
    const list = `${server.url}/api/v1/users/${userId}/sync/recent`;
    for (const _ of [1, 2, 3]) await server.graphql(named('A', 'viewer { scopes }')); // the last is an answer that was kept
    for (const _ of [1, 2]) expect((await fetch(list, { headers: server.admin })).status).toBe(200);
    await server.graphql('{ a: viewer { scopes } users(first: 1) { edges { cursor } } }');
    await server.graphql('{ user(id: "x") { id } }');
    await server.graphql('{ viewer { scopes } }', {}, { 'x-api-key': 'sk-wrong' });
    await fetch(list);
    await fetch(`${server.url}/healthz`);
    await fetch(`${server.url}/nowhere`);
    await expect
      .poll(() => requests(server))
      .toMatchObject({
        'graphql mutation upsertUser OK': 1,
        'graphql query viewer OK': 3,
        'graphql query several OK': 1,
        'graphql query user BAD_USER_INPUT': 1,
        'rest recentSyncEvents OK': 2,
        'rest recentSyncEvents UNAUTHENTICATED': 1,
        'pages healthz OK': 1,
        'pages none NOT_FOUND': 1,
      });
    const counted = await requests(server);
    expect(
      Object.keys(counted).filter((key) => key.startsWith('graphql') && key.endsWith('UNAUTHENTICATED')),
    ).toHaveLength(1);
    const duration = 'synclog_request_duration_seconds';
    expect(await read(server, `${duration}_count{door="graphql",operation="query viewer"}`)).toBeGreaterThanOrEqual(3);
    expect(
      await read(server, `${duration}_bucket{door="graphql",operation="query viewer",le="+Inf"}`),
    ).toBeGreaterThanOrEqual(3);
  });

  test('blames a client of REST for its mistakes, and not the server', async () => {
    const server = await started();
    const userId = await server.user();
    const json = { ...server.admin, 'content-type': 'application/json' };
    const asked: [string, RequestInit][] = [
      [`/api/v1/users/${userId}/sync/recent?limit=abc`, { headers: server.admin }],
      ['/api/v1/users/nobody/sync/recent', { headers: server.admin }],
      [`/api/v1/users/${userId}/sync/events`, { method: 'POST', headers: json, body: '{' }],
      [`/api/v1/users/${userId}/sync/events`, { method: 'POST', headers: server.admin, body: 'x' }],
    ];
    for (const [path, init] of asked) expect((await fetch(server.url + path, init)).status).toBeLessThan(500);
    const counted = async () => Object.keys(await requests(server)).filter((key) => key.startsWith('rest '));
    await expect.poll(counted).toContainEqual(expect.stringMatching(/BAD_USER_INPUT$/));
    expect((await counted()).filter((key) => key.endsWith('INTERNAL_SERVER_ERROR'))).toEqual([]);
  });

  test('counts a request whose client has left before it was answered', async () => {
    const server = await started();
    const socket = connectTo(server.url);
    socket.write('POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    await once(socket, 'connect');
    socket.end();
    socket.destroy();
    await expect.poll(() => requests(server)).toMatchObject({ 'graphql none CUT': 1 });
  });

  test('counts sockets, and operations on them', async () => {
    const server = await started();
    const userId = await server.user();
    const query = `subscription Mine { syncEvents(userId: "${userId}") { cursor } }`;
    const stream = await openWebSocketStream(server.url, { query, headers: server.admin });
    await stream.next();
    expect(await read(server, 'synclog_open_sockets')).toBe(1);
    expect(await read(server, 'synclog_open_streams{door="websocket"}')).toBe(1);
    await stream.close();
    await expect
      .poll(() => requests(server))
      .toMatchObject({
        'websocket connection OK': 1,
        'websocket subscription syncEvents OK': 1,
      });
    expect(await read(server, 'synclog_open_streams{door="websocket"}')).toBe(0);
    expect(await read(server, 'synclog_open_sockets')).toBe(0);
  });

  test('counts what is recorded, how it was grouped, and how late it came to who waited', async () => {
    const server = await started();
    const userId = await server.user();
    const stream = await openEventStream(`${server.url}/api/v1/users/${userId}/sync/stream`, server.admin);
    onTestFinished(() => stream.close());
    const id = randomUUID();
    await server.record({ userId, id }, { userId });
    await server.record({ userId, id });
    expect(await read(server, 'synclog_recorded_events_total')).toBe(2);
    expect(await read(server, 'synclog_duplicate_events_total')).toBe(1);
    expect(await read(server, 'synclog_recordings_per_transaction_bucket{le="1"}')).toBe(2);
    await expect.poll(() => read(server, 'synclog_delivery_lag_seconds_count')).toBe(1);
    expect(await read(server, 'synclog_delivery_lag_seconds_sum')).toBeLessThan(5);
    expect(await read(server, 'synclog_open_streams{door="rest"}')).toBe(1);
    for (const each of ['statement', 'transaction'])
      expect(await read(server, `synclog_database_${each}_duration_seconds_count`)).toBeGreaterThan(1);
  });

  test.each(['websocket', 'sse', 'rest'] as const)(
    'how late events come over %s is measured when they are handed to the socket, and not before',
    async (way) => {
      const server = await started();
      const userId = await server.user();
      const { headers, mark } = { headers: server.admin, mark: 'what is written to the socket' };
      // A payload that reads from the database is made in later turns of the event loop.
      const query = `subscription { syncEvents(userId: "${userId}") { events { message run { status } } } }`;
      const stream =
        way === 'rest'
          ? await openEventStream(`${server.url}/api/v1/users/${userId}/sync/stream`, headers)
          : await streamTransports[way](server.url, { query, headers });
      onTestFinished(() => stream.close());
      if (way !== 'rest') await (stream as TestStream).next();
      const { deliveryLag } = server.app.services.log.figures;
      const count = () => deliveryLag.counts.reduce((sum, each) => sum + each, 0);
      const counts: number[] = [];
      const write = Socket.prototype.write;
      onTestFinished(() => {
        Socket.prototype.write = write;
      });
      Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
        if (String(this.localPort) === new URL(server.url).port && Buffer.from(args[0]).includes(mark)) {
          counts.push(count());
          for (const until = performance.now() + 200; performance.now() < until; );
        }
        return Reflect.apply(write, this, args);
      } as typeof write;
      await server.record({ userId, message: mark });
      await expect.poll(count).toBe(1);
      expect(counts).toEqual([0]);
      expect(deliveryLag.sum).toBeGreaterThan(0.2);
    },
  );

  test('what a reader has not asked for yet is not late', async () => {
    const server = await started();
    const userId = await server.user();
    const { log } = server.app.services;
    const events = log.follow({ userId }, new AbortController().signal);
    onTestFinished(() => void events.return());
    await events.next();
    await server.record({ userId });
    const step = (await events.next()).value;
    expect(step?.events).toHaveLength(1);
    step?.delivered?.(performance.now());
    expect(log.figures.deliveryLag.counts[0]).toBe(1);
  });

  test('tells what is away, and nothing of what is not used', async () => {
    const server = await started();
    expect(await read(server, 'synclog_outage{what="database"}')).toBe(0);
    const used = await read(server, 'synclog_database_connections_max');
    expect(used).toBe(server.app.services.database.kind === 'postgresql' ? 10 : undefined);
  });

  test('has as many series after 10,000 users and hundreds of made-up names, doors and words as after a few', async () => {
    const server = await started();
    const { log, users } = server.app.services;
    const record = async (count: number) => {
      const ids = Array.from({ length: count }, () => randomUUID());
      await users.ensure(new Map(ids.map((id) => [id, new Date()])));
      const { source, stage, status, ...event } = {
        ...anEvent,
        source: 'pull',
        stage: 'fetching',
        status: 'in_progress',
      };
      await log.record(ids.map((userId) => ({ ...event, source, stage, status, userId })));
      return ids;
    };
    const ask = async (userId: string) => {
      const word = `w${randomUUID().slice(0, 8)}`;
      for (const headers of [server.admin, { 'x-api-key': `sk-${word}` }]) {
        await server.graphql(`query ${word} { ${word}: viewer { scopes } }`, {}, headers);
        await server.graphql(`query ${word} { ${word} }`, {}, headers);
        await server.graphql(`{ ...${word} } fragment ${word} on Query { ...${word} ${word} }`, {}, headers);
        await server.graphql(`query ${word} {`, {}, headers);
        await fetch(`${server.url}/graphql?query={${word}}&operationName=${word}`, { headers });
        await fetch(`${server.url}/api/v1/users/${userId}/sync/${word}`, { headers });
        await fetch(`${server.url}/api/v1/users/${userId}/sync/runs?status=${word}`, { headers });
      }
      await fetch(`${server.url}/${word}`, { method: 'PUT', headers: { 'x-forwarded-for': word } });
      await fetch(`${server.url}/api/v1/webhooks/${word}`, { method: 'POST', body: word });
    };
    const seriesAfter = async (groups: number) => {
      for (let group = 0; group < groups; group += 1) for (const id of (await record(500)).slice(0, 4)) await ask(id);
      await scrape(server);
      const own = (await scrape(server)).split('\n').filter((line) => line.startsWith('synclog_'));
      return own.map((line) => line.slice(0, line.lastIndexOf(' '))).sort();
    };
    const few = await seriesAfter(1);
    expect(await seriesAfter(19)).toEqual(few);
    expect(few.length).toBeLessThan(1_000);
  });
});
