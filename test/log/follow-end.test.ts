import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { startLife } from '../../src/gate/open-streams.ts';
import { defaultLimits } from '../../src/limits.ts';
import { type LogWish, lazyTransports, openLog, readLog } from '../support/log-reader.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { plainSql } from '../support/sql.ts';
import { readFrames, streamTransports } from '../support/streams.ts';

let server: TestServer;
/** How many keys the newest look at the credentials of open streams has found to be good. */
let watchedKeys = 0;
/** Set while the server cannot make anything of events that it reads. */
let isBroken = false;

beforeAll(async () => {
  server = await startServer({
    limits: { credentialPollMs: 50, pageSize: 50 },
    onStatement({ sql, rows }) {
      if (/FROM api_key.*revoked_at IS NULL/s.test(plainSql(sql))) watchedKeys = rows;
      if (isBroken && /sync_event/.test(sql)) throw new Error('nobody expects this');
    },
  });
});
afterAll(() => server.close());

const followedLogs = () => server.app.services.log.followedLogs;
beforeEach(() => expect.poll(followedLogs).toBe(0));

async function userWith(count: number): Promise<string> {
  const userId = await server.user();
  await record(userId, count);
  return userId;
}

async function record(userId: string, count: number, event: object = {}): Promise<void> {
  if (count > 0) await server.record(...Array.from({ length: count }, () => ({ userId, ...event })));
}

async function newKey(expiresAt: Date | null = null) {
  const { key, secret } = await server.app.services.keys.create({ name: 'reader', scopes: ['read'], expiresAt });
  return { id: key.id, headers: { 'x-api-key': secret } };
}

const sequences = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);

