import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createServer, type Socket, connect as tcpConnect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { type AppOptions, createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { newFileUrl } from '../support/database.ts';
import { type LogReader, type LogWish, openLog, readLog, type Step } from '../support/log-reader.ts';
import { showsOpenFiles, timesOpen } from '../support/open-files.ts';
import { anEvent, type Headers, jwtSecret, startServer } from '../support/server.ts';
import { graphql, newUser, type ServerProcess, startProcess } from '../support/server-process.ts';
import { streamTransports } from '../support/streams.ts';

/**
 * A process has ten seconds to end after SIGTERM, until its platform kills it, which the proof of stops judges; here it may
 * share its machine with others.
 */
const graceMs = 20_000;
const unavailable = { errors: [{ extensions: { code: 'UNAVAILABLE' } }] };
const matchesNothing = { providers: ['nobody'] };

async function startOwnProcess(): Promise<ServerProcess> {
  const server = await startProcess();
  onTestFinished(() => server.remove());
  return server;
}

async function startOwnServer(options: AppOptions = {}) {
  const server = await startServer(options);
  onTestFinished(() => server.close());
  return server;
}

interface Target {
  readonly url: string;
  readonly headers: Headers;
}

const recordEvents = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { duplicate event { id sequence } } }
}`;

const recordingOf = (...events: object[]) => ({
  query: recordEvents,
  variables: { events: events.map((event) => ({ ...anEvent, ...event })) },
});

async function record(target: Target, ...events: object[]): Promise<{ id: string; sequence: number }[]> {
  const { query, variables } = recordingOf(...events);
  const { recordSyncEvents } = await graphql(target, query, variables);
  return recordSyncEvents.results.map((result: { event: object }) => result.event);
}

const follow = (transport: keyof typeof streamTransports, target: Target, wish: LogWish) =>
  openLog(streamTransports[transport], target, wish);

const sequences = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);
const oneTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** Sends a recording, but for the last byte of its body, and resolves when the server has taken the request on. */
async function beginRecording({ url, headers }: Target, event: object) {
  const { hostname, port } = new URL(url);
  const body = JSON.stringify(recordingOf(event));
  const socket = tcpConnect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  const received = readUntilClosed(socket);
  const head = {
    host: 'synclog',
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    expect: '100-continue',
    ...headers,
  };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}`);
  socket.write(`POST /graphql HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body.slice(0, -1)}`);
  await expect.poll(() => received.text).toContain('100 Continue');
  return {
    finish: () => socket.write(body.slice(-1)),
    /** Everything that the server sends until it closes the connection. */
    answer: received.closed,
  };
}

/** A WebSocket that speaks the protocol by hand, past its `connection_ack`. */
async function openSocket({ url, admin }: { readonly url: string; readonly admin: Headers }) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  const messages: { id?: string; type: string; payload?: { errors?: unknown } }[] = [];
  socket.on('message', (text) => messages.push(JSON.parse(String(text))));
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  const send = (message: object) => socket.send(JSON.stringify(message));
  await new Promise((resolve) => socket.once('open', resolve));
  send({ type: 'connection_init', payload: admin });
  await expect.poll(() => messages.length).toBe(1);
  return { messages, send, closed };
}

function readUntilClosed(socket: Socket) {
  const received = { text: '', closed: Promise.resolve('') };
  socket.on('data', (chunk) => (received.text += String(chunk)));
  socket.on('error', () => {});
  received.closed = new Promise((resolve) => socket.once('close', () => resolve(received.text)));
  return received;
}

