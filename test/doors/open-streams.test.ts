import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connectTo } from '../support/connection.ts';
import { openEventStream } from '../support/event-stream.ts';
import { memoryLog } from '../support/memory-log.ts';
import { initMessage, openRawSocket, type RawSocket } from '../support/raw-socket.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { openSseStream } from '../support/streams.ts';

/** Of 40: 4 for operators, 10 of a key, 8 of an address, 4 of a user. */
const limits = { openStreams: 40, streamParts: { operators: 10, service: 4, address: 5, user: 10 } };
let server: TestServer;
let log: ReturnType<typeof memoryLog>;
let userId: string;
let token: Headers;

beforeEach(async () => {
  log = memoryLog();
  server = await startServer({
    limits,
    logger: log.logger,
    settings: { TRUSTED_PROXIES: '127.0.0.1', METRICS_ACCESS: 'open' },
  });
  userId = await server.user();
  token = await server.userToken(userId);
});
afterEach(() => server.close());

const at = (address: string): Headers => ({ 'x-forwarded-for': address });

async function arrive(headers: Headers = {}): Promise<RawSocket> {
  const socket = await openRawSocket(server.url, { headers });
  onTestFinished(() => socket.cut());
  return socket;
}

/** A socket of this credential. @throws when it is closed instead */
async function opened(credential: Headers, headers: Headers = {}): Promise<RawSocket> {
  const socket = await arrive(headers);
  socket.send(initMessage(credential));
  expect(await socket.next()).toEqual({ type: 'connection_ack' });
  return socket;
}

const query = 'subscription ($userId: UUID!) { syncEvents(userId: $userId, after: "0") { cursor } }';
const subscribe = (socket: RawSocket, id: string) =>
  socket.send({ type: 'subscribe', id, payload: { query, variables: { userId } } });
const streamPath = () => `${server.url}/api/v1/users/${userId}/sync/stream`;

/** The streams that a user may have, one of each kind: the socket itself is one more. */
async function openAllOfUser() {
  const socket = await opened(token);
  subscribe(socket, '1');
  expect(await socket.next()).toMatchObject({ type: 'next', id: '1' });
  const sse = await openSseStream(server.url, { query, variables: { userId }, headers: token });
  await sse.next();
  const ofRest = await openEventStream(streamPath(), token);
  onTestFinished(() => Promise.all([sse.close(), ofRest.close()]).then(() => {}));
  return { socket, sse, ofRest };
}

describe('one stream too many of a user', () => {
  test('is refused on every door, with when to come again', async () => {
    const { socket } = await openAllOfUser();
    subscribe(socket, '2');
    const message = 'This user has 4 sockets and streams open, which is as many as it may have';
    const error = { message, extensions: { code: 'RATE_LIMITED', retryAfter: 10 } };
    expect(await socket.next()).toEqual({ type: 'error', id: '2', payload: [error] });
    await expect(opened(token)).rejects.toThrow(`closed with 1013: ${message}`);

    const posted = await rest(`${server.url}/graphql`, {
      method: 'POST',
      headers: { ...token, 'content-type': 'application/json', accept: 'text/event-stream' },
      body: { query, variables: { userId } },
    });
    expect(posted.text).toContain('"code":"RATE_LIMITED"');
    const followed = await rest(streamPath(), { headers: token });
    expect(followed).toMatchObject({ status: 429, body: { detail: message }, headers: { 'retry-after': '10' } });
    const { text } = await rest(streamPath(), { headers: { ...token, accept: 'text/event-stream' } });
    expect(text).toContain('event: sync.end'); // a browser's EventSource comes back

    // What asks for no stream is answered, and so is everybody else.
    expect((await server.graphql('{ viewer { kind } }', {}, token)).data).toEqual({ viewer: { kind: 'USER' } });
    await opened(await server.userToken(await server.user()));
  });

  test.each(['socket', 'sse', 'ofRest', 'operation'] as const)('is let in when one has ended: %s', async (which) => {
    const all = await openAllOfUser();
    if (which === 'socket') all.socket.close();
    else if (which === 'operation') all.socket.send({ type: 'complete', id: '1' });
    else await all[which].close();
    await expect.poll(() => opened(token).catch(() => undefined)).toBeDefined();
  });
});

