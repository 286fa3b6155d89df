import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { codesOf, transports } from '../support/graphql-transports.ts';
import {
  newOpenWearablesKey,
  type OpenWearablesUsers,
  serveOpenWearablesUsers,
} from '../support/open-wearables-users.ts';
import { rest } from '../support/rest-client.ts';
import { openRestLogStream } from '../support/rest-log-stream.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { StreamCut, streamTransports, type TestStream } from '../support/streams.ts';

/** API keys of Open Wearables at every door of a server that is told where it is. */

let openWearables: OpenWearablesUsers;
let server: TestServer;
let userId: string;
let known: string;
const logged: string[] = [];

const limits = { openWearablesKeyMs: 100, credentialPollMs: 50, openWearablesQuestions: 1_000 };

beforeAll(async () => {
  openWearables = await serveOpenWearablesUsers();
  server = await startServer({
    settings: { OPEN_WEARABLES_URL: openWearables.url },
    limits,
    logger: pino({ level: 'trace' }, { write: (line) => logged.push(line) }),
  });
  userId = await server.user();
  await server.record({ userId });
});
afterAll(async () => {
  await server.close();
  await openWearables.close();
});
beforeEach(() => {
  openWearables.instead = undefined;
  openWearables.requests.length = 0;
  known = newOpenWearablesKey();
  openWearables.keys.add(known);
});

/** Every way to send an API key in headers, and in the payload of a WebSocket. */
const ways: Record<string, (key: string) => Headers> = {
  'X-Open-Wearables-API-Key': (key) => ({ 'x-open-wearables-api-key': key }),
  'X-API-Key': (key) => ({ 'x-api-key': key }),
  'a bearer token': (key) => ({ authorization: `Bearer ${key}` }),
};

const recent = (headers: Headers) => rest(`${server.url}/api/v1/users/${userId}/sync/recent`, { headers });
const asked = () => openWearables.requests.map(({ key }) => key);
const viewer = '{ viewer { kind name scopes expiresAt } }';

describe.each(Object.entries(ways))('as %s', (_way, headersOf) => {
  test.each(Object.entries(transports))('a key of Open Wearables reads over %s', async (_transport, ask) => {
    expect(await ask(server.url, { query: viewer, headers: headersOf(known) })).toMatchObject({
      data: { viewer: { kind: 'SERVICE', name: 'API key of Open Wearables', scopes: ['READ'], expiresAt: null } },
    });
    expect(asked()).toEqual([known]);
  });

  test('a key of Open Wearables reads over REST', async () => {
    const { status, body } = await recent(headersOf(known));
    expect([status, body.length]).toEqual([200, 1]);
  });
});

test('a key of Open Wearables records nothing, changes nobody and makes no key', async () => {
  const headers = { 'x-open-wearables-api-key': known };
  const event = `{ userId: "${userId}", runId: "r", provider: "p", source: PULL, stage: STARTED, status: IN_PROGRESS }`;
  for (const mutation of [
    `recordSyncEvents(input: { events: [${event}] }) { results { duplicate } }`,
    'upsertUser(input: {}) { id }',
    `deleteUser(id: "${userId}") { deletedUserId }`,
    'createApiKey(input: { name: "n", scopes: [READ] }) { secret }',
  ])
    expect(codesOf(await server.graphql(`mutation { ${mutation} }`, {}, headers))).toEqual(['FORBIDDEN']);
  const recorded = await rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
    ...{ method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
    body: { run_id: 'r', provider: 'p', source: 'pull', stage: 'started', status: 'in_progress' },
  });
  expect(recorded.status).toBe(403);
});

test('a key that Open Wearables refuses is refused to the letter', async () => {
  const wrong = newOpenWearablesKey();
  const { status, text, headers } = await recent({ 'x-open-wearables-api-key': wrong });
  expect([status, text]).toEqual([401, '{"detail":"Invalid or missing API key"}']);
  expect(headers).not.toHaveProperty('www-authenticate');
  expect((await recent({ authorization: `Bearer ${wrong}` })).text).toBe(
    '{"detail":"Authentication required: provide JWT token or API key"}',
  );
  expect(codesOf(await server.graphql(viewer, {}, { 'x-api-key': wrong }))).toEqual(['UNAUTHENTICATED']);
  const stream = await streamTransports.websocket(server.url, { query: viewer, headers: { 'x-api-key': wrong } });
  await expect(stream.next()).rejects.toEqual(new StreamCut(4403));
});

