/**
 * The checklist of Open Wearables' sync-status contract, case by case: T1 to T24 are what its own tests assert, N1 to
 * N17 what was observed on its wire. Left out, because they are about its producers and its Redis and not about these
 * endpoints: T10 (outgoing webhooks), T13 and T14 (writing to Redis), T15 to T19 (events that its webhook tasks make); of
 * T21 and T22 the endpoints that only it has, and of T24 how keys are made.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { type EventStream, openEventStream } from '../support/event-stream.ts';
import { claimsWith, secondsFromNow, signWithSecret } from '../support/identity-provider.ts';
import { type RestAnswer, rest } from '../support/rest-client.ts';
import { type Headers, jwtSecret, startServer, type TestServer } from '../support/server.ts';

const authenticationRequired = '{"detail":"Authentication required: provide JWT token or API key"}';
const invalidKey = '{"detail":"Invalid or missing API key"}';
const noUser = '{"detail":"User not found"}';
const notAnInteger = '{"detail":"Input should be a valid integer, unable to parse string as an integer"}';
const tooLittle = (min: number) => `{"detail":"Input should be greater than or equal to ${min}"}`;
const page = 'https://app.example';
const heartbeatMs = 400;

const started = { stage: 'STARTED', status: 'IN_PROGRESS' };
const processing = { stage: 'PROCESSING', status: 'IN_PROGRESS' };
const completed = { stage: 'COMPLETED', status: 'SUCCESS' };

let server: TestServer;
let read: Headers;
/** An error that every statement fails with. */
let broken: Error | undefined;

beforeAll(async () => {
  server = await startServer({
    settings: { CORS_ORIGINS: page },
    limits: { heartbeatMs },
    onStatement: () => {
      if (broken) throw broken;
    },
  });
  read = await server.key('read');
});
afterAll(() => server.close());

const recent = (user: string) => `/api/v1/users/${user}/sync/recent`;
const runs = (user: string) => `/api/v1/users/${user}/sync/runs`;
const stream = (user: string) => `/api/v1/users/${user}/sync/stream`;
const allRuns = '/api/v1/sync/runs';

/** Each endpoint with its parameter of a number, the largest value of that and what it is by default. */
const endpoints = [
  { name: 'recent', path: recent, parameter: 'limit', min: 1, max: 200 },
  { name: 'runs', path: runs, parameter: 'limit', min: 1, max: 200 },
  // Where Open Wearables refuses 0, ours takes it for “from now on”.
  { name: 'stream', path: stream, parameter: 'replay', min: 0, max: 200 },
  { name: 'all runs', path: () => allRuns, parameter: 'limit', min: 1, max: 10_000 },
] as const;
const ofUsers = endpoints.slice(0, 3);

const get = (path: string, headers: Headers = read) => rest(server.url + path, { headers });
const list = async (path: string) => (await get(path)).body;
const refused = ({ status, text }: RestAnswer) => [status, text];
const bearer = async (claims: Record<string, unknown>, secret = jwtSecret): Promise<Headers> => ({
  authorization: `Bearer ${await signWithSecret(secret, claimsWith(claims))}`,
});

async function follow(user: string, query = ''): Promise<EventStream> {
  const opened = await openEventStream(server.url + stream(user) + query, read);
  onTestFinished(() => opened.close());
  return opened;
}

/** The status of an answer, which for a stream does not end. */
async function statusOf(path: string, headers: Headers = read): Promise<number | undefined> {
  const { status, close } = await openEventStream(server.url + path, headers);
  close();
  return status;
}

async function whileBroken<T>(error: Error, work: () => Promise<T>): Promise<T> {
  broken = error;
  try {
    return await work();
  } finally {
    broken = undefined;
  }
}

