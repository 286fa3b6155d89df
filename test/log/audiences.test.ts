import { expect, onTestFinished, test } from 'vitest';
import type { Limits } from '../../src/limits.ts';
import { lazyTransports, openLog, readLog } from '../support/log-reader.ts';
import { initMessage, openRawSocket, type RawSocket } from '../support/raw-socket.ts';
import { type Headers, startServer } from '../support/server.ts';
import { StreamCut, streamTransports, type TestStream } from '../support/streams.ts';

const filler = 'x'.repeat(60_000);

async function start(limits: Partial<Limits> = {}) {
  let contexts = 0;
  const server = await startServer({
    limits: { slowPollMs: 3_600_000, ...limits },
    clock() {
      contexts += 1;
      return Date.now();
    },
  });
  onTestFinished(() => server.close());
  const userId = await server.user({ email: 'before@example.com' });
  return {
    server,
    userId,
    /** How often the time was asked for during some work: each execution asks once. */
    async timesAsked(work: () => Promise<unknown>) {
      const before = contexts;
      await work();
      return contexts - before;
    },
    record: (...events: object[]) => server.record(...events.map((event) => ({ userId, ...event }))),
    /** A stream whose first payload has come. */
    async follow(
      query: string,
      variables: object = {},
      { headers = server.admin, open = streamTransports.websocket } = {},
    ) {
      const stream = await open(server.url, { query, variables: { userId, ...variables }, headers });
      onTestFinished(() => stream.close());
      await stream.next();
      return stream;
    },
    async socket(headers: Headers = server.admin): Promise<RawSocket> {
      const socket = await openRawSocket(server.url);
      onTestFinished(() => socket.cut());
      socket.send(initMessage({ ...headers }));
      await socket.next();
      return socket;
    },
  };
}

const eventsOf = async (stream: TestStream) => (await stream.next())?.data?.syncEvents.events;
const subscription = (selection: string, variables = '') =>
  `subscription ($userId: UUID!, $after: SyncCursor, $filter: SyncEventFilter ${variables}) {
    syncEvents(userId: $userId, after: $after, filter: $filter) { ${selection} } }`;
const selection = 'events { sequence message }';

test('events with more types of data than usual are worked out once, too', async () => {
  const { timesAsked, record, follow } = await start();
  const streams: TestStream[] = [];
  for (let each = 0; each < 10; each += 1)
    streams.push(await follow(subscription('events { sequence dataTypes { dataType } }')));
  // Those beyond what is usual are more than what makes a query wait for others.
  const dataTypes = Array.from({ length: 200 }, (_, index) => ({ dataType: `type_${index}`, state: 'COMPLETE' }));
  const asked = await timesAsked(async () => {
    await record(...Array.from({ length: 10 }, () => ({ dataTypes })));
    for (const stream of streams)
      expect(await eventsOf(stream)).toMatchObject(Array.from({ length: 10 }, () => ({ dataTypes: { length: 200 } })));
  });
  expect(asked).toBeLessThan(streams.length);
});

test('an event is worked out once for all who ask the same of it, wherever they began, over any transport', async () => {
  const { server, userId, timesAsked, record, follow } = await start();
  await record({}, {});
  const query = subscription(selection);
  const streams: TestStream[] = [];
  for (let each = 0; each < 10; each += 1) {
    streams.push(await follow(query));
    streams.push(await follow(query, { after: String(each % 3) }));
    streams.push(await follow(query, {}, { open: streamTransports.sse }));
    streams.push(await follow(query, {}, { headers: await server.userToken(userId) }));
  }
  const asked = await timesAsked(async () => {
    await record({ message: 'news' });
    for (const stream of streams) expect(await eventsOf(stream)).toEqual([{ sequence: 3, message: 'news' }]);
  });
  expect(asked).toBeLessThan(10);
});

test('what differs is not shared: the selection, its variables and the filter', async () => {
  const { record, follow } = await start();
  const conditional = subscription('events { sequence message @include(if: $long) }', '$long: Boolean = false');
  const streams = [
    await follow(subscription('events { sequence }')),
    await follow(subscription('events { number: sequence }')),
    await follow(conditional),
    await follow(conditional, { long: true }),
    await follow(conditional, { long: false }),
    await follow(subscription(selection), { filter: { providers: ['garmin'] } }),
    await follow(subscription(selection), { filter: { providers: ['garmin', 'oura'] } }),
  ];
  await record({ provider: 'garmin', message: 'a' }, { provider: 'oura', message: 'b' });
  const [a, b] = [
    { sequence: 1, message: 'a' },
    { sequence: 2, message: 'b' },
  ];
  expect(await Promise.all(streams.map(eventsOf))).toEqual([
    [{ sequence: 1 }, { sequence: 2 }],
    [{ number: 1 }, { number: 2 }],
    [{ sequence: 1 }, { sequence: 2 }],
    [a, b],
    [{ sequence: 1 }, { sequence: 2 }],
    [a],
    [a, b],
  ]);
});