test('a good key of Open Wearables counts beside a broken bearer token, and a good token beside any key', async () => {
  expect((await recent({ authorization: 'Bearer broken', 'x-open-wearables-api-key': known })).status).toBe(200);
  const unasked = newOpenWearablesKey();
  expect((await recent({ ...(await server.userToken(userId)), 'x-api-key': unasked })).status).toBe(200);
  expect(asked()).not.toContain(unasked);
});

test('while Open Wearables cannot be asked, its keys are answered with UNAVAILABLE, and keys of this server as ever', async () => {
  openWearables.instead = (response) => response.writeHead(502).end();
  for (const headersOf of Object.values(ways)) {
    const headers = headersOf(newOpenWearablesKey());
    const answer = await recent(headers);
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
    expect(answer.body).toEqual({
      detail: 'Open Wearables cannot be asked about this API key now; try again later',
    });
    const { status, errors } = await server.graphql(viewer, {}, headers);
    expect([status, ...errors.map(({ extensions }) => extensions.code)]).toEqual([503, 'UNAVAILABLE']);
    const stream = await streamTransports.websocket(server.url, { query: viewer, headers });
    await expect(stream.next()).rejects.toEqual(new StreamCut(1013));
  }
  const ready = await rest(`${server.url}/readyz`);
  expect([ready.status, Object.keys(ready.body.detail)]).toEqual([200, ['Open Wearables']]);
  expect((await recent(server.admin)).status).toBe(200);
  expect((await recent({ authorization: `Bearer ${known}`, ...server.admin })).status).toBe(200);

  openWearables.instead = undefined;
  await expect.poll(async () => (await recent({ 'x-api-key': known })).status).toBe(200);
  expect((await rest(`${server.url}/readyz`)).body).toEqual({ status: 'ok' });
});

test('a key that was made here never leaves the server, though it is revoked or its time is over', async () => {
  const { keys } = server.app.services;
  const [good, revoked, expired] = await Promise.all(
    [null, null, new Date(Date.now() + 20)].map((expiresAt) =>
      keys.create({ name: 'made here', scopes: ['read'], expiresAt }),
    ),
  );
  await keys.revoke(revoked?.key.id ?? '');
  const statusOf = async (secret = '') => (await recent({ 'x-open-wearables-api-key': secret })).status;
  await expect.poll(() => statusOf(expired?.secret)).toBe(401);
  expect(await statusOf(revoked?.secret)).toBe(401);
  expect(await statusOf(good?.secret)).toBe(200);
  for (const { secret } of [good, revoked, expired].flatMap((made) => made ?? []))
    expect(asked()).not.toContain(secret);
});

test('a text that is no key, or longer than any, is refused without a question', async () => {
  for (const text of ['x', 'sk-', 'sk-a b', `sk-${'0'.repeat(254)}`]) {
    expect((await recent({ 'x-open-wearables-api-key': text })).status).toBe(401);
    expect(asked()).not.toContain(text);
  }
  const longest = `sk-${'0'.repeat(253)}`;
  expect((await recent({ 'x-open-wearables-api-key': longest })).status).toBe(401);
  expect(asked()).toContain(longest);
});