describe.each([
  ['websocket', { closeCode: 4403 }, { closeCode: 4403 }, { closeCode: 1013 }, 'sse'],
  ['sse', { closeCode: undefined }, 'complete', { closeCode: undefined }, 'websocket'],
] as const)('a stream over %s', (name, afterExpiry, afterRevocation, afterInterruption, otherName) => {
  const follow = (wish: LogWish, headers: Headers = server.admin) =>
    openLog(streamTransports[name], { url: server.url, headers }, wish);
  const followElsewhere = (wish: LogWish) =>
    openLog(streamTransports[otherName], { url: server.url, headers: server.admin }, wish);

  describe('ends', () => {
    test('when its token expires, with TOKEN_EXPIRED and a cursor to go on from, over another transport as well', async () => {
      const userId = await userWith(2);
      const reader = await follow({ userId, after: '0' }, await server.userToken(userId, 2));
      expect(sequences((await reader.step()).events)).toEqual([1, 2]);
      await record(userId, 1);
      expect(await reader.end()).toEqual({ code: 'TOKEN_EXPIRED', cursor: '3', by: afterExpiry });
      await record(userId, 2);
      const next = await followElsewhere({ userId, after: '3' });
      expect(sequences((await next.step()).events)).toEqual([4, 5]);
    });

    test('when its key expires', async () => {
      const userId = await userWith(1);
      const { headers } = await newKey(new Date(Date.now() + 2_000));
      const reader = await follow({ userId }, headers);
      expect(await reader.end()).toEqual({ code: 'TOKEN_EXPIRED', cursor: '1', by: afterExpiry });
    });

    test('when its key is revoked, with UNAUTHENTICATED and a cursor, also where the filter has let nothing through', async () => {
      const userId = await userWith(1);
      const { id, headers } = await newKey();
      const readers = await Promise.all([
        follow({ userId, after: '0' }, headers),
        follow({ userId, filter: { providers: ['nobody'] } }, headers),
      ]);
      await Promise.all(readers.map((reader) => reader.step()));
      const witness = await follow({ userId });
      await record(userId, 3);
      await witness.eventsUpTo(4);
      await server.graphql('mutation ($id: ID!) { revokeApiKey(id: $id) { revokedAt } }', { id });
      for (const reader of readers)
        expect(await reader.end()).toEqual({ code: 'UNAUTHENTICATED', cursor: '4', by: afterRevocation });
      await record(userId, 1);
      expect(sequences(await witness.eventsUpTo(5))).toEqual([5]);
    });

    test('because of an error of ours, with the cursor, so that clients come back and miss nothing', async () => {
      const userId = await userWith(120);
      const reader = await follow({ userId, after: '0' });
      expect(sequences((await reader.step()).events)).toHaveLength(50);
      isBroken = true;
      onTestFinished(() => {
        isBroken = false;
      });
      expect(await reader.end()).toEqual({
        code: 'INTERNAL_SERVER_ERROR',
        cursor: expect.stringMatching(/^(?:50|100)$/),
        by: afterInterruption,
      });
    });

    test('when another process revokes its key, at the next look at it', async () => {
      const { id, headers } = await newKey();
      const reader = await follow({ userId: await userWith(1) }, headers);
      await reader.step();
      const elsewhere = await openDatabase(server.databaseUrl);
      onTestFinished(() => elsewhere.close());
      await new ApiKeys({ database: elsewhere, limits: defaultLimits }).revoke(id);
      expect(await reader.end()).toEqual({ code: 'UNAUTHENTICATED', cursor: '1', by: afterRevocation });
    });
  });

  test('a client that goes on with its last cursor, on the other transport each time, misses nothing', async () => {
    const userId = await userWith(3);
    let recording = true;
    const recorder = (async () => {
      for (let round = 0; recording; round += 1) await record(userId, 1 + (round % 5));
    })();
    const seen: number[] = [];
    let after = '0';
    for (let turn = 0; turn < 20; turn += 1) {
      const reader = await (turn % 2 === 0 ? follow : followElsewhere)({ userId, after });
      for (let step = 0; step <= turn % 3; step += 1) {
        const { events, cursor, reset } = await reader.step();
        expect(reset).toBeNull();
        seen.push(...sequences(events));
        after = cursor;
      }
      await reader.close();
    }
    recording = false;
    await recorder;
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    expect(seen.at(-1)).toBe(Number(after));
  });

  describe('leaves nothing behind', () => {
    /** Nobody follows a log any more, and of all keys only the one of a stream that stays is looked after. */
    async function expectNothingLeft(): Promise<void> {
      await expect.poll(followedLogs).toBe(0);
      const { headers } = await newKey();
      const witness = await follow({ userId: await userWith(0) }, headers);
      await witness.step();
      watchedKeys = Number.NaN;
      await expect.poll(() => watchedKeys).toBe(1);
      await witness.close();
    }

    test('when the client leaves, while it waits and in the middle of a replay', async () => {
      const userId = await userWith(120);
      for (const transport of [streamTransports[name], lazyTransports[name]])
        for (const steps of [1, 2, 3]) {
          const { headers } = await newKey();
          const reader = await openLog(transport, { url: server.url, headers }, { userId, after: '0' });
          for (let step = 0; step < steps; step += 1) await reader.step();
          expect(followedLogs()).toBe(1);
          await reader.close();
        }
      await expectNothingLeft();
    });

    test('when a client that does not read leaves', async () => {
      const userId = await server.user();
      for (let batch = 0; batch < 6; batch += 1) await record(userId, 50, { metadata: { filler: 'x'.repeat(60_000) } });
      const { headers } = await newKey();
      const query = readLog.replace('message', 'message metadata');
      const reader = await openLog(lazyTransports[name], { url: server.url, headers }, { userId, after: '0' }, query);
      await reader.step();
      expect(followedLogs()).toBe(1);
      await reader.close();
      await expectNothingLeft();
    });

    test('when the client leaves before it has got anything, at whatever moment', async () => {
      const userId = await userWith(1);
      for (let moment = 0; moment < 40; moment += 1) {
        const { headers } = await newKey();
        await leaveAfter(moment, userId, headers);
      }
      await expectNothingLeft();
    });

    test('of one of several followers: the others go on', async () => {
      const userId = await userWith(1);
      const [leaving, staying] = [await follow({ userId }), await follow({ userId })];
      await Promise.all([leaving.step(), staying.step()]);
      await leaving.close();
      await record(userId, 1);
      expect(sequences(await staying.eventsUpTo(2))).toEqual([2]);
      expect(followedLogs()).toBe(1);
    });

    test('when a subscription is refused', async () => {
      const userId = await userWith(1);
      const { headers } = await newKey();
      for (const variables of [
        { userId, after: '0', replayLast: 1 },
        { userId: crypto.randomUUID() },
        { userId: 'x' },
      ]) {
        const stream = await streamTransports[name](server.url, { query: readLog, variables, headers });
        expect((await stream.next())?.errors).toHaveLength(1);
        await stream.close();
      }
      await expectNothingLeft();
    });
  });

  /** Opens a stream and cuts its connection that many turns of the event loop later. */
  async function leaveAfter(turns: number, userId: string, headers: Headers): Promise<void> {
    const payload = { query: readLog, variables: { userId } };
    const pass = async () => {
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    if (name === 'sse') {
      const abort = new AbortController();
      const answer = fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
        body: JSON.stringify(payload),
        signal: abort.signal,
      });
      await Promise.race([pass(), answer.catch(() => {})]);
      abort.abort();
      await answer.catch(() => {});
    } else {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await new Promise((resolve) => socket.once('open', resolve));
      socket.send(JSON.stringify({ type: 'connection_init', payload: headers }));
      socket.once('message', () => socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload })));
      await pass();
      socket.terminate();
      await closed;
    }
  }
});

test('what watches over a stream is freed when its client leaves, though nobody ends the stream', () => {
  const [client, credential] = [new AbortController(), new AbortController()];
  let freed = 0;
  const life = startLife([client.signal, credential.signal], () => (freed += 1));
  client.abort();
  expect([life.signal.aborted, freed]).toEqual([true, 1]);
  credential.abort(new Error('too late'));
  life.end();
  expect([life.signal.reason, freed]).toEqual([client.signal.reason, 1]);

  const stillborn = startLife([client.signal], () => (freed += 1));
  expect([stillborn.signal.aborted, freed]).toEqual([true, 2]);
});