describe('a process that gets SIGTERM', () => {
  test('ends each stream with UNAVAILABLE and a cursor but not with `complete`, finishes requests and exits with 0', async () => {
    const server = await startOwnProcess();
    const userId = await newUser(server);
    await record(server, { userId }, { userId });
    const readers: LogReader[] = [];
    for (const transport of ['websocket', 'sse'] as const)
      for (const wish of [{ after: '0' }, { filter: matchesNothing }])
        readers.push(await follow(transport, server, { userId, ...wish }));
    for (const reader of readers) await reader.step();
    const idle = await openSocket({ url: server.url, admin: server.headers });
    const request = await beginRecording(server, { userId });

    const start = performance.now();
    const exit = server.end('SIGTERM');
    const ends = await Promise.all(readers.map((reader) => reader.end()));
    expect(ends.map(({ code, cursor }) => [code, cursor])).toEqual(ends.map(() => ['UNAVAILABLE', '2']));
    const goingAway = { closeCode: 1001 };
    const endOfBody = { closeCode: undefined };
    expect(ends.map(({ by }) => by)).toEqual([goingAway, goingAway, endOfBody, endOfBody]);
    expect(await idle.closed).toBe(1001);
    await expect(once(get(server.url, { agent: false }), 'response')).rejects.toThrow('ECONNREFUSED');

    request.finish();
    const answer = await request.answer;
    expect(answer).toMatch(/200 OK/);
    expect(answer).toMatch(/"sequence":3/);
    expect(answer).toMatch(/^connection: close\r$/im); // or its client would send the next request into the end
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(performance.now() - start).toBeLessThan(graceMs);

    await server.start();
    for (const transport of ['websocket', 'sse'] as const) {
      const reader = await follow(transport, server, { userId, after: '2' });
      expect(sequences((await reader.step()).events)).toEqual([3]);
    }
  });

  test('exits with 0 in time although a client never ends its request', async () => {
    const server = await startOwnProcess();
    const userId = await newUser(server);
    const request = await beginRecording(server, { userId });
    const start = performance.now();
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(performance.now() - start).toBeLessThan(graceMs);
    expect(await request.answer).not.toMatch(/200 OK/);
  });

  test('and starts again has every event that was acknowledged, and readers that resume miss nothing', async () => {
    const server = await startOwnProcess();
    const userId = await newUser(server);
    const acknowledged: { id: string; sequence: number }[] = [];
    let recording = true;
    const recorder = (async () => {
      while (recording) {
        const events = oneTo(1 + (acknowledged.length % 7)).map(() => ({ userId, id: randomUUID() }));
        for (let answered = false; !answered; ) {
          await server.listening();
          await record(server, ...events).then(
            (results) => {
              answered = true;
              acknowledged.push(...results);
            },
            () => {}, // the server is gone: the same events again
          );
        }
      }
    })();

    const readers: Record<'websocket' | 'sse', Step[]> = { websocket: [], sse: [] };
    const other = { websocket: 'sse', sse: 'websocket' } as const;
    for (const stop of [60, 120]) {
      const streams = await Promise.all(
        (['websocket', 'sse'] as const).map(async (each) => {
          const transport = stop === 60 ? each : other[each];
          const after = readers[each].at(-1)?.cursor ?? '0';
          const reader = await follow(transport, server, { userId, after });
          readers[each].push(...(await reader.until(({ cursor }) => Number(cursor) >= stop)));
          return { each, reader };
        }),
      );
      const exit = server.end('SIGTERM');
      for (const { each, reader } of streams) readers[each].push(...(await remainingSteps(reader)));
      expect(await exit).toEqual({ code: 0, signal: null });
      await server.start();
    }
    recording = false;
    await recorder;

    const head = acknowledged.length;
    expect(new Set(sequences(acknowledged))).toEqual(new Set(oneTo(head)));
    for (const each of ['websocket', 'sse'] as const) {
      const after = readers[each].at(-1)?.cursor ?? '0';
      if (Number(after) < head)
        readers[each].push(
          ...(await (await follow(each, server, { userId, after })).until(({ cursor }) => Number(cursor) >= head)),
        );
      expect(sequences(readers[each].flatMap(({ events }) => events))).toEqual(oneTo(head));
    }
  }, 240_000); // three processes start, one after the other

  test('is come back to by a graphql-ws client that writes `after` on each payload, as is one that was killed', async () => {
    const server = await startOwnProcess();
    const userId = await newUser(server);
    const client = createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { ...server.headers },
      retryAttempts: 100,
      retryWait: () => server.listening(),
      shouldRetry: () => true,
    });
    onTestFinished(() => void client.dispose());
    const variables: Record<string, unknown> = { userId, after: '0' };
    const seen: number[] = [];
    const results = client.iterate<{ syncEvents: Step }>({ query: readLog, variables });
    const readUpTo = async (sequence: number) => {
      while ((seen.at(-1) ?? 0) < sequence) {
        const { value } = await results.next();
        const step = value?.data?.syncEvents;
        if (!step) continue; // the last result before the shutdown
        variables.after = step.cursor;
        seen.push(...sequences(step.events));
      }
    };
    for (const [turn, signal] of (['SIGTERM', 'SIGKILL', 'SIGTERM'] as const).entries()) {
      await record(server, ...oneTo(5).map(() => ({ userId })));
      await readUpTo(10 * turn + 5);
      await server.end(signal);
      await server.start();
      await record(server, ...oneTo(5).map(() => ({ userId })));
      await readUpTo(10 * turn + 10);
    }
    expect(seen).toEqual(oneTo(30));
  }, 240_000); // four processes start, one after the other
});

