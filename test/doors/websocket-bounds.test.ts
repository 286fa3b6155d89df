import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { defaultLimits, type Limits } from '../../src/limits.ts';
import { frameOf, initMessage, opcodes, openRawSocket } from '../support/raw-socket.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
const limits = {
  socketMessageBytes: 4_000,
  socketMessagePieces: 100,
  socketMessages: { burst: 40, perSecond: 0.001, bytesOfOne: 1_000 },
  untakenAnswerBytes: 1_000_000,
} satisfies Partial<Limits>;

beforeAll(async () => {
  server = await startServer({ limits });
});
afterAll(() => server.close());

const opened = async (on = server) => {
  const socket = await openRawSocket(on.url);
  onTestFinished(() => socket.cut());
  return socket;
};

/** A ping of so many bytes. */
function pingOf(bytes: number): string {
  const frame = JSON.stringify({ type: 'ping', payload: { x: '' } });
  return frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
}

describe('a WebSocket', () => {
  test('takes a message up to the bound, and is closed with 1009 and where to go instead for one past it', async () => {
    const { socketMessageBytes } = limits;
    for (const past of [1, socketMessageBytes]) {
      const socket = await opened();
      socket.send(pingOf(socketMessageBytes));
      expect(await socket.next()).toMatchObject({ type: 'pong' });
      socket.send(pingOf(socketMessageBytes + past));
      const reason = `A message may have at most ${socketMessageBytes} bytes; POST takes more`;
      expect(await socket.closed).toEqual({ code: 1009, reason });
    }
  });

  test('is closed with 1009 for a length that is far beyond the bound, before any of it has come', async () => {
    const socket = await opened();
    socket.write(frameOf(opcodes.text, Buffer.alloc(2 * limits.socketMessageBytes + 1)).subarray(0, 14));
    expect(await socket.closed).toMatchObject({ code: 1009 });
  });

  test('takes a message in as many fragments as are allowed, and is closed with 1008 for one more', async () => {
    const socket = await opened();
    const message = pingOf(200);
    const pieces = (count: number) => {
      for (let index = 1; index <= count; index += 1) {
        const opcode = index === 1 ? opcodes.text : opcodes.continuation;
        const isLast = index === count;
        socket.write(frameOf(opcode, isLast ? message.slice(index - 1) : message.charAt(index - 1), { isLast }));
      }
    };
    pieces(limits.socketMessagePieces);
    expect(await socket.next()).toMatchObject({ type: 'pong' });
    pieces(limits.socketMessagePieces + 1);
    expect(await socket.closed).toMatchObject({ code: 1008 });
  });

  test('is closed for 100,000 fragments of one byte, and of none', async () => {
    for (const payload of ['x', '']) {
      const socket = await opened();
      const fragment = frameOf(opcodes.continuation, payload, { isLast: false });
      const fragments = Array<Buffer>(100_000).fill(fragment);
      socket.write(Buffer.concat([frameOf(opcodes.text, payload, { isLast: false }), ...fragments]));
      expect(await socket.closed).toMatchObject({ code: 1008 });
    }
  });

  test('takes as many messages at once as are allowed, and is closed with 4429 for one more', async () => {
    const socket = await opened();
    const { burst } = limits.socketMessages;
    for (let sent = 0; sent < burst; sent += 1) socket.send({ type: 'ping' });
    for (let sent = 0; sent < burst; sent += 1) expect(await socket.next()).toEqual({ type: 'pong' });
    socket.send({ type: 'ping' });
    expect(await socket.closed).toEqual({ code: 4429, reason: 'Too many messages' });
  });

  test('counts a long message several times', async () => {
    const socket = await opened();
    for (let sent = 0; sent < 8; sent += 1) socket.send(pingOf(4_000));
    for (let sent = 0; sent < 8; sent += 1) expect(await socket.next()).toMatchObject({ type: 'pong' });
    socket.send({ type: 'ping' });
    expect(await socket.closed).toMatchObject({ code: 4429 });
  });

  test('takes more messages with time', async () => {
    const patient = await startServer({
      limits: { socketMessages: { burst: 1, perSecond: 100_000, bytesOfOne: 1_000 } },
    });
    onTestFinished(() => patient.close());
    const socket = await opened(patient);
    for (let sent = 0; sent < 50; sent += 1) {
      socket.send({ type: 'ping' });
      expect(await socket.next()).toEqual({ type: 'pong' });
    }
  });

  test('is cut when its client asks on and on and takes no answer', async () => {
    const generous = await startServer({
      limits: { untakenAnswerBytes: 300_000, socketMessages: { burst: 1e6, perSecond: 1e6, bytesOfOne: 1e6 } },
    });
    onTestFinished(() => generous.close());
    const socket = await opened(generous);
    socket.stopReading();
    const ping = frameOf(opcodes.text, pingOf(200_000));
    // What the system keeps for a connection comes before what the server keeps.
    for (let sent = 0; sent < 200; sent += 1) socket.write(ping);
    expect(await socket.closed).toEqual({ code: 1006, reason: '' });
  });

  test('carries no compression, whatever its client offers', async () => {
    const socket = await openRawSocket(server.url, { headers: { 'sec-websocket-extensions': 'permessage-deflate' } });
    expect(socket.head).toMatch(/^HTTP\/1.1 101 /);
    expect(socket.head.toLowerCase()).not.toContain('sec-websocket-extensions');
    socket.cut();
  });

  test('has room for what clients send by the default bounds: 500 usual events, and all its streams at once', async () => {
    const usual = await startServer();
    onTestFinished(() => usual.close());
    const userId = await usual.user();
    const socket = await opened(usual);
    socket.send(initMessage({ ...usual.admin }));
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
    const event = {
      id: '6f1f6c3e-2b7c-4d53-9a55-0a4f5f0d9b11',
      userId,
      runId: 'pull_65c5cdc32d1940b8',
      provider: 'oura',
      source: 'PULL',
      stage: 'FETCHING',
      status: 'IN_PROGRESS',
      message: 'Fetching sleep, heart rate and activity of the last day',
      progress: 0.25,
      itemsProcessed: 120,
      itemsTotal: 480,
      timestamp: '2026-03-14T07:00:00.412Z',
    };
    const events = Array.from({ length: defaultLimits.eventsPerRecording }, (_, index) => ({
      ...event,
      id: event.id.slice(0, -4) + String(1_000 + index),
    }));
    const query = `mutation ($events: [SyncEventInput!]!) {
      recordSyncEvents(input: { events: $events }) { results { duplicate } }
    }`;
    socket.send({ type: 'subscribe', id: 'record', payload: { query, variables: { events } } });
    expect(await socket.next()).toMatchObject({ id: 'record', payload: { data: { recordSyncEvents: {} } } });
    expect(await socket.next()).toEqual({ type: 'complete', id: 'record' });
    const follow = { query: `subscription { syncEvents(userId: "${userId}", replayLast: 1) { cursor } }` };
    for (let id = 1; id <= defaultLimits.streamsPerSocket; id += 1)
      socket.send({ type: 'subscribe', id: String(id), payload: follow });
    for (let id = 1; id <= defaultLimits.streamsPerSocket; id += 1)
      expect(await socket.next()).toMatchObject({ type: 'next' });
  });
});
