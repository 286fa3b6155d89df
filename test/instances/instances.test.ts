import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { type FaultyPostgres, startFaultyPostgres } from '../support/faulty-postgres.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { type Instances, startInstances } from '../support/instances.ts';
import { type LogWish, openLog } from '../support/log-reader.ts';
import type { Headers } from '../support/server.ts';
import { graphql } from '../support/server-process.ts';
import { streamTransports } from '../support/streams.ts';

let postgres: FaultyPostgres;

beforeAll(async () => {
  postgres = await startFaultyPostgres();
});
afterAll(() => postgres?.remove());

const sequences = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);
const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

test('a reader who was shown more by another instance is not told that its cursor is ahead', async () => {
  const url = await postgres.createDatabase('deaf');
  await migrate(url);
  const database = await openDatabase(url);
  onTestFinished(() => database.close());
  const open = () => {
    // Without a wire, and with a poll that does not come, an instance hears nothing of the others.
    const limits = { ...defaultLimits, slowPollMs: 600_000 };
    const log = openEventLog({
      database,
      limits,
      clock: Date.now,
      onError: (error) => expect.unreachable(String(error)),
    });
    onTestFinished(() => log.close());
    return log;
  };
  const [a, b] = [open(), open()];
  const userId = randomUUID();
  await database.reader.user.create({ data: { id: userId } });
  const event = { userId, runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const deaf = b.follow({ userId }, leaving.signal);
  expect((await deaf.next()).value).toMatchObject({ cursor: 0 });

  await a.record([event, event]);
  const resumed = b.follow({ userId, after: 2 }, leaving.signal);
  expect((await resumed.next()).value).toMatchObject({ events: [], cursor: 2, head: 2, caughtUp: true, reset: null });
  const ahead = b.follow({ userId, after: 3 }, leaving.signal);
  expect((await ahead.next()).value).toMatchObject({ cursor: 2, reset: { reason: 'CURSOR_AHEAD', head: 2 } });
});

describe.each(hasRedis() ? (['notify', 'redis'] as const) : (['notify'] as const))('two instances on %s', (bell) => {
  let instances: Instances;
  let redis: FaultyRedis | undefined;

  beforeAll(async () => {
    redis = bell === 'redis' ? await startFaultyRedis() : undefined;
    instances = await startInstances(await postgres.createDatabase(bell), {
      settings: redis ? { REDIS_URL: redis.url } : {},
      limits: { credentialPollMs: 300, slowPollMs: 2_000 },
    });
  });
  afterAll(async () => {
    await instances?.close();
    await redis?.stop();
  });

  const follow = (index: 0 | 1, wish: LogWish, name: keyof typeof streamTransports = 'websocket', headers?: Headers) =>
    openLog(streamTransports[name], { url: instances.apps[index].url, headers: headers ?? instances.admin }, wish);

  /** How long each of some events took from its acknowledgement on one instance to a reader of the other. */
  async function latencies(count: number): Promise<number[]> {
    const userId = await instances.user();
    const reader = await follow(1, { userId });
    await reader.step();
    const took: number[] = [];
    for (let event = 1; event <= count; event += 1) {
      const seen = reader.eventsUpTo(event).then(() => performance.now());
      await instances.record(instances.apps[0], userId);
      const acknowledged = performance.now();
      took.push(Math.max(0, (await seen) - acknowledged));
    }
    await reader.close();
    return took;
  }

  test('an event of one reaches a subscriber of the other at once', async () => {
    await latencies(20);
    const took = await latencies(200);
    process.stdout.write(
      `wake-ups over ${bell}: median ${median(took).toFixed(1)} ms, worst ${Math.max(...took).toFixed(1)} ms of 200\n`,
    );
    expect(median(took)).toBeLessThan(500);
  });

  test('losing the doorbell costs time only, and it comes back by itself', async () => {
    const userId = await instances.user();
    const reader = await follow(1, { userId });
    await reader.step();
    const read = reader.eventsUpTo(50);
    for (let event = 0; event < 50; event += 1) {
      if (event % 10 === 0) await loseDoorbell();
      await instances.record(instances.apps[0], userId);
    }
    expect(sequences(await read)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    if (redis) {
      await redis.stop();
      const withoutBell = reader.eventsUpTo(51);
      await instances.record(instances.apps[0], userId);
      expect(sequences(await withoutBell)).toEqual([51]);
      await redis.start();
    }
    await expect.poll(async () => median(await latencies(5))).toBeLessThan(500);
  });

  test('a signal that names what is not there silences nobody', async () => {
    const userId = await instances.user();
    const reader = await follow(1, { userId });
    await reader.step();
    const runs = await streamTransports.sse(instances.apps[1].url, {
      query:
        'subscription ($userId: UUID!) { syncRunChanges(filter: { userId: $userId }) { began run { eventCount } } }',
      variables: { userId },
      headers: instances.admin,
    });
    expect((await runs.next())?.data.syncRunChanges.began).toBe(true);
    const changes = [
      ...[500, 2 ** 31 - 1, 2 ** 31, 3_000_000_000, 2 ** 53 - 1, 2 ** 53, 1e300, -1, 0, 1.5, null, 'many', [1], {}].map(
        (head) => [userId, head, head],
      ),
      ...[[], [userId, 1], [userId, 0, 1, 2], [userId.toUpperCase()], [randomUUID()], [randomUUID(), 0, 9], ['x'], 7],
    ];
    const messages = [
      ...changes.map((change) => JSON.stringify(['somebody', [change]])),
      JSON.stringify(['somebody', changes]),
      `["somebody",[["${userId}",NaN,NaN]]]`,
      JSON.stringify(['somebody', Array.from({ length: 99 }, () => [userId, 1, 2])]),
      ...['heartbeat', '{', '', 'null', '[]', '[[]]', JSON.stringify('x'.repeat(7_000))],
    ];
    if (redis) messages.push(JSON.stringify(['somebody', Array.from({ length: 100_000 }, () => [userId])]));
    for (const message of messages) await ring(message);
    await instances.record(instances.apps[0], userId, 3);
    expect(sequences(await reader.eventsUpTo(3))).toEqual([1, 2, 3]);
    expect((await runs.next())?.data.syncRunChanges.run).toEqual({ eventCount: 3 });
    await instances.record(instances.apps[0], userId, 1);
    expect(sequences(await reader.eventsUpTo(4))).toEqual([4]);
    expect((await runs.next())?.data.syncRunChanges.run).toEqual({ eventCount: 4 });
    const late = await follow(1, { userId, after: '0' });
    expect(await late.step()).toMatchObject({ cursor: '4', headCursor: '4', caughtUp: true });
    await Promise.all([late.close(), reader.close(), runs.close()]);
  });

  test('a signal that calls a user deleted who is there ends nothing', async () => {
    const userId = await instances.user();
    const mint = `mutation { createUserToken(userId: "${userId}") { token } }`;
    const { createUserToken } = await graphql({ url: instances.apps[0].url, headers: instances.admin }, mint);
    const reader = await follow(1, { userId });
    await reader.step();
    const runs = await streamTransports.sse(instances.apps[1].url, {
      query: 'subscription { syncRunChanges { began run { userId } } }',
      headers: { authorization: `Bearer ${createUserToken.token}` },
    });
    expect((await runs.next())?.data.syncRunChanges.began).toBe(true);
    await ring(JSON.stringify(['somebody', [[userId]]]));
    await ring(JSON.stringify(['somebody', [[userId, 0, 1]]])); // heard after the lie
    await instances.record(instances.apps[0], userId);
    expect(sequences(await reader.eventsUpTo(1))).toEqual([1]);
    expect((await runs.next())?.data).toEqual({ syncRunChanges: { began: false, run: { userId } } });
    await runs.close();
    await reader.close();
  });

  async function ring(message: string): Promise<void> {
    if (!redis) return void (await postgres.query('SELECT pg_notify($1, $2)', ['synclog', message], bell));
    const client = new Redis(redis.url);
    await client.publish('synclog:doorbell', message);
    client.disconnect();
  }

  async function loseDoorbell(): Promise<void> {
    if (redis) {
      await redis.stop();
      await redis.start();
    } else
      await postgres.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'synclog doorbell'",
      );
  }

  test('a reader goes on at the other instance and over the other transport, without a gap', async () => {
    const userId = await instances.user();
    let recording = true;
    const recorders = instances.apps.map(async (app) => {
      while (recording) await instances.record(app, userId, 3);
    });
    const seen: number[] = [];
    let after = '0';
    for (let turn = 0; turn < 12; turn += 1) {
      const reader = await follow((turn % 2) as 0 | 1, { userId, after }, turn % 4 < 2 ? 'sse' : 'websocket');
      for (let step = 0; step <= turn % 3; step += 1) {
        const { events, cursor } = await reader.step();
        seen.push(...sequences(events));
        after = cursor;
      }
      await reader.close();
    }
    recording = false;
    await Promise.all(recorders);
    expect(seen.length).toBeGreaterThan(12);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
  });

  test('deleting a user at one ends the runs that a token of that user watches at the other', async () => {
    const userId = await instances.user();
    const mint = `mutation { createUserToken(userId: "${userId}") { token } }`;
    const { createUserToken } = await graphql({ url: instances.apps[0].url, headers: instances.admin }, mint);
    const runs = await streamTransports.sse(instances.apps[1].url, {
      query: 'subscription { syncRunChanges { began } }',
      headers: { authorization: `Bearer ${createUserToken.token}` },
    });
    expect((await runs.next())?.data).toEqual({ syncRunChanges: { began: true } });
    await graphql(
      { url: instances.apps[0].url, headers: instances.admin },
      `mutation { deleteUser(id: "${userId}") { deletedUserId } }`,
    );
    expect(await runs.next()).toBeUndefined();
  });

  test('deleting a user at one ends the streams at the other', async () => {
    const userId = await instances.user();
    const reader = await follow(1, { userId });
    await reader.step();
    await graphql(
      { url: instances.apps[0].url, headers: instances.admin },
      'mutation ($id: UUID!) { deleteUser(id: $id) { __typename } }',
      { id: userId },
    );
    expect(await reader.end()).toMatchObject({ code: undefined, by: 'complete' });
    expect(instances.apps[1].services.log.followedLogs).toBe(0);
  });

  test('a user that is deleted and made anew at one does not connect to the old log at the other', async () => {
    const userId = await instances.user();
    const [a] = instances.apps;
    await instances.record(a, userId, 3);
    const reader = await follow(1, { userId, after: '0' });
    await reader.eventsUpTo(3);
    await a.services.users.delete(userId);
    await a.services.users.upsert({ id: userId });
    await instances.record(a, userId, 9);
    expect(await reader.end()).toMatchObject({ by: 'complete' });
  });

  test('a user that is made anew while the doorbell is lost has another log', async () => {
    const userId = await instances.user();
    const [a] = instances.apps;
    await instances.record(a, userId, 3);
    const reader = await follow(1, { userId, after: '0' });
    await reader.eventsUpTo(3);
    const { reader: users } = a.services.database;
    const { createdAt: madeAt } = await users.user.findUniqueOrThrow({ where: { id: userId } });
    // Without a signal, and with no time between in which a look could miss the user.
    await a.services.database.transaction(async (transaction) => {
      await transaction.$executeRaw`DELETE FROM "user" WHERE id = CAST(${userId} AS UUID)`;
      const data = { id: userId, headSequence: 9, tailSequence: 10, createdAt: new Date(madeAt.getTime() + 1) };
      await transaction.user.create({ data });
    });
    expect(await reader.end()).toMatchObject({ by: 'complete' });
    const next = await follow(1, { userId, after: '0' });
    expect(await next.step()).toMatchObject({ headCursor: '9' });
    await next.close();
  });

  test('revoking a key at one ends its streams at the other, with a cursor', async () => {
    const userId = await instances.user();
    await instances.record(instances.apps[0], userId, 2);
    const { key, secret } = await instances.apps[0].services.keys.create({
      name: 'r',
      scopes: ['read'],
      expiresAt: null,
    });
    const readers = [
      await follow(1, { userId }, 'websocket', { 'x-api-key': secret }),
      await follow(1, { userId }, 'sse', { 'x-api-key': secret }),
    ];
    await Promise.all(readers.map((reader) => reader.step()));
    const revoked = performance.now();
    await instances.apps[0].services.keys.revoke(key.id);
    for (const reader of readers) expect(await reader.end()).toMatchObject({ code: 'UNAUTHENTICATED', cursor: '2' });
    expect(performance.now() - revoked).toBeLessThan(5_000);
  });

  test('rotating a key at one ends the streams of the secret before at the other, once the overlap is over', async () => {
    const userId = await instances.user();
    const { keys } = instances.apps[0].services;
    const { key, secret } = await keys.create({ name: 'r', scopes: ['read'], expiresAt: null });
    const reading = (each: string) => follow(1, { userId }, 'sse', { 'x-api-key': each });
    const before = await reading(secret);
    await before.step();
    const rotated = await keys.rotate({ id: key.id, overlapSeconds: 1 });
    const [during, renewed] = [await reading(secret), await reading(rotated.secret)];
    await Promise.all([during, renewed].map((reader) => reader.step()));
    for (const reader of [before, during]) expect(await reader.end()).toMatchObject({ code: 'TOKEN_EXPIRED' });
    const viewers = [secret, rotated.secret].map((each) => instances.apps[1].services.keys.verify(each));
    expect(await Promise.all(viewers)).toMatchObject([null, { keyId: key.id }]);
    await instances.record(instances.apps[0], userId);
    expect((await renewed.step()).events).toHaveLength(1);
    await renewed.close();
  });

  test('changes of runs of one reach a subscriber of the other, also those of a time without a doorbell', async () => {
    const userId = await instances.user();
    const stream = await streamTransports.websocket(instances.apps[1].url, {
      query: `subscription ($userId: UUID!) {
        syncRunChanges(filter: { userId: $userId }) { began run { runId eventCount } }
      }`,
      variables: { userId },
      headers: instances.admin,
    });
    const next = async () => (await stream.next())?.data.syncRunChanges;
    expect(await next()).toEqual({ began: true, run: null });
    await instances.record(instances.apps[0], userId, 1, { runId: 'heard' });
    expect(await next()).toEqual({ began: false, run: { runId: 'heard', eventCount: 1 } });

    if (redis) await redis.stop();
    else
      await postgres.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'synclog doorbell'",
      );
    await instances.record(instances.apps[0], userId, 1, { runId: 'unheard' });
    await redis?.start();
    expect(await next()).toEqual({ began: false, run: { runId: 'unheard', eventCount: 1 } });
    await stream.close();
  });

  test('streams hold no database connection while they wait', async () => {
    const readers = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const reader = await follow((index % 2) as 0 | 1, { userId: await instances.user() });
        await reader.step();
        return reader;
      }),
    );
    const busy =
      "SELECT 1 FROM pg_stat_activity WHERE application_name = 'synclog' AND state <> 'idle' AND datname = $1";
    await expect.poll(() => postgres.query(busy, [bell])).toEqual([]);
    const all = await postgres.query(
      "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'synclog%' AND datname = $1",
      [bell],
    );
    expect(all.length).toBeLessThanOrEqual(22);
    await Promise.all(readers.map((reader) => reader.close()));
  });
});
