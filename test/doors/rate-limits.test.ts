import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openEventStream } from '../support/event-stream.ts';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { type RestAnswer, rest } from '../support/rest-client.ts';
import { anEvent, type Headers, startServer, type TestServer } from '../support/server.ts';

const burst = 5;
const small = '{ __typename }';
const limits = {
  serviceRate: { burst: 200, perSecond: 100 },
  userRate: { burst, perSecond: 0.5 },
  anonymousRate: { burst, perSecond: 0.5 },
  failedCredentialRate: { burst, perSecond: 0.5 },
  itemsOfOneCharge: 10,
};

let now = Date.parse('2026-03-01T12:00:00Z');
const pass = (ms: number) => (now += ms);
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ settings: { RATE_LIMITS: 'on' }, limits, rateClock: () => now });
  return () => server.close();
});
// Long enough for every bucket of every test to be full again.
beforeEach(() => void pass(600_000));

const json = { 'content-type': 'application/json' };
const post = (headers: Headers, query = small, more: Headers = {}) =>
  rest(`${server.url}/graphql`, { method: 'POST', headers: { ...json, ...more, ...headers }, body: { query } });

/** The headers of a user who has asked for nothing, with their id. */
async function newcomer(): Promise<{ headers: Headers; userId: string }> {
  const userId = await server.user();
  return { headers: await server.userToken(userId, 86_400), userId };
}

/** How to ask for as little as can be. */
const doors: Record<string, (headers: Headers, userId: string) => Promise<RestAnswer>> = {
  POST: (headers) => post(headers),
  'POST in chunks': (headers) => post(headers, small, { 'transfer-encoding': 'chunked' }),
  GET: (headers) => rest(`${server.url}/graphql?query=${encodeURIComponent(small)}`, { headers }),
  'server-sent events': (headers) => post(headers, small, { accept: 'text/event-stream' }),
  'REST, by what is no event': (headers, userId) =>
    rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
      method: 'POST',
      headers: { ...json, ...headers },
      body: 1,
    }),
};

describe.each(Object.entries(doors))('by %s', (door, ask) => {
  test('a user gets what the bucket holds, and 429 with the time to wait for one more', async () => {
    const { headers, userId } = await newcomer();
    for (let asked = 0; asked < burst; asked += 1) expect((await ask(headers, userId)).status).not.toBe(429);
    const refused = await ask(headers, userId);
    expect(refused).toMatchObject({
      status: 429,
      headers: { 'retry-after': '2' },
      body: door.startsWith('REST')
        ? { detail: 'This user asks for more than their share; try again in 2 s' }
        : { errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 2 } }] },
    });
    pass(2_000);
    expect((await ask(headers, userId)).status).not.toBe(429);
    expect((await ask(headers, userId)).status).toBe(429);
  });
});

describe('by REST', () => {
  test('a list is charged with its items, and refused with 429 in the words of REST', async () => {
    const { headers, userId } = await newcomer();
    const list = (limit: number) =>
      rest(`${server.url}/api/v1/users/${userId}/sync/recent?limit=${limit}`, { headers });
    expect((await list(20)).status).toBe(200); // 1, and 2 for its items
    expect(await list(30)).toMatchObject({
      status: 429,
      headers: { 'retry-after': '4' },
      body: { detail: 'This user asks for more than their share; try again in 4 s' },
    });
    pass(4_000);
    expect((await list(20)).status).toBe(200);
  });

  test('a browser that follows comes back, as it would not after 429', async () => {
    const { headers, userId } = await newcomer();
    for (let asked = 0; asked < burst; asked += 1) await post(headers);
    const url = `${server.url}/api/v1/users/${userId}/sync/stream`;
    const token = headers.authorization?.replace('Bearer ', '');
    const stream = await openEventStream(`${url}?access_token=${token}`, { accept: 'text/event-stream' });
    expect(stream.status).toBe(200);
    expect(await stream.event()).toMatchObject({ event: 'sync.end', data: { code: 'RATE_LIMITED' } });
    expect((await rest(url, { headers })).status).toBe(429);
  });
});

