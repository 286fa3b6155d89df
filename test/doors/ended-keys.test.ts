import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import type { Database } from '../../src/db/database.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { defaultLimits } from '../../src/limits.ts';
import { transports } from '../support/graphql-transports.ts';
import { openLog } from '../support/log-reader.ts';
import { rest } from '../support/rest-client.ts';
import { openRestLogStream } from '../support/rest-log-stream.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { openSseStream, openWebSocketStream, streamTransports } from '../support/streams.ts';

/** API keys that are over, at every door: never good, expired, revoked, replaced. */

let server: TestServer;
/** The keys as another instance, or the command, has them. */
let elsewhere: ApiKeys;
let database: Database;
let userId: string;

beforeAll(async () => {
  server = await startServer({ limits: { credentialPollMs: 50 } });
  database = await openDatabase(server.databaseUrl);
  elsewhere = new ApiKeys({ database, limits: defaultLimits });
  userId = await server.user();
  await server.record({ userId }, { userId });
});
afterAll(async () => {
  await database.close();
  await server.close();
});

const draft = { name: 'reader', scopes: ['read'], expiresAt: null } as const;
const headersOf = (secret: string): Headers => ({ 'x-api-key': secret });

/** Secrets that are over, each in its own way, though their rows may be there. */
const ended: Record<string, () => Promise<string>> = {
  'was never good': async () => `sk-${randomBytes(32).toString('hex')}`,
  async 'has expired'() {
    const { secret, key } = await server.app.services.keys.create(draft);
    await server.app.services.database.transaction((transaction) =>
      transaction.apiKey.update({ where: { id: key.id }, data: { expiresAt: new Date(Date.now() - 1) } }),
    );
    return secret;
  },
  async 'was revoked elsewhere'() {
    const { secret, key } = await server.app.services.keys.create(draft);
    await elsewhere.revoke(key.id);
    return secret;
  },
  async 'was replaced elsewhere, without an overlap'() {
    const { secret, key } = await server.app.services.keys.create(draft);
    await elsewhere.rotate({ id: key.id, overlapSeconds: 0 });
    return secret;
  },
  async 'was replaced elsewhere, and its overlap is over'() {
    const { secret, key } = await server.app.services.keys.create(draft);
    await elsewhere.rotate({ id: key.id, overlapSeconds: 600 });
    await server.app.services.database.transaction((transaction) =>
      transaction.apiKey.update({ where: { id: key.id }, data: { previousEndsAt: new Date(Date.now() - 1) } }),
    );
    return secret;
  },
};

const query = '{ viewer { kind } }';

/** What each door says of a credential, without what differs from one request to the next. */
const doors: Record<string, (headers: Headers) => Promise<unknown>> = {
  ...Object.fromEntries(
    Object.entries(transports).map(([name, ask]) => [
      name,
      (headers: Headers) =>
        ask(server.url, { query, headers }).catch(({ code, reason }: CloseEvent) => ({ code, reason })),
    ]),
  ),
  rest: (headers) => restAnswer(`/api/v1/users/${userId}/sync/recent`, headers),
  'rest stream': (headers) => restAnswer(`/api/v1/users/${userId}/sync/stream`, headers),
  'a recording over rest': (headers) => restAnswer(`/api/v1/users/${userId}/sync/events`, headers, 'POST'),
};

async function restAnswer(path: string, headers: Headers, method = 'GET') {
  const body = method === 'POST' ? { run_id: 'r' } : undefined;
  const answer = await rest(`${server.url}${path}`, { method, headers, body });
  return { status: answer.status, text: answer.text };
}

describe.each(Object.entries(doors))('over %s', (_door, ask) => {
  test.each(Object.entries(ended))('a key that %s is refused as any wrong key is', async (_how, endedSecret) => {
    const refused = await ask(headersOf('sk-wrong'));
    expect(JSON.stringify(refused)).toMatch(/Invalid or missing API key|4403/);
    expect(await ask(headersOf(await endedSecret()))).toEqual(refused);
  });
});

/** The ways to follow a log, and what closes each after a key has ended. */
const follows = {
  websocket: (userId: string, headers: Headers) =>
    openLog(openWebSocketStream, { url: server.url, headers }, { userId }),
  sse: (userId: string, headers: Headers) => openLog(openSseStream, { url: server.url, headers }, { userId }),
  rest: (userId: string, headers: Headers) =>
    openLog(
      () => openRestLogStream(server.url, { userId, replay: 1 }, headers),
      { url: server.url, headers },
      { userId },
    ),
};

