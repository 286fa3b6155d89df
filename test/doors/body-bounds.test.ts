import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { send, sendBytes } from '../support/raw-requests.ts';
import { anEvent, type Headers, startServer, type TestServer } from '../support/server.ts';

const limits = { queryBytes: 2_000, requestBytes: 5_000 };
let server: TestServer;
let userId: string;
let credentials: Record<'nobody' | 'reader' | 'user' | 'writer', Headers>;

beforeAll(async () => {
  server = await startServer({ limits });
  userId = await server.user();
  credentials = {
    nobody: {},
    reader: await server.key('read', 'admin'),
    user: await server.userToken(userId),
    writer: await server.key('write'),
  };
});
afterAll(() => server.close());

const json = { 'content-type': 'application/json' };
/** A body of so many bytes. */
const query = (bytes: number) => JSON.stringify({ query: '{ __typename }' }).padEnd(bytes);
const event = { run_id: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
const recorded = (bytes: number) => JSON.stringify(event).padEnd(bytes);
/** With its length, in chunks without one, and as what a page asks that sends what Yoga makes headers of. */
const forms = (body: string): { body: string | readonly string[]; more: Headers }[] => [
  { body, more: {} },
  { body: [body.slice(0, 100), body.slice(100)], more: {} },
  { body, more: { 'access-control-request-method': 'POST' } },
];

describe('a body for GraphQL', () => {
  test.each(['nobody', 'reader', 'user', 'writer'] as const)(
    'is bounded by what its sender may do: %s',
    async (who) => {
      const most = who === 'writer' ? limits.requestBytes : limits.queryBytes;
      for (const [bytes, status, codes] of [
        [most, 200, []],
        [most + 1, 413, ['LIMIT_EXCEEDED']],
        [20 * most, 413, ['LIMIT_EXCEEDED']],
      ] as const)
        for (const { body, more } of forms(query(bytes))) {
          const answer = await send(server.url, { headers: { ...json, ...credentials[who], ...more }, body });
          expect([bytes, answer]).toMatchObject([bytes, { status, codes }]);
          if (bytes === most + 1) expect(answer.body).toContain(`at most ${most} bytes`);
        }
    },
  );

  test('that is long tells who shows a bad credential so, and not how long it may be', async () => {
    const headers = { ...json, 'x-api-key': 'sk-nothing' };
    expect(await send(server.url, { headers, body: query(limits.queryBytes + 1) })).toMatchObject({
      status: 401,
      codes: ['UNAUTHENTICATED'],
    });
  });

  test('that is long is read once, and its mutation runs once', async () => {
    const { headCursor } = (await server.graphql(`{ user(id: "${userId}") { headCursor } }`)).data.user;
    const body = JSON.stringify({
      query:
        'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }',
      variables: { events: [{ ...anEvent, userId }] },
    });
    for (const form of forms(body.padEnd(limits.queryBytes + 1)))
      expect(
        await send(server.url, { headers: { ...json, ...server.admin, ...form.more }, body: form.body }),
      ).toMatchObject({ status: 200, codes: [] });
    const { data } = await server.graphql(`{ user(id: "${userId}") { headCursor } }`);
    expect(Number(data.user.headCursor) - Number(headCursor)).toBe(3);
  });
});

describe('a body for REST', () => {
  const path = () => `/api/v1/users/${userId}/sync/events`;

  test.each(['reader', 'user', 'writer'] as const)('is bounded by what its sender may do: %s', async (who) => {
    const most = who === 'writer' ? limits.requestBytes : limits.queryBytes;
    for (const [bytes, status] of [
      [most, who === 'writer' ? 201 : 403],
      [most + 1, 413],
    ] as const)
      for (const { body } of forms(recorded(bytes))) {
        const answer = await send(server.url, { path: path(), headers: { ...json, ...credentials[who] }, body });
        expect([bytes, answer.status]).toEqual([bytes, status]);
      }
  });
});

test('a body in pieces of one byte is what it is in one piece', async () => {
  for (const [path, body, status] of [
    ['/graphql', query(limits.requestBytes), 200],
    [`/api/v1/users/${userId}/sync/events`, recorded(limits.requestBytes), 201],
  ] as const) {
    const lines = Object.entries({ host: 'x', ...json, ...credentials.writer, 'transfer-encoding': 'chunked' });
    const head = `POST ${path} HTTP/1.1\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}\r\n`;
    const chunks = [...body].map((byte) => `1\r\n${byte}\r\n`).join('');
    expect(await sendBytes(server.url, `${head}${chunks}0\r\n\r\n`)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  }
});

test('a body has room for what its sender needs by the default bounds', async () => {
  const usual = await startServer();
  try {
    const headers = { ...json, ...(await usual.key('read')) };
    expect(await send(usual.url, { headers, body: query(262_144) })).toMatchObject({ status: 200 });
    expect(await send(usual.url, { headers, body: query(262_145) })).toMatchObject({ status: 413 });
    const user = await usual.user();
    const long = { ...anEvent, userId: user, message: 'm'.repeat(4_096), error: 'e'.repeat(8_000) };
    const events = Array.from({ length: 500 }, (_, index) => ({ ...long, runId: `run_${index}` }));
    expect(await usual.record(...events)).toHaveLength(500);
  } finally {
    await usual.close();
  }
});
