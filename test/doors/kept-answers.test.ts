import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { openAgain } from '../support/database.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

const statements: string[] = [];
let now = Date.parse('2026-03-01T12:00:00Z');
const servers: Promise<TestServer>[] = [];
const onStatement = ({ sql }: StatementReport) => statements.push(sql);
const clock = () => now;
const serverWith = (options: Parameters<typeof startServer>[0]) => {
  const started = startServer({ clock, ...options });
  servers.push(started);
  return started;
};
const server = await serverWith({ onStatement });
afterAll(async () => {
  for (const each of servers) await (await each).close();
});

const newest = `query ($id: UUID!) {
  user(id: $id) { id email headCursor recentSyncEvents(limit: 3) { id sequence message run { status } user { headCursor } } }
}`;
const recentPath = (id: string) => `/api/v1/users/${id}/sync/recent?limit=3`;

/** The same question on each door that may answer with what it has answered before. */
const doors = {
  'GraphQL by POST': async (id: string, headers: Headers = server.admin) => {
    const body = { query: newest, variables: { id } };
    const sent = { 'content-type': 'application/json', ...headers };
    return rest(`${server.url}/graphql`, { method: 'POST', headers: sent, body });
  },
  'GraphQL by GET': (id: string, headers: Headers = server.admin) =>
    rest(`${server.url}/graphql?${new URLSearchParams({ query: newest, variables: JSON.stringify({ id }) })}`, {
      headers,
    }),
  REST: (id: string, headers: Headers = server.admin) => rest(server.url + recentPath(id), { headers }),
};

describe.each(Object.entries(doors))('an answer that is kept, on %s', (_, ask) => {
  let id: string;
  beforeEach(async () => {
    id = await server.user();
    await server.record(...Array.from({ length: 4 }, () => ({ userId: id })));
    for (let times = 0; times < 3; times += 1) await ask(id);
  });

  it('is given again byte for byte, and only what it rests on is asked again', async () => {
    const first = await ask(id);
    statements.length = 0;
    const again = await ask(id);
    expect([again.status, again.text]).toEqual([200, first.text]);
    expect(again.headers).toEqual({ ...first.headers, date: again.headers.date });
    expect(statements.filter((sql) => /sync_event|sync_run/.test(sql))).toEqual([]);
  });

  it('never hides what was acknowledged before the question', async () => {
    for (let sequence = 5; sequence < 25; sequence += 1) {
      await server.record({ userId: id, message: `number ${sequence}` });
      expect((await ask(id)).text).toContain(`"number ${sequence}"`);
      await ask(id);
    }
  });

  it('shows at once what was written past this server', async () => {
    const other = await openAgain(server.databaseUrl);
    const before = await ask(id);
    await other.transaction(async (transaction) => {
      await transaction.syncEvent.updateMany({ where: { userId: id, sequence: 4 }, data: { id: crypto.randomUUID() } });
      await transaction.user.update({ where: { id }, data: { tailSequence: 2 } });
    });
    expect((await ask(id)).text).not.toBe(before.text);
  });

  it('goes to nobody else', async () => {
    const stranger = await server.userToken(await server.user());
    const writer = await server.key('write');
    const { apiKey, headers } = await newKey();
    expect((await ask(id, headers)).text).toBe((await ask(id)).text);
    for (const refused of [stranger, writer, {}, { 'x-api-key': 'sk-unknown' }])
      expect((await ask(id, refused)).text).not.toContain('IN_PROGRESS');
    await server.app.services.keys.revoke(apiKey);
    expect((await ask(id, headers)).text).not.toContain('IN_PROGRESS');
  });

  it('ends with the user, and is none of a user who is made anew in the same millisecond', async () => {
    const { text } = await ask(id);
    await server.app.services.users.delete(id);
    expect((await ask(id)).text).not.toContain('"4"');
    await server.user({ id });
    await server.record(...Array.from({ length: 4 }, () => ({ userId: id })));
    const anew = await ask(id);
    expect(anew.text).not.toBe(text);
    expect((await ask(id)).text).toBe(anew.text);
  });
});

describe('the headers of an answer that is kept', () => {
  it('are those of one made anew, for each page that asks', async () => {
    const settings = { CORS_ORIGINS: 'https://app.example' };
    const keeping = await serverWith({ settings });
    const uncached = await serverWith({ settings: { ...settings, CACHE: 'off' } });
    const path = `/graphql?${new URLSearchParams({ query: '{ __typename }' })}`;
    for (const origin of ['https://app.example', 'https://other.example', undefined])
      for (const accept of ['application/json', 'application/graphql-response+json', '*/*', undefined]) {
        const ask = async ({ url, admin }: TestServer) => {
          const headers = { ...admin, ...(origin && { origin }), ...(accept && { accept }) };
          const { date: _, ...others } = (await rest(url + path, { headers })).headers;
          return others;
        };
        const expected = await ask(uncached);
        for (const server of [keeping, keeping, keeping, uncached]) expect(await ask(server)).toEqual(expected);
      }
    expect(await keptBytes(keeping)).toBeGreaterThan(0);
  });
});