describe('closing an app', () => {
  test.each(['http', 'websocket'] as const)('lets a recording that is being committed finish, over %s', async (way) => {
    let closing: Promise<void> | undefined;
    const server = await startServer({
      onStatement({ sql }) {
        if (/INSERT INTO sync_event/.test(sql)) closing ??= server.close();
      },
    });
    const target = { url: server.url, headers: server.admin };
    const event = { userId: await server.user() };
    if (way === 'http') expect(sequences(await record(target, event))).toEqual([1]);
    else {
      const stream = await streamTransports.websocket(server.url, {
        ...recordingOf(event),
        headers: server.admin,
      });
      expect((await stream.next())?.data.recordSyncEvents.results[0].event.sequence).toBe(1);
      expect(await stream.next()).toBeUndefined(); // a client that did not hear `complete` would record it again
    }
    expect(closing).toBeDefined();
    await closing;
  });

  test('lets a recording over a WebSocket finish that waits for the database, and begins nothing new on it', async () => {
    const server = await startOwnServer();
    const userId = await server.user();
    const other = await openDatabase(server.databaseUrl);
    onTestFinished(() => other.close());
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const holding = await new Promise<{ transaction: Promise<void> }>((resolve) => {
      const transaction: Promise<void> = other.transaction(async ({ user }) => {
        await user.updateMany({ where: { id: userId }, data: { firstName: 'Other' } });
        resolve({ transaction });
        await released;
      });
    });
    const socket = await openSocket(server);
    socket.send({ id: 'recording', type: 'subscribe', payload: recordingOf({ userId }) });
    socket.send({ id: 'stream', type: 'subscribe', payload: { query: readLog, variables: { userId } } });
    await expect.poll(() => socket.messages.at(-1)?.id).toBe('stream'); // so the mutation has come as well
    const closing = server.close();
    await expect.poll(() => socket.messages.at(-1)?.payload).toMatchObject(unavailable);
    socket.send({ id: 'late', type: 'subscribe', payload: { query: '{ viewer { kind } }' } });
    await wait(1_500); // more than the last results get to be written when a credential ends
    release();
    await holding.transaction;
    expect(await socket.closed).toBe(1001);
    await closing;
    // Nothing is said of what came late, so that its client sends it again to the next server.
    expect(socket.messages.slice(-2)).toMatchObject([
      {
        id: 'recording',
        type: 'next',
        payload: { data: { recordSyncEvents: { results: [{ event: { sequence: 1 } }] } } },
      },
      { id: 'recording', type: 'complete' },
    ]);
    expect(socket.messages.map(({ id }) => id)).not.toContain('late');
  });

  test('gives every stream of a WebSocket its last result before it closes the socket, and `complete` to none', async () => {
    let closing: Promise<void> | undefined;
    const server = await startOwnServer({
      onStatement({ sql }) {
        if (/JOIN sync_event/.test(sql)) closing ??= server.close(); // while a stream is reading its replay
      },
    });
    const userId = await server.user();
    await server.record({ userId }, { userId });
    const { messages, send, closed } = await openSocket(server);
    const subscribe = (id: string, wish: object) =>
      send({ id, type: 'subscribe', payload: { query: readLog, variables: { userId, ...wish } } });
    const waiting = oneTo(20).map(String);
    for (const id of waiting) subscribe(id, {});
    await expect.poll(() => messages.length).toBe(1 + waiting.length);
    subscribe('replaying', { after: '0' });
    expect(await closed).toBe(1001);
    await closing;
    const last = messages.slice(1 + waiting.length);
    expect(last.map(({ id, type }) => `${id} ${type}`).sort()).toEqual(
      [...waiting, 'replaying', 'replaying'].map((id) => `${id} next`).sort(),
    );
    const ends = last.filter(({ payload }) => payload?.errors);
    expect(ends).toHaveLength(waiting.length + 1);
    for (const { payload } of ends)
      expect(payload).toMatchObject({ errors: [{ extensions: { code: 'UNAVAILABLE', cursor: '2' } }] });
  });

  test('cuts what is still open after `shutdownMs`', async () => {
    const server = await startOwnServer({ limits: { shutdownMs: 200 } });
    const userId = await server.user();
    const request = await beginRecording({ url: server.url, headers: server.admin }, { userId });
    await server.close();
    expect(await request.answer).not.toMatch(/200 OK/);
  });

  test('does not wait for connections on which no request has come', async () => {
    const server = await startOwnServer({ limits: { shutdownMs: 2 * graceMs } });
    const { hostname, port } = new URL(server.url);
    const socket = tcpConnect(Number(port), hostname);
    await new Promise((resolve) => socket.once('connect', resolve));
    await server.graphql('{ viewer { kind } }'); // by now the server has accepted both connections
    const cut = new Promise((resolve) => socket.once('close', resolve));
    const startedAt = performance.now();
    await server.app.close();
    await cut;
    expect(performance.now() - startedAt).toBeLessThan(graceMs);
  });

  test('answers one more request on a connection whose stream it has ended, as its client could not know better', async () => {
    const server = await startOwnServer();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const ask = async (path: string) => {
      const request = get(server.url + path, { agent, headers: server.admin });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return { request, response };
    };
    const { response: stream } = await ask(`/api/v1/users/${await server.user()}/sync/stream`);
    const closing = server.app.close();
    stream.resume();
    await once(stream, 'end');
    const { request, response } = await ask('/healthz');
    expect(request.reusedSocket).toBe(true);
    expect([response.statusCode, response.headers.connection]).toEqual([200, 'close']);
    response.resume();
    await closing;
  });

  test('twice is the same as once', async () => {
    const server = await startOwnServer();
    const userId = await server.user();
    const reader = await follow('websocket', { url: server.url, headers: server.admin }, { userId });
    await reader.step();
    await Promise.all([server.app.close(), server.app.close()]);
    await server.app.close();
    expect(await reader.end()).toMatchObject({ code: 'UNAVAILABLE', cursor: '0' });
  });

  test('does not disturb another app of the same process', async () => {
    const [one, other] = [await startOwnServer(), await startOwnServer()];
    const userId = randomUUID();
    for (const server of [one, other]) await server.user({ id: userId });
    const readers = await Promise.all(
      [one, other].map(({ url, admin }) => follow('sse', { url, headers: admin }, { userId })),
    );
    for (const reader of readers) await reader.step();
    await one.record({ userId, runId: 'of one' });
    await other.record({ userId, runId: 'of the other' });
    expect((await readers[0]?.eventsUpTo(1))?.map(({ runId }) => runId)).toEqual(['of one']);
    expect((await other.graphql('{ viewer { name } }', {}, one.admin)).errors).toMatchObject([
      { extensions: { code: 'UNAUTHENTICATED' } },
    ]);

    await one.app.close();
    expect(await readers[0]?.end()).toMatchObject({ code: 'UNAVAILABLE', cursor: '1' });
    await other.record({ userId, runId: 'later' });
    expect((await readers[1]?.eventsUpTo(2))?.map(({ runId }) => runId)).toEqual(['of the other', 'later']);
  });
});