describe('on a WebSocket', () => {
  async function opened(headers: Headers) {
    const socket = await openRawSocket(server.url);
    onTestFinished(() => socket.close());
    socket.send(initMessage({ ...headers }));
    return socket;
  }
  const ask = (id: string, query = small) => ({ type: 'subscribe', id, payload: { query } });

  test('the operation that is too much is refused, and nothing else', async () => {
    const { headers, userId } = await newcomer();
    const socket = await opened(headers); // 1
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
    socket.send(ask('stream', `subscription { syncEvents(userId: "${userId}") { cursor } }`)); // 1
    expect(await socket.next()).toMatchObject({ type: 'next', id: 'stream' });
    for (const id of ['1', '2', '3']) {
      socket.send(ask(id));
      expect(await socket.next()).toMatchObject({ type: 'next', id });
      expect(await socket.next()).toEqual({ type: 'complete', id });
    }
    socket.send(ask('4'));
    expect(await socket.next()).toMatchObject({
      type: 'error',
      id: '4',
      payload: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 2 } }],
    });
    await server.record({ userId });
    expect(await socket.next()).toMatchObject({ type: 'next', id: 'stream' });
    pass(2_000);
    socket.send(ask('4'));
    expect(await socket.next()).toMatchObject({ type: 'next', id: '4' });
  });

  test('one socket too many is closed so that its client comes back', async () => {
    const { headers } = await newcomer();
    for (let asked = 0; asked < burst; asked += 1) await post(headers);
    const socket = await opened(headers);
    expect(await socket.closed).toMatchObject({ code: 1013 });
  });
});