/** A user with this many events; their messages are their numbers. */
async function userWith(count: number): Promise<string> {
  const userId = await server.user();
  const events = Array.from({ length: count }, (_, index) => ({ userId, message: String(index + 1) }));
  if (count > 0) await server.record(...events);
  return userId;
}
const messages = (events: { message: string }[]) => events.map(({ message }) => Number(message));
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("what Open Wearables' tests assert", () => {
  it('T1 recent lists the later of two events first', async () => {
    expect(messages(await list(recent(await userWith(2))))).toEqual([2, 1]);
  });

  it('T2 a user without events has none', async () => {
    const user = await server.user();
    for (const path of [recent, runs]) expect(await get(path(user))).toMatchObject({ status: 200, text: '[]' });
    expect((await (await follow(user)).next())?.text).toBe(': connected');
  });

  it.each(ofUsers)('T3 $name of a random user is 404', async ({ path }) => {
    expect(refused(await get(path(randomUUID())))).toEqual([404, noUser]);
  });

  it.each(endpoints)('T4 $name without a credential is 401', async ({ path }) => {
    const answer = await get(path(await server.user()), {});
    expect(refused(answer)).toEqual([401, authenticationRequired]);
    expect(answer.headers).not.toHaveProperty('www-authenticate');
  });

  it('T5 a run that started and completed is one row, with its id and status', async () => {
    const userId = await server.user();
    await server.record({ userId, ...started, runId: 'r1' }, { userId, ...completed, runId: 'r1' });
    expect(await list(runs(userId))).toMatchObject([{ run_id: 'r1', user_id: userId, status: 'success' }]);
    expect(await list(`${allRuns}?user_id=${userId}`)).toEqual(await list(runs(userId)));
  });

  it('T6 a recorded event is in recent, with its run and user', async () => {
    const userId = await server.user();
    await server.record({ userId, runId: 'r6' });
    expect(await list(recent(userId))).toMatchObject([{ run_id: 'r6', user_id: userId }]);
  });

  it('T7 newest first with limit 10', async () => {
    expect(messages(await list(`${recent(await userWith(12))}?limit=10`))).toEqual(upTo(12, 3).reverse());
  });

  it('T8 a list is capped at 200, though the log keeps more', async () => {
    const user = await userWith(205);
    expect(messages(await list(`${recent(user)}?limit=200`))).toEqual(upTo(205, 6).reverse());
    expect(messages(await list(`${recent(user)}?after=0&limit=5`))).toEqual(upTo(5).reverse());
  });

  it('T9 three events of a run are one summary, of the last of them', async () => {
    const userId = await server.user();
    for (const state of [started, processing, completed]) await server.record({ userId, ...state });
    expect(await list(runs(userId))).toMatchObject([{ stage: 'completed', status: 'success' }]);
  });

  it('T11 a stream with replay=2 begins with a comment and two events', async () => {
    const followed = await follow(await userWith(3), '?replay=2');
    expect((await followed.next())?.text).toBe(': connected');
    for (const message of ['2', '3'])
      expect(await followed.next()).toMatchObject({ event: 'sync.status', data: { message } });
  });

  it('T12 an event that is recorded after connecting arrives as sync.status', async () => {
    const userId = await server.user();
    const followed = await follow(userId);
    expect((await followed.next())?.text).toBe(': connected');
    await server.record({ userId, runId: 'r12' });
    expect(await followed.event()).toMatchObject({ event: 'sync.status', data: { run_id: 'r12' } });
  });

  it.each(ofUsers)('T20 $name of a malformed user id is 400', async ({ path }) => {
    expect(refused(await get(path('1234')))).toEqual([
      400,
      '{"detail":"Input should be a valid UUID, invalid length: expected length 32 for simple format, found 4 - ' +
        'invalid length: expected length 32 for simple format, found 4"}',
    ]);
  });

  it.each(endpoints)('T21 $name answers 400 and not 422 to what it cannot read', async ({ path, parameter }) => {
    expect((await get(`${path(await server.user())}?${parameter}=x`)).status).toBe(400);
  });

  it.each(endpoints)('T22 $name refuses an SDK token and serves a developer token', async ({ path }) => {
    const user = await server.user();
    const sdk = await bearer({ sub: user, scope: 'sdk' });
    expect(refused(await get(path(user), sdk))).toEqual([401, authenticationRequired]);
    expect(await statusOf(path(user), await bearer({ sub: randomUUID() }))).toBe(200);
  });

  // A developer whom nobody knows is not among them: there is no list of developers, their tokens speak for themselves.
  it.each(endpoints)('T23 $name takes a bad developer token for none', async ({ path }) => {
    const user = await server.user();
    const good = await bearer({});
    for (const bad of [
      await bearer({ exp: secondsFromNow(-1) }),
      { authorization: `${good.authorization?.slice(0, -3)}AAA` },
      await bearer({}, 'another secret, also long enough'),
      await bearer({ sub: undefined }),
    ])
      expect(refused(await get(path(user), bad))).toEqual([401, authenticationRequired]);
  });

  it.each(endpoints)('T24 $name refuses a key that is unknown, and one that was revoked', async ({ path }) => {
    const user = await server.user();
    const key = await server.key('read');
    const header = 'x-open-wearables-api-key';
    const secret = key['x-api-key'] ?? '';
    expect(secret).toMatch(/^sk-/);
    expect(await statusOf(path(user), { [header]: secret })).toBe(200);
    const { keyId } = await server.app.services.keys.verify(secret).then((viewer) => viewer ?? { keyId: '' });
    await server.app.services.keys.revoke(keyId);
    for (const bad of [secret, 'sk-0123456789abcdef0123456789abcdef'])
      expect(refused(await get(path(user), { [header]: bad }))).toEqual([401, invalidKey]);
  });
});

