import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

const secret = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
let server: TestServer;
let userId: string;

beforeAll(async () => {
  server = await startServer({ settings: { OPEN_WEARABLES_WEBHOOK_SECRET: `whsec_${secret}` } });
  userId = await server.user();
});
afterAll(() => server.close());

/** Signs a delivery as Svix does, over its bytes. */
function signed(body: Buffer): Headers {
  const [id, time] = ['msg_1', String(Math.floor(Date.now() / 1000))];
  const mac = createHmac('sha256', Buffer.from(secret, 'base64')).update(`${id}.${time}.`).update(body);
  return { 'svix-id': id, 'svix-timestamp': time, 'svix-signature': `v1,${mac.digest('base64')}` };
}

const event = { run_id: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
const recording = `mutation ($userId: UUID!, $message: String) { recordSyncEvents(input: { events: [{
  userId: $userId, runId: "r", provider: "oura", source: PULL, stage: FETCHING, status: IN_PROGRESS, message: $message
}] }) { results { event { message } } } }`;
const delivery = { run_id: 'w', provider: 'oura', source: 'pull', message: 'Größe' };

/** Every door that takes a body, with one that it takes. */
const doors: readonly [
  name: string,
  path: () => string,
  body: () => object,
  more: (body: Buffer) => Headers,
  good: number,
][] = [
  ['GraphQL', () => '/graphql', () => ({ query: recording, variables: { userId, message: 'Größe' } }), () => ({}), 200],
  [
    'GraphQL by server-sent events',
    () => '/graphql',
    () => ({ query: recording, variables: { userId, message: 'Größe' } }),
    () => ({ accept: 'text/event-stream' }),
    200,
  ],
  ['REST', () => `/api/v1/users/${userId}/sync/events`, () => ({ ...event, message: 'Größe' }), () => ({}), 201],
  [
    'a webhook',
    () => '/api/v1/webhooks/open-wearables',
    () => ({ type: 'sync.started', data: { ...delivery, user_id: userId } }),
    signed,
    200,
  ],
];

describe.each(doors)('a body for %s', (_, path, body, more, good) => {
  const bytes = () => Buffer.from(JSON.stringify(body()));
  const send = async (sent: Buffer, headers: Headers = {}, framing: Headers = {}) => {
    const { 'x-api-key': key = '' } = server.admin;
    const all = { 'x-api-key': key, 'content-type': 'application/json', ...more(sent), ...headers, ...framing };
    return rest(server.url + path(), { method: 'POST', headers: all, body: sent });
  };
  /** With its length, and in chunks without one. */
  const framings = (sent: Buffer): Headers[] => [
    { 'content-length': String(sent.length) },
    { 'transfer-encoding': 'chunked' },
  ];

  test('is UTF-8, whatever the name under which its charset says so', async () => {
    for (const type of [
      '',
      '; charset=utf-8',
      '; charset=UTF-8',
      ';charset=utf8',
      '; Charset="utf-8"',
      '; x=y; charset="UTF8"',
    ])
      for (const framing of framings(bytes()))
        expect([type, (await send(bytes(), { 'content-type': `application/json${type}` }, framing)).status]).toEqual([
          type,
          good,
        ]);
  });

  test('may begin with a byte order mark', async () => {
    const marked = Buffer.concat([Buffer.from('\ufeff'), bytes()]);
    for (const framing of framings(marked)) {
      const answer = await send(marked, {}, framing);
      expect(answer.status).toBe(good);
      expect(answer.text).not.toContain('errors');
    }
  });

  test('is refused in words for bytes that are no UTF-8, and not stored as something else', async () => {
    const latin = Buffer.from(JSON.stringify(body()), 'latin1');
    for (const framing of framings(latin)) {
      const answer = await send(latin, {}, framing);
      expect(answer.text).toContain('UTF-8');
      if (!answer.headers['content-type']?.startsWith('text/event-stream')) expect(answer.status).toBe(400);
    }
    const stored = await rest(`${server.url}/api/v1/users/${userId}/sync/recent?limit=200`, { headers: server.admin });
    expect(stored.text).not.toContain('\ufffd');
  });

  test('is refused with 415 in another charset, and compressed', async () => {
    for (const charset of ['iso-8859-1', 'utf-16', 'nonsense', '"latin1"']) {
      const answer = await send(bytes(), { 'content-type': `application/json; charset=${charset}` });
      expect([charset, answer.status]).toEqual([charset, 415]);
      expect(answer.text).toContain('charset');
    }
    for (const [encoding, status] of [
      ['gzip', 415],
      ['br', 415],
      ['GZIP', 415],
      ['identity, gzip', 415],
      ['identity', good],
    ] as const) {
      const sent = status === 415 ? gzipSync(bytes()) : bytes();
      for (const framing of framings(sent)) {
        const answer = await send(sent, { 'content-encoding': encoding }, framing);
        expect([encoding, answer.status]).toEqual([encoding, status]);
        if (status === 415) expect(answer.text).toContain('content-encoding');
      }
    }
  });
});

describe('a message on a WebSocket', () => {
  const message = Buffer.from('{"type":"ping","payload":{"size":"Größe"}}');

  test('may be binary, and begin with a byte order mark', async () => {
    const socket = await openRawSocket(server.url);
    for (const sent of [message, Buffer.concat([Buffer.from('\ufeff'), message])]) {
      socket.send(sent);
      expect(await socket.next()).toEqual({ type: 'pong', payload: { size: 'Größe' } });
    }
    socket.close();
  });

  test('is refused when it is no UTF-8', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ ...server.admin }));
    await socket.next();
    socket.send(Buffer.from('{"type":"ping","payload":{"size":"Größe"}}', 'latin1'));
    expect(await socket.closed).toMatchObject({ code: 4400 });
  });
});