describe('server-sent events', () => {
  /** The frames of a GET, as a browser's EventSource sends it: `Last-Event-ID` beside the URL that it repeats. */
  async function get(variables: object, lastEventId?: string, headers: Headers = server.admin) {
    const abort = new AbortController();
    const query = new URLSearchParams({ query: readLog, variables: JSON.stringify(variables) });
    const response = await fetch(`${server.url}/graphql?${query}`, {
      headers: {
        accept: 'text/event-stream',
        ...headers,
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
      signal: abort.signal,
    });
    const frames = readFrames(response.body as ReadableStream<Uint8Array>);
    onTestFinished(async () => {
      abort.abort();
      await frames.return(undefined).catch(() => {});
    });
    const next = async () => {
      const { value } = await frames.next();
      return value && { ...value, result: value.data ? JSON.parse(value.data) : undefined };
    };
    return { response, next };
  }

  test('carry the cursor of each payload as their `id:`, and that of the end as well', async () => {
    const userId = await userWith(120);
    const { next } = await get({ userId, after: '0' }, undefined, await server.userToken(userId, 2));
    for (const cursor of ['50', '100', '120']) {
      const frame = await next();
      expect(frame).toMatchObject({ event: 'next', id: cursor, result: { data: { syncEvents: { cursor } } } });
      expect(Object.keys(frame?.result)).toEqual(['data']);
    }
    expect(await next()).toMatchObject({
      event: 'next',
      id: '120',
      result: { errors: [{ extensions: { code: 'TOKEN_EXPIRED', cursor: '120' } }] },
    });
    expect(await next()).toBeUndefined(); // and not `complete`: a client with a new token goes on
  });

  test('go on after `Last-Event-ID`, which wins over `after` and `replayLast`', async () => {
    const userId = await userWith(6);
    for (const start of [{}, { after: '0' }, { after: '99' }, { replayLast: 6 }]) {
      const { next } = await get({ userId, ...start }, '4');
      const { events, reset } = (await next())?.result.data.syncEvents ?? {};
      expect(sequences(events)).toEqual([5, 6]);
      expect(reset).toBeNull();
    }
  });

  test('reset a `Last-Event-ID` that cannot be honoured, and refuse one that is no cursor', async () => {
    const userId = await userWith(2);
    const ahead = await get({ userId, after: '0' }, '7');
    expect((await ahead.next())?.result.data.syncEvents).toMatchObject({
      cursor: '2',
      reset: { reason: 'CURSOR_AHEAD' },
    });
    const nonsense = await get({ userId }, 'nonsense');
    expect((await nonsense.next())?.result.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(await nonsense.next()).toMatchObject({ event: 'complete' });
  });

  test('come with headers that keep what lies between from holding them back', async () => {
    const { response } = await get({ userId: await userWith(1) });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': expect.stringContaining('text/event-stream'),
      'cache-control': 'no-cache, no-store, no-transform',
      'x-accel-buffering': 'no',
    });
  });
});

describe('a WebSocket', () => {
  test('carries as many streams as are allowed, one past that is refused, and each ends for itself', async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error) => warnings.push(warning);
    process.on('warning', warn);
    onTestFinished(() => void process.off('warning', warn));
    const limit = defaultLimits.streamsPerSocket;
    const userId = await userWith(1);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    onTestFinished(() => socket.terminate());
    const messages: { id?: string; type: string; payload?: unknown }[] = [];
    socket.on('message', (text) => messages.push(JSON.parse(String(text))));
    const send = (message: object) => socket.send(JSON.stringify(message));
    const count = (type: string) => messages.filter((message) => message.type === type).length;
    await new Promise((resolve) => socket.once('open', resolve));
    send({ type: 'connection_init', payload: server.admin });
    await expect.poll(() => count('connection_ack')).toBe(1);

    for (let id = 1; id <= limit + 1; id += 1)
      send({ id: String(id), type: 'subscribe', payload: { query: readLog, variables: { userId } } });
    await expect.poll(() => count('next')).toBe(limit);
    const refused = messages.filter(({ type }) => type === 'error');
    expect(refused).toMatchObject([{ payload: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] }]);

    for (let id = 1; id <= limit / 2; id += 1) send({ id: String(id), type: 'complete' });
    send({ type: 'ping' });
    await expect.poll(() => count('pong')).toBe(1);
    await record(userId, 1);
    await expect.poll(() => count('next')).toBe(limit * 1.5);
    for (let id = limit / 2 + 1; id <= limit; id += 1) send({ id: String(id), type: 'complete' });
    await expect.poll(followedLogs).toBe(0);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    expect(count('complete')).toBe(0);
    expect(warnings).toEqual([]);
  });
});