describe('what is asked', () => {
  const lists = (headers: Headers, userId: string, first: number) =>
    post(headers, `{ user(id: "${userId}") { syncRuns(first: ${first}) { edges { cursor } } } }`);

  test('is charged for its list items before it runs, at the bound and one past it', async () => {
    const { headers, userId } = await newcomer();
    expect((await lists(headers, userId, 40)).status).toBe(200);
    pass(20_000);
    expect((await lists(headers, userId, 30)).status).toBe(200);
    expect((await lists(headers, userId, 1)).status).toBe(429); // 1.1 of 1
    expect((await post(headers)).status).toBe(429); // it was let in, which is charged
  });

  test('is charged by the variables that decide how much it lists', async () => {
    const { headers, userId } = await newcomer();
    const query = `query ($first: Int) { user(id: "${userId}") { syncRuns(first: $first) { edges { cursor } } } }`;
    const ask = (first: number) => server.graphql(query, { first }, headers);
    expect((await ask(10)).status).toBe(200); // 2
    expect((await ask(20)).status).toBe(200); // 3
    expect(await ask(10)).toMatchObject({ status: 429, errors: [{ extensions: { code: 'RATE_LIMITED' } }] });
  });

  test('is charged for what it turns out to list beyond that, even if the account has not so much', async () => {
    const { headers, userId } = await newcomer();
    const dataTypes = Array.from({ length: 120 }, (_, index) => ({ dataType: `type_${index}`, state: 'COMPLETE' }));
    await server.record({ userId, runId: 'wide', dataTypes });
    const query = `{ user(id: "${userId}") { syncRun(runId: "wide") { dataTypes { dataType } } } }`;
    // 1 for the request, 2.1 for what it asks for, and 10 for a hundred types more than usual; a bucket holds 5.
    expect(await post(headers, query)).toMatchObject({
      status: 200,
      body: { data: { user: { syncRun: { dataTypes: { length: 120 } } } }, extensions: { cost: { items: 121 } } },
    });
    expect((await post(headers)).headers).toMatchObject({ 'retry-after': '19' });
    pass(19_000);
    expect((await post(headers)).status).toBe(200);
  });

  test('is charged 1 where the answer was kept', async () => {
    const { headers, userId } = await newcomer();
    const events = () => post(headers, `{ user(id: "${userId}") { recentSyncEvents(limit: 40) { id } } }`);
    for (const round of ['that may learn the headers', 'that is kept']) {
      expect((await events()).status, `the answer ${round}`).toBe(200); // 5, unless it was kept
      pass(60_000);
    }
    for (let asked = 0; asked < burst; asked += 1) expect((await events()).status).toBe(200);
    expect((await events()).status).toBe(429);
  });

  test('is charged once where a part of it fails', async () => {
    const { headers, userId } = await newcomer();
    await post(headers); // the headers of an answer are learned
    pass(60_000);
    const partial = `{ user(id: "${userId}") { recentSyncEvents(limit: 15) { id } syncRuns(first: 0, after: "?") { edges { cursor } } } }`;
    expect((await post(headers, partial)).body).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
    for (const status of [200, 200, 429]) expect((await post(headers)).status).toBe(status); // less than 3 of 5 were charged
  });

  test('is charged even if it is no GraphQL', async () => {
    const { headers } = await newcomer();
    const mistake = () => post(headers, '{', { 'transfer-encoding': 'chunked' });
    for (let asked = 0; asked < burst; asked += 1)
      expect((await mistake()).body).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
    expect((await mistake()).status).toBe(429);
  });

  test.each([
    ['a query that is no text', { query: 1 }, {}],
    ['a list', [], {}],
    ['no query', {}, { 'transfer-encoding': 'chunked' }],
    ['no JSON', '{', { 'transfer-encoding': 'chunked' }],
    ['no UTF-8', Buffer.from([0xff]), {}],
  ])('is charged even if it is no request of GraphQL: %s', async (_, body, more: Headers) => {
    const { headers } = await newcomer();
    const mistake = () =>
      rest(`${server.url}/graphql`, { method: 'POST', headers: { ...json, ...headers, ...more }, body });
    for (let asked = 0; asked < burst; asked += 1) expect((await mistake()).status).not.toBe(429);
    expect(await mistake()).toMatchObject({ status: 429, headers: { 'retry-after': '2' } });
    expect((await post(headers)).status).toBe(429);
  });

  test('by one user takes nothing from another, nor from a service', async () => {
    const [one, other] = [await newcomer(), await newcomer()];
    for (let asked = 0; asked <= burst; asked += 1) await post(one.headers);
    expect((await post(one.headers)).status).toBe(429);
    expect((await post(other.headers)).status).toBe(200);
    expect((await post(server.admin)).status).toBe(200);
  });

  test('with another token of the same user is charged to the same account', async () => {
    const { headers, userId } = await newcomer();
    for (let asked = 0; asked < burst; asked += 1) await post(headers);
    expect((await post(await server.userToken(userId, 60))).status).toBe(429);
  });
});

describe('without a credential', () => {
  test('the address is charged, for pages too, but never for the health of the server', async () => {
    for (let asked = 0; asked < burst - 1; asked += 1) expect((await post({})).status).toBe(200);
    expect((await rest(`${server.url}/openapi.json`)).status).toBe(200);
    expect(await rest(`${server.url}/openapi.json`)).toMatchObject({ status: 429, headers: { 'retry-after': '2' } });
    expect((await post({})).status).toBe(429);
    const page = { headers: { accept: 'text/html' } };
    expect(await rest(`${server.url}/graphql`, page)).toMatchObject({ status: 429, headers: { 'retry-after': '2' } });
    expect((await rest(`${server.url}/api/v1/sync/runs`)).status).toBe(429);
    for (const path of ['/healthz', '/readyz', '/healthz/']) expect((await rest(server.url + path)).status).toBe(200);
    expect((await post(server.admin)).status).toBe(200);
    pass(2_000);
    expect((await rest(`${server.url}/openapi.json`)).status).toBe(200);
  });
});

