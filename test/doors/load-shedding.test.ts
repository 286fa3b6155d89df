import { expect, onTestFinished, test } from 'vitest';
import { openEventStream } from '../support/event-stream.ts';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { type RestAnswer, rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const json = { 'content-type': 'application/json' };
const post = (server: TestServer, query: string, headers: object = server.admin): Promise<RestAnswer> =>
  rest(`${server.url}/graphql`, { method: 'POST', headers: { ...json, ...headers }, body: { query } });

/** Lets nothing else of this process happen. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function level(server: TestServer): Promise<number> {
  const { text } = await rest(`${server.url}/metrics`);
  return Number(/\nsynclog_pressure (\d)/.exec(text)?.[1]);
}

test('a server whose loop is blocked puts off streams, strangers and large lists, and takes them when it is calm', async () => {
  // Far more than a busy machine delays a test, which counts for the server in its process.
  const limits = { strainLagMs: 2_000, overloadLagMs: 2_500, strainLastsMs: 8_000 };
  const server = await startServer({ settings: { LOAD_SHEDDING: 'on' }, limits });
  onTestFinished(() => server.close());
  const userId = await server.user();
  /** One that nobody has asked before: an answer that is kept lists nothing. */
  const large = (limit: number) =>
    `{ users(first: 100) { edges { node { recentSyncEvents(limit: ${limit}) { id } } } } }`;
  /** So many items of lists. */
  const costing = (items: number) =>
    `{ user(id: "${userId}") { a: recentSyncEvents(limit: 100) { id } b: recentSyncEvents(limit: ${items - 100}) { id } } }`;
  const subscription = `subscription { syncEvents(userId: "${userId}") { cursor } }`;
  const follow = () => post(server, subscription, { ...server.admin, accept: 'text/event-stream' });
  const stream = `${server.url}/api/v1/users/${userId}/sync/stream`;
  const open = await openEventStream(stream, server.admin);
  onTestFinished(() => open.close());
  expect((await post(server, '{ __typename }', {})).status).toBe(200);
  expect((await post(server, large(10))).status).toBe(200);
  const socket = await openRawSocket(server.url);
  onTestFinished(() => socket.close());
  socket.send(initMessage({ ...server.admin }));
  expect(await socket.next()).toEqual({ type: 'connection_ack' });

  block(2_700);
  const [followed, streamed, stranger, listed, costly, lessCostly, small, recorded, health, newcomer] =
    await Promise.all([
      follow(),
      rest(stream, { headers: server.admin }),
      post(server, '{ __typename }', {}),
      post(server, large(11)),
      post(server, costing(201)),
      post(server, costing(200)),
      post(server, '{ __typename }'),
      server.record({ userId }),
      rest(`${server.url}/healthz`),
      openRawSocket(server.url).then((late) => {
        late.send(initMessage({ ...server.admin }));
        return late.closed;
      }),
    ]);
  for (const refused of [followed, streamed, stranger, listed, costly])
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  expect(followed.body).toMatchObject({ errors: [{ extensions: { code: 'UNAVAILABLE' } }] });
  expect(newcomer).toMatchObject({ code: 1013 });
  expect([lessCostly.status, small.status, health.status, recorded.length]).toEqual([200, 200, 200, 1]);
  expect((await open.event()).event).toBe('sync.status'); // what has begun goes on

  block(2_700);
  socket.send({ type: 'subscribe', id: 'late', payload: { query: subscription } });
  expect(JSON.stringify(await socket.next())).toContain('UNAVAILABLE');
  const comesBack = await openEventStream(stream, { ...server.admin, accept: 'text/event-stream' });
  expect(await comesBack.event()).toMatchObject({ event: 'sync.end', data: { code: 'UNAVAILABLE' } });
  expect(await level(server)).toBe(2);
  expect((await rest(`${server.url}/metrics`)).text).toMatch(
    /synclog_limits_hit_total\{door="graphql",limit="costly"\} 2\n/,
  );

  await expect.poll(() => level(server), { timeout: 30_000 }).toBe(0);
  expect((await post(server, '{ __typename }', {})).status).toBe(200);
  expect((await post(server, large(12))).status).toBe(200);
  const again = await openEventStream(stream, server.admin);
  onTestFinished(() => again.close());
  expect(again.status).toBe(200);
});