describe.each(Object.entries(follows))('a stream over %s', (_name, followUser) => {
  async function newFollow() {
    const userId = await server.user();
    const record = () => server.record({ userId });
    await record();
    return { follow: (headers: Headers) => followUser(userId, headers), record };
  }

  test('ends when its key is revoked elsewhere, whichever of its secrets it has', async () => {
    const { follow, record } = await newFollow();
    const { key, secret } = await server.app.services.keys.create(draft);
    const rotated = await elsewhere.rotate({ id: key.id, overlapSeconds: 600 });
    const readers = await Promise.all([secret, rotated.secret].map((each) => follow(headersOf(each))));
    const bystander = await follow(server.admin);
    await Promise.all([...readers, bystander].map((reader) => reader.step()));
    await elsewhere.revoke(key.id);
    for (const reader of readers) expect(await reader.end()).toMatchObject({ code: 'UNAUTHENTICATED', cursor: '1' });
    await record();
    expect((await bystander.step()).events).toHaveLength(1);
  });

  test('ends when its secret was replaced elsewhere and the overlap is over, and one of the new secret goes on', async () => {
    const { follow, record } = await newFollow();
    const { key, secret } = await server.app.services.keys.create(draft);
    const before = await follow(headersOf(secret));
    await before.step();
    const rotated = await elsewhere.rotate({ id: key.id, overlapSeconds: 1 });
    const endsAt = Number(rotated.key.previousEndsAt);
    const [during, renewed] = await Promise.all([secret, rotated.secret].map((each) => follow(headersOf(each))));
    await Promise.all([during, renewed].map((reader) => reader?.step()));
    for (const reader of [before, during]) expect(await reader?.end()).toMatchObject({ code: 'TOKEN_EXPIRED' });
    expect(Date.now()).toBeGreaterThanOrEqual(endsAt);
    await record();
    expect((await renewed?.step())?.events).toHaveLength(1);
    await renewed?.close();
  });
});

test('a key is rotated over GraphQL, its streams stay, and lists show how its secret begins', async () => {
  const { key, secret } = await server.app.services.keys.create(draft);
  const reader = await openLog(streamTransports.sse, { url: server.url, headers: headersOf(secret) }, { userId });
  onTestFinished(() => reader.close());
  await reader.step();
  const rotate = `mutation ($id: ID!) { rotateApiKey(input: { id: $id }) {
    secret apiKey { id prefix expiresAt previousSecretEndsAt lastUsedAt }
  } }`;
  const { data } = await server.graphql(rotate, { id: key.id });
  const { secret: renewed, apiKey } = data.rotateApiKey;
  expect(apiKey).toMatchObject({ id: key.id, prefix: renewed.slice(0, 11), expiresAt: null });
  expect((Date.parse(apiKey.previousSecretEndsAt) - Date.now()) / 1_000).toBeCloseTo(86_400, -2);
  await server.record({ userId });
  expect((await reader.step()).events).toHaveLength(1);
  expect(await server.graphql('{ viewer { expiresAt } }', {}, headersOf(secret))).toMatchObject({
    data: { viewer: { expiresAt: apiKey.previousSecretEndsAt } },
  });

  const listed: unknown[] = [];
  for (let after: string | null = null; ; ) {
    const page = await server.graphql(
      'query ($after: String) { apiKeys(first: 3, after: $after) { pageInfo { hasNextPage endCursor } edges { node { id prefix } } } }',
      { after },
    );
    listed.push(...page.data.apiKeys.edges.map(({ node }: { node: unknown }) => node));
    if (!page.data.apiKeys.pageInfo.hasNextPage) break;
    after = page.data.apiKeys.pageInfo.endCursor;
  }
  const all = await elsewhere.list();
  expect(listed).toEqual(all.map(({ id, prefix }) => ({ id, prefix })));
});

test('keys are listed and rotated by who has the scope admin, and by nobody else', async () => {
  const { key } = await server.app.services.keys.create(draft);
  const operations = [
    '{ apiKeys { edges { node { prefix } } } }',
    `mutation { rotateApiKey(input: { id: "${key.id}" }) { secret } }`,
  ];
  for (const operation of operations) {
    for (const headers of [await server.key('read', 'write'), await server.userToken(userId)])
      expect((await server.graphql(operation, {}, headers)).errors).toMatchObject([
        { extensions: { code: 'FORBIDDEN' } },
      ]);
    expect((await server.graphql(operation, {}, {})).errors).toMatchObject([
      { extensions: { code: 'UNAUTHENTICATED' } },
    ]);
    expect((await server.graphql(operation, {}, await server.key('admin'))).errors).toEqual([]);
  }
});
