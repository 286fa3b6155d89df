import { describe, expect, onTestFinished, test } from 'vitest';
import { deepList, deepObject } from '../support/extreme-input.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { sendBytes } from '../support/raw-requests.ts';
import { frameOf, initMessage, opcodes, openRawSocket } from '../support/raw-socket.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
const acceptChanges = shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

describe('a WebSocket', () => {
  const subscribe = (id: string, payload: unknown = { query: '{ __typename }' }) => ({
    type: 'subscribe',
    id,
    payload,
  });

  async function opened() {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ ...server.admin }));
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
    return socket;
  }

  test('answers operations once it was initialised', async () => {
    const socket = await opened();
    socket.send(subscribe('1'));
    expect(await socket.next()).toMatchObject({ type: 'next', id: '1', payload: { data: { __typename: 'Query' } } });
    expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
    socket.close();
  });

  const broken: readonly [what: string, message: unknown][] = [
    ['a text that is no JSON', 'nothing'],
    ['an empty text', ''],
    ['JSON that is no message', '[]'],
    ['null', 'null'],
    ['a message without a type', {}],
    ['an unknown type of message', { type: 'start', id: '1', payload: { query: '{ __typename }' } }],
    ['a type that every object has', { type: 'constructor' }],
    ['a subscription without an id', { type: 'subscribe', payload: { query: '{ __typename }' } }],
    ['a subscription with an empty id', subscribe('')],
    ['a subscription without a payload', { type: 'subscribe', id: '1' }],
    ['a query that is no text', subscribe('1', { query: 1 })],
    ['variables that are a list', subscribe('1', { query: '{ __typename }', variables: [] })],
    ['variables that are a text', subscribe('1', { query: '{ __typename }', variables: '{}' })],
    ['an operationName that is no text', subscribe('1', { query: '{ __typename }', operationName: 1 })],
    ['a binary frame of garbage', Buffer.from([0xff, 0x00, 0x80])],
    ['a message that only the server may send', { type: 'connection_ack' }],
    ['JSON that is 100,000 lists deep', deepList(100_000)],
    ['a ping that is 100,000 lists deep', `{"type":"ping","payload":{"v":${deepList(100_000)}}}`],
    ['a pong that is 100,000 lists deep', `{"type":"pong","payload":{"v":${deepList(100_000)}}}`],
    ['a subscription whose id is 100,000 lists deep', `{"type":"subscribe","id":${deepList(100_000)},"payload":{}}`],
    ['a completion whose id is 100,000 lists deep', `{"type":"complete","id":${deepList(100_000)}}`],
  ];
  for (const [what, message] of broken)
    test(`is closed as the protocol says, and the server serves on, after ${what}`, async () => {
      const socket = await opened();
      socket.send(message);
      const { code } = await socket.closed;
      expect(code).toBe(4400);
    });

  test('carries on after operations that fail', async () => {
    const socket = await opened();
    const refused: readonly [query: string, code: string][] = [
      ['{', 'BAD_USER_INPUT'],
      ['', 'BAD_USER_INPUT'],
      ['{ nothing }', 'BAD_USER_INPUT'],
      [`{ users(search: ${'['.repeat(5_000)}`, 'LIMIT_EXCEEDED'],
      ['query A { __typename } query B { __typename }', 'BAD_USER_INPUT'],
    ];
    for (const [index, [query, code]] of refused.entries()) {
      socket.send(subscribe(String(index), { query }));
      expect(await socket.next()).toMatchObject({
        type: 'error',
        id: String(index),
        payload: [{ extensions: { code } }],
      });
    }
    socket.send(
      `{"type":"subscribe","id":"deep","payload":{"query":"query ($v: UUID!) { user(id: $v) { id } }","variables":{"v":${deepList(100_000)}}}}`,
    );
    expect(await socket.next()).toMatchObject({
      id: 'deep',
      payload: { errors: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] },
    });
    expect(await socket.next()).toEqual({ type: 'complete', id: 'deep' });
    socket.close();
  });

  test('answers a ping with what came with it, as deep as a variable may be, and no level deeper', async () => {
    const socket = await opened();
    socket.send(`{"type":"ping","payload":{"v":${deepList(39)}}}`);
    expect(await socket.next()).toEqual({ type: 'pong', payload: { v: JSON.parse(deepList(39)) } });
    socket.send(`{"type":"ping","payload":{"v":${deepList(40)}}}`);
    expect(await socket.closed).toMatchObject({ code: 4400 });
  });

  test('runs an operation whatever is in extensions that nobody reads', async () => {
    const socket = await opened();
    socket.send(
      `{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","extensions":{"v":${deepList(100_000)}}}}`,
    );
    expect(await socket.next()).toMatchObject({ type: 'next', id: '1', payload: { data: { __typename: 'Query' } } });
    socket.close();
  });

  test('is closed with 4400 for a connection_init that is 100,000 lists deep', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(`{"type":"connection_init","payload":{"v":${deepList(100_000)}}}`);
    expect(await socket.closed).toMatchObject({ code: 4400 });
  });

  test('is closed with 4429 for a second connection_init', async () => {
    const socket = await opened();
    socket.send(initMessage());
    expect(await socket.closed).toMatchObject({ code: 4429 });
  });

  test('is closed with 4409 for an id that is in use', async () => {
    const socket = await opened();
    const query = `subscription { syncEvents(userId: "${userId}") { cursor } }`;
    for (const id of ['same', 'same']) socket.send(subscribe(id, { query }));
    expect(await socket.closed).toMatchObject({ code: 4409 });
  });

  test('is closed with 4409, and as much of the reason as a frame takes, for a long id that is in use', async () => {
    const socket = await opened();
    const query = `subscription { syncEvents(userId: "${userId}") { cursor } }`;
    for (const id of ['ü'.repeat(200), 'ü'.repeat(200)]) socket.send(subscribe(id, { query }));
    const { code, reason } = await socket.closed;
    expect(code).toBe(4409);
    expect(reason).toMatch(/^Subscriber for ü+$/);
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
  });

  test('serves on after a ping with more in it than can be written back', async () => {
    const socket = await opened();
    socket.send(`{"type":"ping","payload":${deepObject(100_000)}}`);
    await Promise.race([socket.closed, socket.next()]);
    await opened();
  });

  test('serves on after a frame that is none from a client without a protocol', async () => {
    const upgrade = ['GET /graphql HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'];
    const keys = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
    const bytes = `${[...upgrade, ...keys].join('\r\n')}\r\n\r\n\u0081\u0000`;
    expect(await sendBytes(server.url, bytes)).toContain('101 Switching Protocols');
    await opened();
  });

  test('is closed with 4401 for an operation before connection_init', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(subscribe('1'));
    expect(await socket.closed).toMatchObject({ code: 4401 });
  });

  test('is closed with 4403 for a credential that is not good', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ 'x-api-key': 'sk-nothing' }));
    expect(await socket.closed).toEqual({ code: 4403, reason: 'Invalid or missing API key' });
  });

  test('answers pings, of the protocol and of the socket, before it is initialised and after', async () => {
    const socket = await openRawSocket(server.url);
    const ping = async () => {
      socket.send({ type: 'ping', payload: { at: 1 } });
      expect(await socket.next()).toEqual({ type: 'pong', payload: { at: 1 } });
      socket.send({ type: 'pong' }); // is taken, as it may come unasked
      socket.write(frameOf(opcodes.ping, 'at 1'));
      expect(await socket.nextPong()).toBe('at 1');
    };
    await ping();
    socket.send(initMessage({ ...server.admin }));
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
    await ping();
    socket.close();
    expect(await socket.closed).toMatchObject({ code: 1000 });
  });

  test('takes an id again when its operation is complete', async () => {
    const socket = await opened();
    for (let turn = 0; turn < 3; turn += 1) {
      socket.send(subscribe('same'));
      expect(await socket.next()).toMatchObject({ type: 'next', id: 'same' });
      expect(await socket.next()).toEqual({ type: 'complete', id: 'same' });
    }
    socket.close();
  });

  test('takes a message in fragments, with a ping between them', async () => {
    const socket = await opened();
    const message = JSON.stringify(subscribe('1'));
    socket.write(frameOf(opcodes.text, message.slice(0, 9), { isLast: false }));
    socket.write(frameOf(opcodes.ping, 'between'));
    expect(await socket.nextPong()).toBe('between');
    socket.write(frameOf(opcodes.continuation, '', { isLast: false }));
    socket.write(frameOf(opcodes.continuation, message.slice(9)));
    expect(await socket.next()).toMatchObject({ type: 'next', id: '1' });
    socket.close();
  });

  test('does not disturb a stream by what goes wrong with another operation', async () => {
    const socket = await opened();
    const follow = `subscription { syncEvents(userId: "${userId}", after: "0") { cursor } }`;
    socket.send(subscribe('good', { query: follow }));
    expect(await socket.next()).toMatchObject({ type: 'next', id: 'good' });
    for (const query of ['{', '{ nothing }', 'mutation { deleteUser }', 'subscription { __typename }']) {
      socket.send(subscribe('bad', { query }));
      expect(await socket.next()).toMatchObject({ type: 'error', id: 'bad' });
    }
    socket.send({ type: 'complete', id: 'of nobody' });
    await server.record({ userId });
    expect(await socket.next()).toMatchObject({ type: 'next', id: 'good' });
    socket.close();
    await acceptChanges();
  });

  test('is closed with 4408 when connection_init does not come', async () => {
    const impatient = await startServer({ limits: { connectionInitMs: 20 } });
    onTestFinished(() => impatient.close());
    const socket = await openRawSocket(impatient.url);
    expect(await socket.closed).toMatchObject({ code: 4408 });
  });

  test('is closed for frames that break the protocol', async () => {
    for (const [frame, code] of [
      [Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002], // an unknown kind of frame
      [Buffer.from([0xf1, 0x80, 0, 0, 0, 0]), 1002], // bits of an extension that was not agreed on
      [Buffer.from([0x81, 0x01, 0x61]), 1002], // a text that is not masked
      [Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), 1007], // a text that is no UTF-8
      [Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), 1009], // a length of 2^64
    ] as const) {
      const socket = await opened();
      socket.write(frame);
      expect(await socket.closed).toMatchObject({ code });
    }
  });

  test('is opened only for pages of this server and of CORS_ORIGINS', async () => {
    const shared = await startServer({ settings: { CORS_ORIGINS: 'https://app.example' } });
    onTestFinished(() => shared.close());
    for (const origin of [shared.url, 'https://app.example'])
      (await openRawSocket(shared.url, { headers: { origin } })).cut();
    for (const origin of [
      'https://foreign.example',
      'null',
      'https://app.example.foreign.example',
      'http://app.example',
      'x',
    ])
      await expect(openRawSocket(shared.url, { headers: { origin } })).rejects.toThrow('HTTP 403');
    await expect(openRawSocket(server.url, { headers: { origin: 'https://app.example' } })).rejects.toThrow('HTTP 403');
  });

  test('is opened on the GraphQL path only, in the one protocol there is', async () => {
    const url = server.url;
    await expect(
      sendBytes(url, 'GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    ).resolves.toMatch(/^HTTP\/1.1 404 /);
    for (const protocol of ['', 'graphql-ws', 'graphql-transport-ws2']) {
      const socket = await openRawSocket(url, { protocol });
      expect(socket.head.toLowerCase()).not.toContain('sec-websocket-protocol');
      expect(await socket.closed).toMatchObject({ code: 4406 });
    }
    const several = await openRawSocket(url, { protocol: 'graphql-ws, graphql-transport-ws' });
    expect(several.head.toLowerCase()).toContain('sec-websocket-protocol: graphql-transport-ws');
    several.cut();
  });
});