describe('a port that is taken', () => {
  /** The port of a server that is not ours. */
  async function takePort(): Promise<number> {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void squatter.close());
    const address = squatter.address();
    if (typeof address !== 'object' || !address) throw new Error('a TCP server has an address');
    return address.port;
  }

  test('is what createApp rejects with', async () => {
    const config = parseConfig({
      PORT: String(await takePort()),
      DATABASE_URL: newFileUrl(),
      JWT_SECRET: jwtSecret,
    });
    await expect(createApp(config, { logger: pino({ level: 'silent' }) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      port: config.port,
    });
  });

  test.skipIf(!showsOpenFiles)('leaves nothing open', async () => {
    const config = parseConfig({
      PORT: String(await takePort()),
      DATABASE_URL: newFileUrl(),
      JWT_SECRET: jwtSecret,
    });
    await createApp(config, { logger: pino({ level: 'silent' }) }).catch(() => {});
    await expect.poll(() => timesOpen(config.databaseUrl)).toBe(0);

    const app = await createApp({ ...config, port: 0 }, { logger: pino({ level: 'silent' }) });
    expect(await timesOpen(config.databaseUrl)).toBeGreaterThan(0);
    await app.close();
    await expect.poll(() => timesOpen(config.databaseUrl)).toBe(0);
  });
});

/** What is still to come, up to the end that the server brings about. */
async function remainingSteps(reader: LogReader): Promise<Step[]> {
  const steps: Step[] = [];
  try {
    for (;;) steps.push(await reader.step());
  } catch (error) {
    expect(String(error)).toMatch(/UNAVAILABLE/);
  }
  return steps;
}