describe('credentials that are refused', () => {
  const guess = () => post({ 'x-api-key': `sk-${Math.random()}` });

  test('are counted for their address, from which only good ones of before are looked at then', async () => {
    const known = await server.key('read');
    const unknown = await server.key('read');
    expect((await post(known)).status).toBe(200);
    for (let guessed = 0; guessed < burst; guessed += 1) expect((await guess()).status).toBe(401);
    expect(await guess()).toMatchObject({
      status: 429,
      body: { errors: [{ message: expect.stringContaining('credentials from this address'), extensions: {} }] },
    });
    expect((await post(unknown)).status).toBe(429);
    expect((await post(known)).status).toBe(200);
    pass(2_000);
    expect((await post(unknown)).status).toBe(200);
  });

  test('count once each by REST, and for nothing on the account of who shows none', async () => {
    for (let guessed = 0; guessed < burst; guessed += 1)
      expect((await rest(`${server.url}/api/v1/sync/runs`, { headers: { 'x-api-key': 'sk-no' } })).status).toBe(401);
    expect((await rest(`${server.url}/api/v1/sync/runs`, { headers: { 'x-api-key': 'sk-no' } })).status).toBe(429);
    expect((await post({})).status).toBe(200);
  });
});

describe('recordings', () => {
  /** A server that allows so little that every bound can be met, and its clock. */
  async function strict(limits: object, settings: Record<string, string> = {}) {
    let time = now;
    const strict = await startServer({ settings: { RATE_LIMITS: 'on', ...settings }, limits, rateClock: () => time });
    onTestFinished(() => strict.close());
    return { strict, pass: (ms: number) => (time += ms) };
  }
  const events = (userId: string, count: number, event: object = {}) =>
    Array.from({ length: count }, () => ({ userId, ...event }));
  const record = (server: TestServer, given: readonly object[], headers = server.admin) =>
    server.graphql(
      'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }',
      { events: given.map((event) => ({ ...anEvent, ...event })) },
      headers,
    );

  test('are charged by events to the credential, at the bound and one past it, all or nothing', async () => {
    const { strict: server, pass } = await strict({ recordingRate: { burst: 10, perSecond: 1 } });
    const [one, other] = [await server.user(), await server.user()];
    expect((await record(server, [...events(one, 4), ...events(other, 5)])).errors).toEqual([]);
    expect(await record(server, events(one, 2))).toMatchObject({
      status: 429,
      errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 1 } }],
    });
    expect((await record(server, events(one, 1))).status).toBe(200);
    expect((await record(server, events(one, 1), await server.key('write'))).status).toBe(200);
    pass(1_000);
    expect((await record(server, events(one, 1))).status).toBe(200);
    const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { headCursor } }', { id: one });
    expect(data.user.headCursor).toBe('7');
  });

  test('are charged by what they take, where that is much', async () => {
    const { strict: server } = await strict({ recordingRate: { burst: 10, perSecond: 1 } });
    const userId = await server.user();
    const large = { metadata: { text: ['x'.repeat(4_096)] } };
    expect((await record(server, events(userId, 2, large))).status).toBe(200);
    expect((await record(server, events(userId, 1))).status).toBe(429);
  });

  test('by REST are answered with 429 and when to come back', async () => {
    const { strict: server } = await strict({ recordingRate: { burst: 2, perSecond: 0.5 } });
    const userId = await server.user();
    const body = { run_id: 'run_1', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    const post = (count: number) =>
      rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
        method: 'POST',
        headers: { ...json, ...server.admin },
        body: Array.from({ length: count }, () => body),
      });
    expect((await post(2)).status).toBe(201);
    expect(await post(1)).toMatchObject({ status: 429, headers: { 'retry-after': '2' } });
  });

  test('of one user have a daily quota of events, whoever records them, which takes nothing from others', async () => {
    const { strict: server, pass } = await strict({}, { USER_EVENTS_PER_DAY: '24' });
    const [one, other] = [await server.user(), await server.user()];
    expect((await record(server, events(one, 24))).status).toBe(200);
    expect(await record(server, events(one, 1), await server.key('write'))).toMatchObject({
      status: 429,
      errors: [{ message: expect.stringContaining('daily quota'), extensions: { retryAfter: 3_600 } }],
    });
    expect((await record(server, events(other, 24))).status).toBe(200);
    pass(3_600_000);
    expect((await record(server, events(one, 1))).status).toBe(200);
    expect((await record(server, events(one, 1))).status).toBe(429);
  });

  test('that are refused cost nothing, on any door', async () => {
    const { strict: server } = await strict({}, { USER_EVENTS_PER_DAY: '3' });
    const userId = await server.user();
    const wire = { run_id: 'run_1', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
    const path = `${server.url}/api/v1/users/${userId}/sync/events`;
    const socket = await openRawSocket(server.url);
    onTestFinished(() => socket.close());
    socket.send(initMessage({ ...server.admin }));
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
    const query = `mutation { recordSyncEvents(input: { events: [{
      userId: "${userId}", runId: "", provider: "oura", source: PULL, stage: FETCHING, status: IN_PROGRESS
    }] }) { results { duplicate } } }`;
    const id = '01890a5d-ac96-774b-bcce-b302099a8057';
    expect((await record(server, events(userId, 1, { id }))).errors).toEqual([]);
    for (let refused = 0; refused < 3; refused += 1) {
      const codes = async (given: readonly object[]) =>
        (await record(server, given)).errors.map(({ extensions }: { extensions: object }) => extensions);
      expect(await codes(events(userId, 1, { runId: '' }))).toMatchObject([{ code: 'BAD_USER_INPUT' }]);
      expect(await codes([{ userId }, { userId: id }])).toMatchObject([{ code: 'NOT_FOUND' }]);
      expect(await codes(events(userId, 1, { id, runId: 'other' }))).toMatchObject([{ code: 'EVENT_ID_CONFLICT' }]);
      const body = { ...wire, run_id: '' };
      const posted = await rest(path, { method: 'POST', headers: { ...json, ...server.admin }, body });
      expect(posted.status).toBe(400);
      socket.send({ type: 'subscribe', id: '1', payload: { query } });
      expect(await socket.next()).toMatchObject({ payload: { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] } });
      expect(await socket.next()).toMatchObject({ type: 'complete' });
      expect((await record(server, events(userId, 1, { id }))).data.recordSyncEvents.results[0].duplicate).toBe(true);
    }
    expect((await record(server, events(userId, 2))).errors).toEqual([]);
    expect((await record(server, events(userId, 1))).status).toBe(429);
  });

  test('of one user have a daily quota of bytes', async () => {
    const { strict: server } = await strict({}, { USER_MEGABYTES_PER_DAY: '1' });
    const userId = await server.user();
    const large = { metadata: { text: 'x'.repeat(60_000) } };
    expect((await record(server, events(userId, 16, large))).status).toBe(200);
    expect((await record(server, events(userId, 1, large))).status).toBe(429);
    expect((await record(server, events(userId, 1))).status).toBe(200);
  });

  test('that are too deep to be stored are refused for that, whatever they would cost', async () => {
    const userId = await server.user();
    let metadata: object = {};
    for (let depth = 0; depth < 1_000; depth += 1) metadata = { metadata };
    const answer = await rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
      method: 'POST',
      headers: { ...json, ...server.admin },
      body: { run_id: 'run_1', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress', metadata },
    });
    expect(answer).toMatchObject({ status: 400, body: { detail: expect.stringContaining('metadata') } });
  });
});

test('what was refused is counted by door and kind', async () => {
  const { headers } = await newcomer();
  const hits = async () => {
    const { text } = await rest(`${server.url}/metrics`);
    return Number(/synclog_limits_hit_total\{door="graphql",limit="user"\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  const before = await hits();
  for (let asked = 0; asked < burst + 2; asked += 1) await post(headers);
  expect(await hits()).toBe(before + 2);
});

test('nobody is refused where the operator wants no limits', async () => {
  const free = await startServer({ settings: { RATE_LIMITS: 'off' }, limits, rateClock: () => now });
  onTestFinished(() => free.close());
  for (let asked = 0; asked < 3 * burst; asked += 1) expect((await rest(`${free.url}/openapi.json`)).status).toBe(200);
});