test('what rests on more than the event is read anew for each: a change between is seen', async () => {
  const { server, userId, record, follow } = await start();
  const query = subscription('events { message metadata user { email } }');
  const slow = await follow(query, {}, { open: lazyTransports.websocket });
  const quick = await follow(query);
  // As much as no connection holds, so that the last event is read when the slow one comes to it.
  const events = 400;
  for (let left = events; left > 0; left -= 50)
    await record(...Array.from({ length: 50 }, (_, index) => ({ message: String(index), metadata: { filler } })));
  const emails = async (stream: TestStream) => {
    const seen: string[] = [];
    while (seen.length < events)
      seen.push(...(await eventsOf(stream)).map(({ user }: { user: { email: string } }) => user.email));
    return seen;
  };
  expect(new Set(await emails(quick))).toEqual(new Set(['before@example.com']));
  await server.graphql('mutation ($id: UUID!) { upsertUser(input: { id: $id, email: "after@example.com" }) { id } }', {
    id: userId,
  });
  expect((await emails(slow)).at(-1)).toBe('after@example.com');
});

test('each message has the id of its subscriber: the same one on many sockets, several on one, one that is used again', async () => {
  const { userId, record, socket } = await start();
  const subscribe = (id: string) => ({
    type: 'subscribe',
    id,
    payload: { query: subscription(selection), variables: { userId } },
  });
  const [one, other] = [await socket(), await socket()];
  for (const [wire, ids] of [
    [one, ['1', '"2"', 'é']],
    [other, ['1']],
  ] as const)
    for (const id of ids) {
      wire.send(subscribe(id));
      expect(await wire.next()).toMatchObject({ id, type: 'next' });
    }
  await record({ message: 'news' });
  const payload = { data: { syncEvents: { events: [{ sequence: 1, message: 'news' }] } } };
  for (const id of ['1', '"2"', 'é']) expect(await one.next()).toEqual({ id, type: 'next', payload });
  expect(await other.next()).toEqual({ id: '1', type: 'next', payload });

  one.send({ type: 'complete', id: '1' });
  one.send(subscribe('1'));
  expect(await one.next()).toMatchObject({ id: '1', type: 'next' });
  await record({ message: 'more' });
  const more = { data: { syncEvents: { events: [{ sequence: 2, message: 'more' }] } } };
  const got = [await one.next(), await one.next(), await one.next()];
  expect(got).toEqual(['"2"', 'é', '1'].map((id) => ({ id, type: 'next', payload: more })));
});

test('one of many who stops reading holds up nobody, and is ended alone', async () => {
  const { server, userId, record, follow } = await start({ slowConsumerMs: 500 });
  const query = subscription('events { sequence metadata } cursor');
  const slow = await follow(query, {}, { open: lazyTransports.websocket });
  const others = await Promise.all(Array.from({ length: 50 }, () => follow(subscription('events { sequence }'))));
  const alike = await follow(query);
  for (let sequence = 1; sequence <= 400; sequence += 1) {
    await record({ metadata: { filler } });
    expect(await eventsOf(alike)).toMatchObject([{ sequence }]);
  }
  for (const stream of others) for (let seen = 0; seen < 400; ) seen = (await eventsOf(stream)).at(-1).sequence;
  let last: Awaited<ReturnType<TestStream['next']>>;
  const seen: number[] = [];
  const nextOfSlow = () =>
    slow.next().catch((error: unknown) => {
      if (!(error instanceof StreamCut)) throw error;
      return undefined; // the socket is closed behind the last word
    });
  for (let result = await nextOfSlow(); result; result = await nextOfSlow()) {
    last = result;
    seen.push(...(result.data?.syncEvents.events ?? []).map(({ sequence }: { sequence: number }) => sequence));
  }
  expect(last?.errors).toMatchObject([{ extensions: { code: 'SLOW_CONSUMER', cursor: String(seen.length) } }]);
  expect(seen).toEqual(seen.map((_, index) => index + 1));
  const reader = await openLog(
    streamTransports.sse,
    { url: server.url, headers: server.admin },
    { userId, after: String(seen.length) },
  );
  expect((await reader.eventsUpTo(400)).length).toBe(400 - seen.length);
});

test('a credential that ends takes its own subscriber away, and no other', async () => {
  const { server, userId, record, follow } = await start();
  const short = await openLog(
    streamTransports.websocket,
    { url: server.url, headers: await server.userToken(userId, 1) },
    { userId },
  );
  await short.step();
  const long = await follow(readLog, {}, { headers: await server.userToken(userId) });
  await record({ message: 'one' });
  expect((await short.step()).events).toMatchObject([{ message: 'one' }]);
  expect(await short.end()).toMatchObject({ code: 'TOKEN_EXPIRED', cursor: '1' });
  await record({ message: 'two' });
  expect(await eventsOf(long)).toMatchObject([{ message: 'one' }]);
  expect(await eventsOf(long)).toMatchObject([{ message: 'two' }]);
});