describe('what was observed on its wire', () => {
  it.each(ofUsers)('N1 $name: 401 before 400 before 404, and of two the first', async ({ path, parameter, min }) => {
    const bad = `?${parameter}=${min - 1}`;
    expect((await get(path('x') + bad, {})).status).toBe(401);
    expect((await get(path('x') + bad)).text).toContain('valid UUID');
    expect(refused(await get(path(randomUUID()) + bad))).toEqual([400, tooLittle(min)]);
    expect((await get(path(randomUUID()))).status).toBe(404);
  });

  it.each(endpoints)('N2 $name: bounds of $parameter, $min to $max', async ({ path, parameter, min, max }) => {
    const at = (value: number) => `${path(user)}?${parameter}=${value}`;
    const user = await server.user();
    for (const value of [min, max]) expect(await statusOf(at(value))).toBe(200);
    for (const value of [min - 1, -2]) expect(refused(await get(at(value)))).toEqual([400, tooLittle(min)]);
    const tooMuch = `{"detail":"Input should be less than or equal to ${max}"}`;
    expect(refused(await get(at(max + 1)))).toEqual([400, tooMuch]);
  });

  it.each(endpoints)('N3 $name: the exact bodies of its errors', async ({ path, parameter }) => {
    const user = await server.user();
    for (const value of ['abc', '', '5.5', '1e2', 'true', 'null'])
      expect(refused(await get(`${path(user)}?${parameter}=${value}`))).toEqual([400, notAnInteger]);
    expect(refused(await get(path(user), { 'x-open-wearables-api-key': '' }))).toEqual([401, authenticationRequired]);
    expect(refused(await get(`${path(user)}/more`))).toEqual([404, '{"detail":"Not Found"}']);
    // Where Open Wearables refuses HEAD as well, ours answers it as GET.
    for (const method of ['POST', 'DELETE']) {
      const { status, headers, text } = await rest(server.url + path(user), { method, headers: read });
      expect([status, headers.allow]).toEqual([405, 'GET']);
      expect(text).toBe('{"detail":"Method Not Allowed"}');
    }
    const redirected = await get(`${path(user)}/?${parameter}=5`);
    expect([redirected.status, redirected.headers.location, redirected.text]).toEqual([
      307,
      `../${path(user).split('/').at(-1)}?${parameter}=5`, // relative to the request's: there may be a prefix in front
      '',
    ]);
    expect((await get(path(user), {})).headers['content-type']).toBe('application/json');
  });

  it.each(endpoints)('N3 $name: lenient numbers', async ({ path, parameter }) => {
    const user = await server.user();
    for (const value of ['5', '007', '%205', '%2B5', '5.0', '1_0'])
      expect(await statusOf(`${path(user)}?${parameter}=${value}`)).toBe(200);
  });

  it('N3 all runs: an empty user_id is 400', async () => {
    const reason = 'invalid length: expected length 32 for simple format, found 0';
    expect((await get(`${allRuns}?user_id=`)).text).toBe(
      `{"detail":"Input should be a valid UUID, ${reason} - ${reason}"}`,
    );
  });

  it.each(endpoints)('N4 $name: a bad bearer token beside a good key', async ({ path }) => {
    expect(await statusOf(path(await server.user()), { ...read, authorization: 'Bearer nonsense' })).toBe(200);
  });

  describe('N5 N6', () => {
    const full = {
      runId: 'pull_1',
      provider: 'garmin',
      source: 'LINKED_ACCOUNT',
      stage: 'PROCESSING',
      message: 'Größe · 🌙',
      progress: 1,
      itemsProcessed: 0,
      itemsTotal: 3,
      error: 'none',
      primaryUserId: '6cc27051-eff5-4cff-9003-48d0c55ce5ec',
      metadata: { a: 'x', b: { c: [1, null] } },
      startedAt: '2026-03-14T09:00:00.412+02:00',
      endedAt: '2026-03-14T07:00:01Z',
      timestamp: '2026-03-14T07:00:00.050Z',
    };
    const fullText = (userId: string, id: string) =>
      `{"event_id":"${id}","run_id":"pull_1","user_id":"${userId}","provider":"garmin","source":"linked_account",` +
      '"stage":"processing","status":"in_progress","message":"Größe · 🌙","progress":1.0,"items_processed":0,' +
      '"items_total":3,"error":"none","primary_user_id":"6cc27051-eff5-4cff-9003-48d0c55ce5ec",' +
      '"metadata":{"a":"x","b":{"c":[1,null]}},"started_at":"2026-03-14T07:00:00.412000Z",' +
      '"ended_at":"2026-03-14T07:00:01Z","timestamp":"2026-03-14T07:00:00.050000Z"}';
    const nulls = ['message', 'progress', 'items_processed', 'items_total', 'error', 'primary_user_id'];

    it('an event: keys, order, nulls and times, the same in recent and on the stream', async () => {
      const userId = await server.user();
      const [recorded] = await server.record({ userId, ...full });
      const text = fullText(userId, recorded?.event.id ?? '');
      expect((await get(recent(userId))).text).toBe(`[${text}]`);
      const followed = await follow(userId);
      expect((await followed.event()).text).toBe(`retry: 2000\nid: 1\nevent: sync.status\ndata: ${text}`);

      await server.record({ userId });
      const [empty] = await list(`${recent(userId)}?limit=1`);
      expect(Object.keys(empty)).toEqual(Object.keys(JSON.parse(text)));
      for (const name of [...nulls, 'started_at', 'ended_at']) expect(empty[name]).toBeNull();
      expect(empty.metadata).toEqual({});
    });

    it('a summary: keys, order, nulls and times, the same in both lists', async () => {
      const userId = await server.user();
      await server.record({ userId, ...full });
      const text =
        `[{"run_id":"pull_1","user_id":"${userId}","provider":"garmin","source":"linked_account",` +
        '"stage":"processing","status":"in_progress","message":"Größe · 🌙","progress":1.0,"items_processed":0,' +
        '"items_total":3,"error":"none","primary_user_id":"6cc27051-eff5-4cff-9003-48d0c55ce5ec",' +
        '"started_at":"2026-03-14T07:00:00.412000Z","ended_at":"2026-03-14T07:00:01Z",' +
        '"last_update":"2026-03-14T07:00:00.050000Z"}]';
      expect((await get(runs(userId))).text).toBe(text);
      expect((await get(`${allRuns}?user_id=${userId}`)).text).toBe(text);

      const other = await server.user();
      await server.record({ userId: other });
      const [empty] = await list(runs(other));
      expect(Object.keys(empty)).toEqual(Object.keys(JSON.parse(text)[0]));
      for (const name of [...nulls, 'started_at', 'ended_at']) expect(empty[name]).toBeNull();
    });

    it('a summary copies the latest event, also where that says less, but for the start', async () => {
      const userId = await server.user();
      await server.record({ userId, ...full }, { userId, runId: 'pull_1', timestamp: '2026-03-14T09:00:00Z' });
      const [run] = await list(runs(userId));
      expect(run).toMatchObject({ provider: 'oura', last_update: '2026-03-14T09:00:00Z' });
      for (const name of [...nulls, 'ended_at']) expect(run[name]).toBeNull();
      expect(run.started_at).toBe('2026-03-14T07:00:00.412000Z');
    });

    it('a run stays as its newest event left it, whatever comes late, but for a start it lacked: ours', async () => {
      const userId = await server.user();
      await server.record({ userId, ...completed, message: 'the end' }, { userId, ...full, runId: 'run_1' });
      expect(await list(runs(userId))).toMatchObject([
        { stage: 'completed', message: 'the end', primary_user_id: null, started_at: '2026-03-14T07:00:00.412000Z' },
      ]);
    });

    it('summaries are sorted by their last update, newest first', async () => {
      const userId = await server.user();
      const at = (runId: string, second: number) => ({ userId, runId, timestamp: `2026-03-14T07:00:0${second}Z` });
      await server.record(at('a', 5), at('b', 3), at('c', 7), at('b', 6));
      for (const path of [runs(userId), `${allRuns}?user_id=${userId}`])
        expect((await list(path)).map(({ run_id }: { run_id: string }) => run_id)).toEqual(['c', 'b', 'a']);
      expect(await list(`${runs(userId)}?limit=1`)).toHaveLength(1);
    });
  });

  it('N7 a replay is the newest N events, oldest first', async () => {
    const user = await userWith(30);
    for (const [query, expected] of [
      ['', upTo(30, 11)],
      ['?replay=3', upTo(30, 28)],
      ['?replay=200', upTo(30)],
    ] as const)
      expect(messages(await (await follow(user, query)).take(expected.length))).toEqual(expected);
  });

  it('N8 a heartbeat comes after a time of silence, which each event begins anew', async () => {
    expect(defaultLimits.heartbeatMs).toBe(15_000);
    const user = await userWith(1);
    const followed = await follow(user);
    await followed.event();
    for (let round = 0; round < 3; round += 1) {
      if (round === 1) await server.record({ userId: user });
      if (round === 1) await followed.event();
      const from = performance.now();
      expect((await followed.next())?.text).toBe(': heartbeat');
      expect(performance.now() - from).toBeGreaterThan(heartbeatMs * 0.8);
    }
  });

  it('N9 headers of JSON and of a stream', async () => {
    const user = await server.user();
    for (const path of [recent(user), runs(user), allRuns]) {
      const { headers, text } = await get(path);
      expect(headers).toMatchObject({
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
      });
      // Beyond the original, which sends neither.
      expect(headers).toMatchObject({ 'cache-control': 'private, no-store', etag: expect.stringMatching(/^".+"$/) });
    }
    expect((await follow(user)).headers).toMatchObject({
      'cache-control': 'no-cache, no-store, no-transform',
      'x-accel-buffering': 'no',
      connection: 'keep-alive',
      'content-type': 'text/event-stream; charset=utf-8',
      'transfer-encoding': 'chunked',
    });
  });

  it('N10 at the seam of replay and live nothing is lost and nothing comes twice', async () => {
    const userId = await server.user();
    const total = 300;
    const recording = (async () => {
      for (let number = 1; number <= total; number += 3)
        await server.record(...upTo(number + 2, number).map((message) => ({ userId, message: String(message) })));
    })();
    const seen = await Promise.all(
      upTo(20).map(async (turn) => {
        const followed = await follow(userId, `?replay=${turn}`);
        const events: number[] = [];
        while (events.at(-1) !== total) events.push(Number((await followed.event()).data.message));
        followed.close();
        return events;
      }),
    );
    await recording;
    for (const events of seen) expect(events).toEqual(upTo(total, events[0]));
  });

  it('N11 line breaks of Unicode stay within a line, and arrive', async () => {
    const userId = await server.user();
    const message = 'a\u2028b\u2029c\u0085d\u000be\u000cf\u001cg\u001eh\r\ni';
    await server.record({ userId, message, metadata: { [message]: message } });
    const { text, data } = await (await follow(userId)).event();
    for (const lineBreak of '\u2028\u2029\u0085\u000b\u000c\u001c\u001e\r') expect(text).not.toContain(lineBreak);
    expect(text.split('\n')).toHaveLength(4);
    expect(data).toMatchObject({ message, metadata: { [message]: message } });
    expect((await list(recent(userId)))[0].message).toBe(message);
  });

  it('N12 runs recovers started_at, however far back it is', async () => {
    const userId = await server.user();
    const startedAt = '2026-03-14T07:00:00.412Z';
    await server.record({ userId, runId: 'r12', startedAt });
    await server.record(...Array.from({ length: 250 }, () => ({ userId, runId: 'other' })));
    await server.record({ userId, runId: 'r12', ...completed });
    const run = (await list(runs(userId))).find(({ run_id }: { run_id: string }) => run_id === 'r12');
    expect(run).toMatchObject({ status: 'success', started_at: '2026-03-14T07:00:00.412000Z' });
  });

  it('N13 all runs: filters are exact, an empty one is none, and what is unknown matches nothing', async () => {
    const userId = await server.user();
    await server.record(
      { userId, runId: 'a', provider: 'n13', source: 'PULL', ...completed },
      { userId, runId: 'b', provider: 'n13', source: 'SDK', ...started },
      { userId, runId: 'c', provider: 'N13', source: 'SDK', ...started },
    );
    const ids = async (query: string) =>
      (await list(`${allRuns}?${query}`)).map(({ run_id }: { run_id: string }) => run_id).sort();
    expect(await ids('provider=n13')).toEqual(['a', 'b']);
    expect(await ids('provider=n13&source=sdk')).toEqual(['b']);
    expect(await ids('provider=n13&status=success')).toEqual(['a']);
    expect(await ids(`user_id=${userId}&provider=&status=&source=`)).toEqual(['a', 'b', 'c']);
    for (const query of ['provider=n1', 'provider=%00', 'status=SUCCESS&provider=n13', 'source=x', 'status=stalled'])
      expect(await ids(query)).toEqual([]);
    expect(await ids(`user_id=${randomUUID()}`)).toEqual([]);
    expect(await ids(`user_id=${userId.toUpperCase()}&limit=2`)).toHaveLength(2);
    expect((await get(`${allRuns}?user_id=${userId.slice(1)}`)).status).toBe(400);
  });

  // There is no garbage in a log of ours; what its newer producers say is shown as they said it, where it left them out.
  it('N14 words that nobody knows break no list', async () => {
    const userId = await server.user();
    await server.record({ userId, runId: 'known' }, { userId, runId: 'new' });
    await server.app.services.database.transaction(async (transaction) => {
      const where = { userId, runId: 'new' };
      await transaction.syncEvent.updateMany({ where, data: { stage: 'resting' } });
      await transaction.syncRun.updateMany({ where, data: { stage: 'resting', status: 'paused' } });
    });
    expect(await list(recent(userId))).toMatchObject([{ stage: 'resting' }, { stage: 'fetching' }]);
    expect(await (await follow(userId)).take(2)).toMatchObject([{ stage: 'fetching' }, { stage: 'resting' }]);
    for (const path of [runs(userId), `${allRuns}?user_id=${userId}`])
      expect((await list(path)).map(({ status }: { status: string }) => status).sort()).toEqual([
        'in_progress',
        'paused',
      ]);
  });

  it.each(endpoints)('N15 $name: CORS for a known page, a foreign one, and their preflights', async ({ path }) => {
    const url = server.url + path(await server.user());
    const preflight = { 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' };
    const known = await openEventStream(url, { ...read, origin: page });
    known.close();
    expect(known.headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-credentials': 'true',
      vary: 'Origin',
    });
    const foreign = await openEventStream(url, { ...read, origin: 'https://evil.example' });
    foreign.close();
    expect(foreign.status).toBe(200);
    expect(foreign.headers).not.toHaveProperty('access-control-allow-origin');
    const allowed = await rest(url, { method: 'OPTIONS', headers: { ...preflight, origin: page } });
    expect([...refused(allowed), allowed.headers['content-type']]).toEqual([200, 'OK', 'text/plain; charset=utf-8']);
    expect(allowed.headers).toMatchObject({
      'access-control-max-age': '600',
      'access-control-allow-headers': 'authorization',
      'access-control-allow-methods': expect.stringContaining('GET'),
    });
    const refusedOne = await rest(url, {
      method: 'OPTIONS',
      headers: { ...preflight, origin: 'https://evil.example' },
    });
    expect(refused(refusedOne)).toEqual([400, 'Disallowed CORS origin']);
  });

  it.each(endpoints)(
    'N16 $name: a store that fails is 500 in plain text; one that is away, 503: ours',
    async ({ path }) => {
      const user = await server.user();
      const developer = await bearer({});
      const failed = await whileBroken(new Error('secret of the database'), () => get(path(user), developer));
      expect([...refused(failed), failed.headers['content-type']]).toEqual([
        500,
        'Internal Server Error',
        'text/plain; charset=utf-8',
      ]);
      const lost = Object.assign(new Error('secret of the database'), { code: 'ECONNREFUSED' });
      const away = await whileBroken(lost, () => get(path(user), developer));
      expect([away.status, away.body, away.headers['retry-after']]).toEqual([503, { detail: expect.any(String) }, '1']);
      expect(away.text).not.toContain('secret');
    },
  );

  it('N17 of a repeated parameter the last one counts', async () => {
    const user = await userWith(3);
    expect(await list(`${recent(user)}?limit=abc&limit=2`)).toHaveLength(2);
    expect(await list(`${runs(user)}?limit=0&limit=1`)).toHaveLength(1);
    expect(await list(`${allRuns}?user_id=x&user_id=${user}&provider=none&provider=`)).toHaveLength(1);
    expect(messages(await (await follow(user, '?replay=3&replay=1')).take(1))).toEqual([3]);
    expect((await get(`${recent(user)}?limit=2&limit=abc`)).status).toBe(400);
  });

  it('N3 nothing that can be written into a URL or a header is our mistake', async () => {
    const user = await userWith(1);
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('\0', '🌙', '-0', '1e400', '٣', 'null', '__proto__', user, '{}', '%', '"'),
    );
    const name = fc.constantFrom(
      ...['limit', 'replay', 'after', 'provider', 'source', 'status', 'run_id', 'user_id', 'access_token'],
    );
    const given = fc.array(fc.tuple(name, value), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...endpoints),
        fc.oneof(fc.constant(user), value),
        given,
        fc.option(fc.constantFrom('0', '1', '-1', 'x', '99999999999', '\u00fc'), { nil: undefined }),
        async ({ path }, id, query, lastId) => {
          const parameters = query.map(([key, text]) => `${key}=${encodeURIComponent(text)}`).join('&');
          const url = `${server.url}${path(encodeURIComponent(id))}?${parameters}`;
          const followed = await openEventStream(url, { ...read, ...(lastId && { 'last-event-id': lastId }) });
          followed.close();
          expect([url, followed.status]).toEqual([url, expect.toBeOneOf([200, 400, 404])]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
