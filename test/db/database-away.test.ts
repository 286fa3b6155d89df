import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { StreamCut, streamTransports } from '../support/streams.ts';

// A Postgres of this file's own, as it is stopped and started, whatever `TEST_DATABASE_URL` says.
let postgres: ScratchPostgres;
let server: TestServer;
let userId: string;
let isAway = false;

beforeAll(async () => {
  postgres = await startPostgres();
  server = await startServer({ database: await createOnServer(postgres.url) });
  userId = await server.user();
  await server.record({ userId });
});
afterAll(async () => {
  await server.close();
  await postgres.stop();
});
afterEach(comeBack);

async function goAway(): Promise<void> {
  isAway = true;
  await postgres.pause();
}

async function comeBack(): Promise<void> {
  if (!isAway) return;
  await postgres.resume();
  isAway = false;
}

const record = `mutation ($id: UUID!) { recordSyncEvents(input: { events: [{
  userId: $id, runId: "r", provider: "oura", source: PULL, stage: FETCHING, status: IN_PROGRESS
}] }) { results { event { sequence } } } }`;
const read = 'query ($id: UUID!) { user(id: $id) { headCursor } }';

describe('while Postgres is away', () => {
  test('a GraphQL request that has nothing to show answers 503, and when to come again', async () => {
    // A token is good without the database, so this one fails in a resolver; a key fails before.
    const token = await server.userToken(userId);
    await goAway();
    for (const [query, headers] of [
      [read, server.admin],
      [record, server.admin],
      ['query ($id: UUID!) { users(search: "x") { edges { cursor } } user(id: $id) { id } }', token],
    ] as const)
      for (const accept of ['application/json', 'application/graphql-response+json']) {
        const answer = await server.graphql(query, { id: userId }, { ...headers, accept });
        expect(answer.errors.map(({ extensions }) => extensions.code)).toContain('UNAVAILABLE');
        expect([answer.status, answer.headers.get('retry-after'), answer.data ?? null]).toEqual([503, '1', null]);
      }
  });

  test('a good API key stays good, from an address with too many bad ones as well', async () => {
    const limited = await startServer({
      database: await createOnServer(postgres.url),
      settings: { RATE_LIMITS: 'on' },
      limits: { failedCredentialRate: { burst: 1, perSecond: 0.001 } },
    });
    onTestFinished(() => limited.close());
    const ask = async (headers: Headers) => (await limited.graphql('{ __typename }', {}, headers)).status;
    expect(await ask(limited.admin)).toBe(200);
    await goAway();
    expect(await ask(limited.admin)).toBe(503);
    await comeBack();
    expect(await ask({ 'x-api-key': 'sk-no' })).toBe(401);
    expect(await ask({ 'x-api-key': 'sk-no' })).toBe(429);
    await expect.poll(() => ask(limited.admin)).toBe(200);
  });

  test('an answer that shows something else is a result like any other', async () => {
    const token = await server.userToken(userId);
    await goAway();
    const { status, headers, data, errors } = await server.graphql(
      'query ($id: UUID!) { __typename user(id: $id) { id } }',
      { id: userId },
      token,
    );
    expect([status, headers.get('retry-after')]).toEqual([200, null]);
    expect(data).toEqual({ __typename: 'Query', user: null });
    expect(errors).toMatchObject([{ path: ['user'], extensions: { code: 'UNAVAILABLE' } }]);
  });

  test('a REST request answers 503 and when to come again; the process lives, and is not ready', async () => {
    await goAway();
    const url = `${server.url}/api/v1/users/${userId}/sync`;
    for (const request of [
      () => fetch(`${url}/recent`, { headers: server.admin }),
      () =>
        fetch(`${url}/events`, {
          method: 'POST',
          headers: { ...server.admin, 'content-type': 'application/json' },
          body: JSON.stringify({
            run_id: 'r',
            provider: 'oura',
            source: 'pull',
            stage: 'fetching',
            status: 'in_progress',
          }),
        }),
    ]) {
      const response = await request();
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await response.json()).toEqual({ detail: expect.any(String) });
    }
    expect((await rest(`${server.url}/healthz`)).status).toBe(200);
    expect((await rest(`${server.url}/readyz`)).status).toBe(503);
  });

  test('a WebSocket is refused with a code after which its client comes back', async () => {
    await goAway();
    const stream = await streamTransports.websocket(server.url, {
      query: '{ viewer { kind } }',
      headers: server.admin,
    });
    await expect(stream.next()).rejects.toMatchObject({ code: 1013 });
    await stream.close();
  });

  test('a stream for EventSource ends at once, so that it comes back; anybody else is answered 503', async () => {
    await goAway();
    const follow = (accept: string) =>
      fetch(`${server.url}/api/v1/users/${userId}/sync/stream`, { headers: { ...server.admin, accept } });
    const forBrowsers = await follow('text/event-stream');
    expect([forBrowsers.status, forBrowsers.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    expect(await forBrowsers.text()).toMatch(/^retry: 2000\nevent: sync.end\ndata: \{.*"code":"UNAVAILABLE".*\}\n\n$/m);
    for (const accept of ['*/*', 'application/json', 'text/event-stream, application/json'])
      expect((await follow(accept)).status).toBe(503);
  });

  test('a subscription by server-sent events is not `complete`; a query is, or its client would send it again', async () => {
    await goAway();
    for (const [query, isComplete] of [
      ['subscription { syncRuns { runId } }', false],
      ['{ viewer { kind } }', true],
      ['mutation { upsertUser(input: {}) { id } }', true],
    ] as const) {
      const stream = await streamTransports.sse(server.url, { query, headers: server.admin });
      expect(await stream.next()).toMatchObject({ errors: [{ extensions: { code: 'UNAVAILABLE' } }] });
      if (isComplete) expect(await stream.next()).toBeUndefined();
      else await expect(stream.next()).rejects.toThrow(StreamCut);
    }
  });

  test('many recordings are refused soon, and together', async () => {
    await goAway();
    const start = performance.now();
    const answers = await Promise.all(Array.from({ length: 100 }, () => server.graphql(record, { id: userId })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('once Postgres is back', () => {
  test.each([0.1, 3, 12])(
    'after %d s, under load, everything works again in less than 5 s, by itself',
    async (seconds) => {
      let asking = true;
      const statuses = new Set<number>();
      const load = Array.from({ length: 20 }, async (_, client) => {
        while (asking) statuses.add((await server.graphql(client % 2 ? read : record, { id: userId })).status);
      });
      await goAway();
      await wait(seconds * 1000);
      expect((await server.graphql(read, { id: userId })).status).toBe(503);
      await comeBack();
      const start = performance.now();
      const head = await firstAnswer();
      const recoveryMs = performance.now() - start;
      asking = false;
      await Promise.all(load);
      expect(recoveryMs).toBeLessThan(5_000);
      expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
      expect(statuses).toContain(503);
      const [result] = await server.record({ userId });
      expect(result?.event.sequence).toBeGreaterThan(head);
    },
  );

  /** Asks until a read and a recording have worked; returns the sequence recorded. */
  async function firstAnswer(): Promise<number> {
    for (;;) {
      const [reading, recording] = await Promise.all([
        server.graphql(read, { id: userId }),
        server.graphql(record, { id: userId }),
      ]);
      if (reading.status === 200 && recording.status === 200)
        return recording.data.recordSyncEvents.results[0].event.sequence;
      await wait(10);
    }
  }
});