describe('an answer that is not kept', () => {
  const health = `query ($id: UUID!) { user(id: $id) { syncRuns(first: 1) { edges { node { health } } } } }`;

  it('depends on the time', async () => {
    const id = await server.user();
    await server.record({ userId: id });
    const ask = async () => (await server.graphql(health, { id })).data.user.syncRuns.edges[0].node.health;
    for (let times = 0; times < 3; times += 1) expect(await ask()).toBe('ACTIVE');
    now += 30 * 86_400_000;
    expect(await ask()).toBe('STALLED');
  });

  it('depends on what only a viewer of its kind is told', async () => {
    const whoAmI = '{ viewer { name } }';
    const keys = [await newKey('one'), await newKey('two')];
    for (let times = 0; times < 3; times += 1)
      for (const [index, { headers }] of keys.entries())
        expect((await server.graphql(whoAmI, {}, headers)).data.viewer.name).toBe(['one', 'two'][index]);
  });

  it('is a change: a mutation is run each time', async () => {
    const rename = `mutation ($id: UUID!) { upsertUser(input: { id: $id, email: "a@b.example" }) { email } }`;
    const id = await server.user();
    for (let times = 0; times < 3; times += 1) {
      expect((await server.graphql(rename, { id })).data.upsertUser.email).toBe('a@b.example');
      await server.graphql('mutation ($id: UUID!) { upsertUser(input: { id: $id, email: null }) { id } }', { id });
    }
  });
});

describe('a list of users', () => {
  it('shows who is new, renamed or gone at once', async () => {
    const list = async () =>
      (
        await server.graphql(
          '{ users(first: 2) { edges { node { id email recentSyncEvents(limit: 1) { sequence } } } } }',
        )
      ).data.users.edges[0].node;
    now += 1;
    const id = await server.user();
    for (let times = 0; times < 3; times += 1) expect(await list()).toMatchObject({ id, email: null });
    await server.user({ id, email: 'new@example.org' });
    expect(await list()).toMatchObject({ id, email: 'new@example.org', recentSyncEvents: [] });
    await server.record({ userId: id });
    expect(await list()).toMatchObject({ recentSyncEvents: [{ sequence: 1 }] });
    await server.app.services.users.delete(id);
    expect((await list()).id).not.toBe(id);
  });
});

describe('the entity tag of an answer', () => {
  it.each(['GraphQL by GET', 'REST'] as const)('of %s saves who has it already the body', async (door) => {
    const id = await server.user();
    await server.record({ userId: id });
    const ask = doors[door];
    const { headers, text } = await ask(id);
    const etag = headers.etag ?? '';
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await ask(id, { ...server.admin, 'if-none-match': known });
      expect([answer.status, answer.text, answer.headers.etag]).toEqual([304, '', etag]);
      expect(answer.headers).not.toHaveProperty('content-type');
    }
    expect((await ask(id, { ...server.admin, 'if-none-match': '"other"' })).text).toBe(text);
    await server.record({ userId: id });
    expect((await ask(id, { ...server.admin, 'if-none-match': etag })).status).toBe(200);
  });
});

describe('the memory of kept answers', () => {
  it('is bounded, and the least recently used go first', async () => {
    const small = await serverWith({ limits: { keptAnswerBytes: 20_000 } });
    const ids = await Promise.all(Array.from({ length: 40 }, () => small.user()));
    const ask = (id = '') => rest(small.url + recentPath(id), { headers: small.admin });
    for (const id of ids) await small.record({ userId: id });
    for (const id of ids) await ask(id);
    expect(await keptBytes(small)).toBeGreaterThan(10_000);
    expect(await keptBytes(small)).toBeLessThanOrEqual(20_000);
    for (const id of ids) expect((await ask(id)).body).toHaveLength(1);
  });

  it('is none without the cache', async () => {
    const off = await serverWith({ settings: { CACHE: 'off' } });
    const id = await off.user();
    for (let times = 0; times < 3; times += 1) await rest(off.url + recentPath(id), { headers: off.admin });
    expect(await keptBytes(off)).toBe(0);
  });
});

async function keptBytes({ url }: TestServer): Promise<number> {
  return Number(/^synclog_kept_answer_bytes (\d+)/m.exec((await rest(`${url}/metrics`)).text)?.[1]);
}

async function newKey(name = 'another') {
  const { key, secret } = await server.app.services.keys.create({ name, scopes: ['read'], expiresAt: null });
  return { apiKey: key.id, headers: { 'x-api-key': secret } };
}