describe('a stream', () => {
  const subscription = 'subscription ($userId: UUID!) { syncEvents(userId: $userId, after: "0") { cursor } }';
  const open: Record<string, (headers: Headers) => Promise<TestStream>> = {
    'a WebSocket': (headers) =>
      streamTransports.websocket(server.url, { query: subscription, variables: { userId }, headers }),
    'server-sent events': (headers) =>
      streamTransports.sse(server.url, { query: subscription, variables: { userId }, headers }),
    REST: (headers) => openRestLogStream(server.url, { userId, replay: 1 }, headers),
  };

  test.each(Object.entries(open))(
    'over %s ends when its key is revoked at Open Wearables',
    async (_door, openStream) => {
      const stream = await openStream({ 'x-open-wearables-api-key': known });
      onTestFinished(() => stream.close());
      const bystander = await openStream(server.admin);
      onTestFinished(() => bystander.close());
      expect(await stream.next()).toHaveProperty('data');
      expect(await bystander.next()).toHaveProperty('data');
      openWearables.keys.delete(known);
      let last = await stream.next();
      while (last?.data) last = await stream.next();
      expect(last?.errors).toEqual([
        expect.objectContaining({
          message: 'The API key has been revoked',
          extensions: expect.objectContaining({ code: 'UNAUTHENTICATED' }),
        }),
      ]);
      await server.record({ userId });
      expect(await bystander.next()).toHaveProperty('data');
    },
  );

  test('goes on while Open Wearables cannot be asked, and ends when it can, if the key was revoked meanwhile', async () => {
    const stream = await streamTransports.sse(server.url, {
      ...{ query: subscription, variables: { userId }, headers: { 'x-api-key': known } },
    });
    onTestFinished(() => stream.close());
    await stream.next();
    openWearables.instead = (response) => response.destroy();
    openWearables.keys.delete(known);
    for (let count = 0; count < 2; count += 1) await openWearables.requested();
    await server.record({ userId, message: 'still here' });
    expect(await stream.next()).toHaveProperty('data.syncEvents.cursor');
    openWearables.instead = undefined;
    let last = await stream.next();
    while (last?.data) last = await stream.next();
    expect(last).toHaveProperty('errors.0.extensions.code', 'UNAUTHENTICATED');
  });

  test('of a good key goes on, and costs one question for all streams of that key', async () => {
    const streams = await Promise.all(
      Array.from({ length: 5 }, () =>
        streamTransports.sse(server.url, {
          ...{ query: subscription, variables: { userId }, headers: { 'x-api-key': known } },
        }),
      ),
    );
    for (const stream of streams) onTestFinished(() => stream.close());
    for (const stream of streams) await stream.next();
    openWearables.requests.length = 0;
    const began = performance.now();
    for (let count = 0; count < 5; count += 1) await openWearables.requested();
    // The time of an answer passes between two questions; if each stream asked, five would come at once.
    expect(performance.now() - began).toBeGreaterThan(2 * limits.openWearablesKeyMs);
    await server.record({ userId });
    for (const stream of streams) expect(await stream.next()).toHaveProperty('data.syncEvents');
  });
});

test('a flood of made-up keys asks Open Wearables little, and keeps no good key out', async () => {
  const openWearablesQuestions = 5;
  const flooded = await startServer({
    settings: { OPEN_WEARABLES_URL: openWearables.url },
    limits: { openWearablesKeyMs: 20, openWearablesQuestions },
  });
  onTestFinished(flooded.close);
  const statusOf = async (key: string) =>
    (await rest(`${flooded.url}/api/v1/sync/runs`, { headers: { 'x-open-wearables-api-key': key } })).status;
  expect(await statusOf(known)).toBe(200);
  const began = performance.now();
  const madeUp = Array.from({ length: 300 }, newOpenWearablesKey);
  const statuses = await Promise.all(madeUp.flatMap((key) => [statusOf(key), statusOf(known)]));
  const seconds = (performance.now() - began) / 1000;
  const those = new Set(asked());
  const questions = madeUp.filter((key) => those.has(key)).length;
  expect(questions).toBeGreaterThan(0);
  expect(questions).toBeLessThanOrEqual(openWearablesQuestions * (1 + seconds));
  const count = (status: number) => statuses.filter((each) => each === status).length;
  expect([count(200), count(401), count(503)]).toEqual([300, questions, 300 - questions]);
});

test('no line of the log holds a key', () => {
  expect(logged.length).toBeGreaterThan(0);
  expect(logged.join('\n')).not.toMatch(/sk-[0-9a-f]{32}/);
});

test('without the setting nobody is asked, and a key of Open Wearables is refused', async () => {
  const alone = await startServer();
  onTestFinished(alone.close);
  const { status, body } = await rest(`${alone.url}/api/v1/sync/runs`, {
    headers: { 'x-open-wearables-api-key': known },
  });
  expect([status, body]).toEqual([401, { detail: 'Invalid or missing API key' }]);
  expect(asked()).not.toContain(known);
});
