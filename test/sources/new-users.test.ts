import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { openEventStream } from '../support/event-stream.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { claimsWith, signWithSecret } from '../support/identity-provider.ts';
import { openLog } from '../support/log-reader.ts';
import { createEmitter, type Emitter, wireEvent } from '../support/open-wearables-emitter.ts';
import { type RestAnswer, rest } from '../support/rest-client.ts';
import { type Headers, jwtSecret, startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

const lists = ['recent', 'recent?after=0', 'runs'] as const;
const nobody = { status: 404, body: { detail: 'User not found' } };

const listOf = (server: TestServer, userId: string, list: string, headers: Headers): Promise<RestAnswer> =>
  rest(`${server.url}/api/v1/users/${userId}/sync/${list}`, { headers });

async function streamOf(server: TestServer, userId: string, headers: Headers) {
  const stream = await openEventStream(`${server.url}/api/v1/users/${userId}/sync/stream?replay=20`, headers);
  onTestFinished(() => stream.close());
  return stream;
}

async function bearer(claims: object): Promise<Headers> {
  return { authorization: `Bearer ${await signWithSecret(jwtSecret, claimsWith({ ...claims }))}` };
}

describe.runIf(hasRedis())('beside Open Wearables, a user who has no event yet', () => {
  let redis: FaultyRedis;
  let emitter: Emitter;
  let database: TestDatabase;
  /** The instance that bridges, and another one. */
  let servers: readonly [TestServer, TestServer];

  beforeAll(async () => {
    redis = await startFaultyRedis();
    emitter = createEmitter(redis.url);
    database = await createDatabase();
    const start = () =>
      startServer({
        database: { url: database.url, drop: async () => {} },
        settings: { OPEN_WEARABLES_REDIS_URL: redis.url },
        limits: { slowPollMs: 100 }, // instances on one SQLite file wake nobody but themselves
      });
    const first = await start();
    const state = async () => (await first.graphql('{ sources { state } }')).data.sources[0].state;
    await vi.waitUntil(async () => (await state()) === 'LIVE', { timeout: 20_000 });
    servers = [first, await start()];
  });
  afterAll(async () => {
    for (const server of servers ?? []) await server.close();
    await database?.drop();
    emitter?.close();
    await redis?.stop();
  });

  describe.each([
    ['the instance that bridges', 0],
    ['another instance', 1],
  ] as const)('on %s', (_, index) => {
    const server = () => servers[index];

    test('is shown the first sync by the page that was opened before, and by its lists', async () => {
      const headers = await bearer({ sub: 'a developer who made the user just now' });
      const userId = randomUUID();
      const ask = (list: string) => listOf(server(), userId, list, headers);
      for (const list of [...lists, ...lists]) {
        const { status, body, headers: answered } = await ask(list);
        expect({ status, body }).toEqual({ status: 200, body: [] });
        if (list !== 'runs') expect(answered['synclog-cursor']).toBe('0');
      }
      const stream = await streamOf(server(), userId, headers);
      expect(stream.status).toBe(200);

      const events = [wireEvent({ user_id: userId, stage: 'started' }), wireEvent({ user_id: userId })];
      for (const event of events) await emitter.emit(event);
      for (const [at, event] of events.entries())
        expect(await stream.event()).toMatchObject({
          event: 'sync.status',
          id: String(at + 1),
          data: { event_id: event.event_id },
        });
      const [newest, runs] = [await ask('recent'), await ask('runs')];
      expect(newest.body.map((event: { event_id: string }) => event.event_id)).toEqual(
        events.map(({ event_id }) => event_id).reverse(),
      );
      expect(newest.headers['synclog-cursor']).toBe('2');
      expect(runs.body).toHaveLength(1);
    });

    test.each(Object.entries(streamTransports))('is awaited over %s, and is no user until then', async (_, open) => {
      const userId = randomUUID();
      const { headers } = { headers: await server().key('read') };
      const reader = await openLog(open, { url: server().url, headers }, { userId, replayLast: 5 });
      expect(await reader.step()).toMatchObject({
        events: [],
        cursor: '0',
        headCursor: '0',
        caughtUp: true,
        reset: null,
      });
      const question = 'query ($id: UUID!) { user(id: $id) { headCursor } viewer { mayAwaitUser(id: $id) } }';
      const ask = async () => (await server().graphql(question, { id: userId }, headers)).data;
      expect(await ask()).toEqual({ user: null, viewer: { mayAwaitUser: true } });
      await emitter.emit(wireEvent({ user_id: userId }));
      expect((await reader.eventsUpTo(1)).map(({ userId }) => userId)).toEqual([userId]);
      expect(await ask()).toEqual({ user: { headCursor: '1' }, viewer: { mayAwaitUser: true } });
    });

    test('is awaited by the own token, and others by no token of a user', async () => {
      const [own, other] = [randomUUID(), randomUUID()];
      const token = await server().userToken(own);
      const stream = await streamOf(server(), own, token);
      expect(stream.status).toBe(200);
      for (const list of lists) {
        expect(await listOf(server(), own, list, token)).toMatchObject({ status: 200, body: [] });
        expect(await listOf(server(), other, list, token)).toMatchObject(nobody);
      }
      expect((await streamOf(server(), other, token)).status).toBe(404);
      const mayAwait = 'query ($id: UUID!) { viewer { mayAwaitUser(id: $id) } }';
      expect((await server().graphql(mayAwait, { id: other }, token)).data.viewer.mayAwaitUser).toBe(false);
      await emitter.emit(wireEvent({ user_id: own }));
      expect(await stream.event()).toMatchObject({ id: '1', data: { user_id: own } });
    });

    test('who is deleted while somebody waits ends the stream, and is awaited anew', async () => {
      const userId = randomUUID();
      const stream = await streamOf(server(), userId, server().admin);
      await emitter.emit(wireEvent({ user_id: userId }));
      expect(await stream.event()).toMatchObject({ id: '1' });
      const remove = 'mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }';
      expect((await servers[0].graphql(remove, { id: userId })).errors).toEqual([]);
      while (await stream.next()) {} // up to its end
      const next = await streamOf(server(), userId, server().admin);
      expect(next.status).toBe(200);
      for (const list of lists) expect((await listOf(server(), userId, list, server().admin)).body).toEqual([]);
      const later = wireEvent({ user_id: userId, timestamp: new Date(Date.now() + 60_000).toISOString() });
      await emitter.emit(later);
      expect(await next.event()).toMatchObject({ id: '1', data: { event_id: later.event_id } });
    });
  });

  test('makes no row, whoever asks and waits, and every stream that waits is counted until its client leaves', async () => {
    const [server] = servers;
    const count = async () =>
      Number(/^synclog_open_streams\{door="rest"\} (\d+)$/m.exec((await rest(`${server.url}/metrics`)).text)?.[1]);
    const users = () => server.app.services.database.reader.user.count();
    const before = await users();
    await expect.poll(count).toBe(0);
    const streams = await Promise.all([1, 2, 3].map(() => streamOf(server, randomUUID(), server.admin)));
    for (const list of lists) await listOf(server, randomUUID(), list, server.admin);
    expect(await count()).toBe(3);
    expect(server.app.services.log.followedLogs).toBe(3);
    expect(await users()).toBe(before);
    for (const stream of streams) stream.close();
    await expect.poll(count).toBe(0);
    expect(server.app.services.log.followedLogs).toBe(0);
  });

  test('is refused what an empty log is refused', async () => {
    const [server] = servers;
    const [nobody, empty] = [randomUUID(), await server.user()];
    for (const list of ['recent?after=1', 'recent?after=x', 'recent?source=ring', 'recent?limit=0', 'runs?limit=201']) {
      const [ofNobody, ofEmpty] = await Promise.all(
        [nobody, empty].map((userId) => listOf(server, userId, list, server.admin)),
      );
      expect(ofNobody?.status).toBe(400);
      expect(ofNobody?.body).toEqual(ofEmpty?.body);
    }
    const sent = { method: 'POST', headers: server.admin, body: [{ run_id: 'r', provider: 'oura' }] };
    const recorded = await rest(`${server.url}/api/v1/users/${nobody}/sync/events`, sent);
    expect(recorded.status).not.toBe(201);
    expect(await listOf(server, nobody, 'recent', await server.key('write'))).toMatchObject({ status: 403 });
  });
});

describe('without Open Wearables’ Redis', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({
      settings: { OPEN_WEARABLES_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
    });
  });
  afterAll(() => server.close());

  test('a user who is not there is awaited by nobody', async () => {
    const userId = randomUUID();
    for (const headers of [server.admin, await bearer({ sub: userId, scope: 'sync:self' }), await bearer({})]) {
      for (const list of lists) expect(await listOf(server, userId, list, headers)).toMatchObject(nobody);
      expect((await streamOf(server, userId, headers)).status).toBe(404);
      const mayAwait = 'query ($id: UUID!) { viewer { mayAwaitUser(id: $id) } }';
      expect((await server.graphql(mayAwait, { id: userId }, headers)).data.viewer.mayAwaitUser).toBe(false);
    }
    const token = 'mutation ($id: UUID!) { createUserToken(userId: $id) { token } }';
    expect((await server.graphql(token, { id: userId })).errors[0]?.extensions.code).toBe('NOT_FOUND');
  });
});