describe('one socket too many', () => {
  test('of an API key is closed, and another key is let in', async () => {
    const [key, other] = [await server.key('read'), await server.key('read')];
    for (let count = 0; count < 10; count += 1) await opened(key);
    await expect(opened(key)).rejects.toThrow('closed with 1013: This service has 10');
    await opened(other);
  });

  test('of an address that says nothing is not even opened, and other addresses and keys are let in', async () => {
    const silent = [];
    for (let count = 0; count < 8; count += 1) silent.push(await arrive(at('192.0.2.1')));
    await expect(arrive(at('192.0.2.1'))).rejects.toThrow('HTTP 429');
    await opened(token, at('192.0.2.2'));
    // A service is counted for its key once it has said who it is.
    const [first] = silent;
    first?.send(initMessage(server.admin));
    expect(await first?.next()).toEqual({ type: 'connection_ack' });
    await arrive(at('192.0.2.1'));
    // Who has left is not counted.
    for (const socket of silent) socket.cut();
    await expect.poll(() => arrive(at('192.0.2.1')).catch(() => undefined)).toBeDefined();
  });

  test('of an API key counts for its address until it has closed', async () => {
    const key = await server.key('read');
    for (let count = 0; count < 10; count += 1) await opened(key);
    for (let count = 0; count < 8; count += 1) {
      const refused = await openRawSocket(server.url, { headers: at('192.0.2.1'), agreesToEnd: false });
      onTestFinished(() => refused.cut());
      refused.send(initMessage(key));
      await expect(refused.next()).rejects.toThrow('closed with 1013: This service has 10');
    }
    await expect(arrive(at('192.0.2.1'))).rejects.toThrow('HTTP 429');
  });

  test('of all users together is not opened, while services, queries and checks get in', async () => {
    for (let count = 0; count < 36; count += 1) await opened({}, at(`192.0.2.${count}`));
    await expect(opened({}, at('192.0.2.99'))).rejects.toThrow('closed with 1013: The server has as many');
    const stream = { headers: { ...token, ...at('192.0.2.99') } };
    expect(await rest(streamPath(), stream)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect((await server.graphql('{ viewer { kind } }', {}, token)).status).toBe(200);
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect((await rest(server.url + path, { headers: server.admin })).status).toBe(200);
    const followed = await openEventStream(streamPath(), server.admin);
    onTestFinished(() => followed.close());
    subscribe(await opened(server.admin), '1');
    await expect(arrive(at('192.0.2.99'))).rejects.toThrow('HTTP 503');
    expect(log.about('MAX_STREAMS')).toHaveLength(1); // clients are not told the name of the setting, and operators are
  });
});

/** Who follows the log of which user. */
interface Follower {
  readonly headers: Headers;
  readonly owner: string;
}

const json = { 'content-type': 'application/json' };

describe.each([
  {
    door: 'GraphQL',
    ask: ({ headers, owner }: Follower, signal: AbortSignal) =>
      fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { ...json, accept: 'text/event-stream', ...headers },
        body: JSON.stringify({ query, variables: { userId: owner } }),
        signal,
      }),
  },
  {
    door: 'REST',
    ask: ({ headers, owner }: Follower, signal: AbortSignal) =>
      fetch(`${server.url}/api/v1/users/${owner}/sync/stream`, { headers, signal }),
  },
])('one stream of server-sent events too many by $door', ({ ask }) => {
  /** `fetch` ends a stream whose response is collected as garbage. */
  const held = new Set<Response>();

  async function follow(follower: Follower) {
    const leaving = new AbortController();
    const response = await ask(follower, leaving.signal);
    held.add(response);
    onTestFinished(() => {
      held.delete(response);
      leaving.abort();
    });
    return { status: response.status, close: () => leaving.abort() };
  }
  const statusOf = async (follower: Promise<Follower>) => (await follow(await follower)).status;
  /** Another user at this address. */
  async function userAt(address: string): Promise<Follower> {
    const owner = await server.user();
    return { owner, headers: { ...(await server.userToken(owner)), ...at(address) } };
  }

  test.each([
    {
      of: 'an API key at many addresses',
      room: 10,
      callers: async () => {
        const [key, other] = [await server.key('read'), await server.key('read')];
        let calls = 0;
        const by = (key: Headers) => async () => {
          calls += 1;
          return { owner: userId, headers: { ...key, ...at(`192.0.2.${calls}`) } };
        };
        return { same: by(key), another: by(other) };
      },
    },
    {
      of: 'many users at one address',
      room: 8,
      callers: async () => ({ same: () => userAt('192.0.2.1'), another: () => userAt('192.0.2.2') }),
    },
  ])('of $of is refused, others are let in, and so is the next one when one has left', async ({ room, callers }) => {
    const { same, another } = await callers();
    const streams = [];
    for (let count = 0; count < room; count += 1) streams.push(await follow(await same()));
    expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
    expect(await statusOf(same())).toBe(429);
    expect(await statusOf(another())).toBe(200);
    streams[0]?.close();
    await expect.poll(() => statusOf(same())).toBe(200);
    expect(await statusOf(same())).toBe(429);
  });
});

describe('streams that were asked for in a pipeline, on one connection', () => {
  const graphql = () => `/graphql?${new URLSearchParams({ query, variables: JSON.stringify({ userId }) })}`;
  test.each([
    ['GraphQL', graphql],
    ['REST', () => new URL(streamPath()).pathname],
  ])('end with it, also those that are still waiting: %s', async (_door, path) => {
    const socket = connectTo(server.url);
    const headers = Object.entries({ host: '127.0.0.1', accept: 'text/event-stream', ...token });
    const request = `GET ${path()} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
    socket.write(request.repeat(3));
    const open = async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const streams = [...text.matchAll(/^synclog_open_streams(?:\{[^}]*\})? (\d+)$/gm)].map(([, count]) =>
        Number(count),
      );
      return streams.reduce((sum, count) => sum + count, 0);
    };
    await expect.poll(open).toBe(3);
    socket.destroy();
    await expect.poll(open).toBe(0);
  });
});
