import { GraphQLError } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { RequestLog } from '../../src/transports/request-log.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openWebSocketStream } from '../support/streams.ts';

let server: TestServer;
let userId: string;
const lines: string[] = [];
const entries = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');

beforeAll(async () => {
  server = await startServer({ logger: pino({ level: 'debug' }, { write: (line) => lines.push(line) }) });
  userId = await server.user();
  await server.record({ userId });
  await vi.waitFor(() => expect(entries()).toHaveLength(2), 20_000);
});
afterAll(() => server.close());

/** What is logged of the requests that `work` sends, of which there are so many. */
async function loggedOf(count: number, work: () => Promise<unknown>) {
  lines.length = 0;
  await work();
  await expect.poll(entries).toHaveLength(count);
  return entries();
}

const named = 'query Named($id: UUID!) { user(id: $id) { headCursor } }';

test('the log has a line for each request, with an id, the operation, how long it took and what came of it', async () => {
  const logged = await loggedOf(5, async () => {
    for (const _ of [1, 2, 3]) await server.graphql(named, { id: userId }); // the last is an answer that was kept
    await server.graphql('{ users(first: 0, last: 0) { nope } viewer { scopes } }');
    await fetch(`${server.url}/api/v1/users/${userId}/sync/recent?access_token=hush-hush`);
  });
  for (const { level, id, ms } of logged) {
    expect(level).toBe(20);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(ms).toBeGreaterThanOrEqual(0);
  }
  expect(new Set(logged.map(({ id }) => id)).size).toBe(5);
  const shown = logged.map(({ door, operation, outcome }) => `${door}: ${operation}: ${outcome}`);
  expect(shown.slice(0, 3)).toEqual(Array(3).fill('graphql: query Named: 200'));
  expect(shown[3]).toBe('graphql: query { users viewer }: 200 BAD_USER_INPUT');
  expect(shown[4]).toBe(`rest: GET /api/v1/users/${userId}/sync/recent: 401 UNAUTHENTICATED`);
});

test('an operation on a socket, and a stream, have one when they end', async () => {
  const logged = await loggedOf(1, async () => {
    const query = 'subscription Live($id: UUID!) { syncEvents(userId: $id, replayLast: 1) { cursor } }';
    const stream = await openWebSocketStream(server.url, { query, variables: { id: userId }, headers: server.admin });
    await stream.next();
    await stream.close();
  });
  expect(logged).toEqual([expect.objectContaining({ door: 'websocket', operation: 'subscription Live' })]);
});

test('no line has anything that a client sent beside: no credential, no variable, no query of a URL', async () => {
  const secret = Object.values(server.admin)[0] ?? '';
  const email = 'somebody@secret.example';
  await loggedOf(4, async () => {
    await server.graphql('mutation Up($input: UpsertUserInput!) { upsertUser(input: $input) { id } }', {
      input: { email },
    });
    await server.graphql(`{ users(search: "${email}") { edges { cursor } } }`);
    await fetch(`${server.url}/api/v1/sync/runs?access_token=${secret}`, { headers: server.admin });
    await fetch(`${server.url}/nowhere/${secret}?key=${secret}`);
  });
  const text = lines.join('');
  expect(text).toContain('GET /nowhere/sk-…');
  for (const hidden of [secret, email, 'access_token']) expect(text).not.toContain(hidden);
});

test('no secret is in a path, however it and its name are encoded', async () => {
  const [key, value] = [Object.values(server.admin)[0] ?? '', 'horse-battery-staple'];
  const encoded = (text: string) => [...text].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');
  const paths = [
    `nowhere/${key.replace('-', '%2D')}`,
    `nowhere/%73k-${key.slice(3)}`,
    `nowhere/${encoded('sk-')}${key.slice(3)}`,
    `nowhere/${encoded(encoded('sk-'))}${key.slice(3)}`,
    `nowhere%3Fx%2Dapi%2Dkey=${value}`,
    `nowhere%3FX%2dApi%2dKey%3D${value}%2F${value}`,
    `nowhere;access%5Ftoken=${value}`,
    `nowhere/%61ccess_token%3d${value}`,
    `api/v1/${encoded('authorization:')}Bearer%20${value}`,
    `nowhere/${encoded(encoded(encoded(encoded('key='))))}${value}`,
    `nowhere/plain%2Dpath`,
  ];
  const logged = await loggedOf(paths.length, async () => {
    for (const path of paths) await fetch(`${server.url}/${path}`);
  });
  const text = JSON.stringify(logged);
  for (const hidden of [key, key.slice(3), value]) expect(text).not.toContain(hidden);
  expect(text).toContain('GET /nowhere?x-api-key=…');
  expect(text).toContain('GET /nowhere/plain%2Dpath');
});

test('nothing is written at `info`', async () => {
  const quiet: string[] = [];
  const other = await startServer({ logger: pino({ level: 'info' }, { write: (line) => quiet.push(line) }) });
  await other.graphql('{ viewer { scopes } }');
  await other.close();
  expect(quiet.join('')).not.toContain('"request"');
});

test('a mistake of the server counts and warns, whatever errors of the client stand before it', async () => {
  const written: string[] = [];
  const log = new RequestLog(pino({ level: 'info' }, { write: (line) => written.push(line) }));
  const entry = log.begin('graphql');
  entry.fails(
    ['NOT_FOUND', 'INTERNAL_SERVER_ERROR', 'NOT_FOUND'].map((code) => new GraphQLError(code, { extensions: { code } })),
  );
  entry.end('200', 'OK');
  expect(written.map((line) => JSON.parse(line))).toMatchObject([
    { level: 40, outcome: '200 NOT_FOUND INTERNAL_SERVER_ERROR' },
  ]);
});
