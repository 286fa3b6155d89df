import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { judgeClock } from '../../src/log/believed-time.ts';
import { cutLog } from '../../src/log/cut-log.ts';
import { Retention } from '../../src/log/retention.ts';
import { openLog } from '../support/log-reader.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

const dayMs = 86_400_000;
const kept = 20;
let server: TestServer;
/** The server's clock, ahead of the real one. */
let aheadMs = 0;
/** Of each of their statements that looked for the end of what is too old: how many events it may have looked at. */
const looked: number[] = [];

beforeAll(async () => {
  server = await startServer({
    clock: () => Date.now() + aheadMs,
    limits: { retainedEvents: kept, retentionBatch: 10, retentionUsers: 2, slowPollMs: 200 },
    onStatement({ sql, values }) {
      const [from, upTo] = values.filter((value) => typeof value === 'number');
      if (/^\s*SELECT.*recorded_at/s.test(sql) && from !== undefined && upTo !== undefined) looked.push(upTo - from);
    },
  });
});
afterAll(() => server.close());

const retention = (changed: Partial<ConstructorParameters<typeof Retention>[0]> = {}) =>
  new Retention({
    database: server.app.services.database,
    limits: { ...defaultLimits, retainedEvents: kept, retentionBatch: 10, retentionUsers: 2 },
    days: 30,
    clock: () => Date.now() + aheadMs,
    onError: (error) => expect.unreachable(String(error)),
    ...changed,
  });

/** A user with so many events that are `ageDays` old, and then so many new ones. */
async function userWith(old: number, fresh = 0, ageDays = 31): Promise<string> {
  const userId = await server.user();
  aheadMs -= ageDays * dayMs;
  for (let event = 0; event < old; event += 25)
    await server.record(...events(userId, Math.min(25, old - event), 'old run'));
  aheadMs += ageDays * dayMs;
  if (fresh > 0) await server.record(...events(userId, fresh, 'new run'));
  return userId;
}

const events = (userId: string, count: number, runId: string) =>
  Array.from({ length: count }, () => ({ userId, runId }));

async function logOf(id: string) {
  const { reader } = server.app.services.database;
  const rows = await reader.syncEvent.findMany({ where: { userId: id }, orderBy: { sequence: 'asc' } });
  const runs = await reader.syncRun.findMany({ where: { userId: id }, orderBy: { runId: 'asc' } });
  const user = await reader.user.findUniqueOrThrow({ where: { id } });
  return {
    sequences: rows.map(({ sequence }) => sequence),
    runs: runs.map(({ runId }) => runId),
    tail: user.tailSequence,
    head: user.headSequence,
  };
}

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

test('what is too old goes, the newest events stay however old they are, and the tail says where the log begins', async () => {
  const allOld = await userWith(55);
  const few = await userWith(kept);
  const mixed = await userWith(30, 25);
  const young = await userWith(60, 0, 29);
  const empty = await server.user();
  await retention().sweep();
  expect(await logOf(allOld)).toEqual({ sequences: range(36, 55), runs: ['old run'], tail: 36, head: 55 });
  expect(await logOf(few)).toEqual({ sequences: range(1, kept), runs: ['old run'], tail: 1, head: kept });
  expect(await logOf(mixed)).toEqual({ sequences: range(31, 55), runs: ['new run'], tail: 31, head: 55 });
  expect(await logOf(young)).toEqual({ sequences: range(1, 60), runs: ['old run'], tail: 1, head: 60 });
  expect(await logOf(empty)).toEqual({ sequences: [], runs: [], tail: 1, head: 0 });
  expect(await retention().sweep()).toEqual({ events: 0, runs: 0 });
});

test('one event past what is kept goes, in one batch', async () => {
  const userId = await userWith(kept + 1);
  expect(await retention().sweep()).toEqual({ events: 1, runs: 0 });
  expect((await logOf(userId)).tail).toBe(2);
});

/** The server's database, with how many events of a log each transaction has removed. */
function countingBatches(userId: string, batches: number[]): TestServer['app']['services']['database'] {
  const { database } = server.app.services;
  const count = () => database.reader.syncEvent.count({ where: { userId } });
  return {
    ...database,
    async transaction(work) {
      const before = await count();
      const done = await database.transaction(work);
      batches.push(before - (await count()));
      return done;
    },
  };
}

test('it goes oldest first, in small batches, and stops between two of them when it is closed', async () => {
  const userId = await userWith(85);
  const { database } = server.app.services;
  /** How many events of the log each transaction has left. */
  const left = [85];
  const counting: typeof database = {
    ...database,
    async transaction(work) {
      const done = await database.transaction(work);
      left.push(await database.reader.syncEvent.count({ where: { userId } }));
      return done;
    },
  };
  const sweeping = retention({ database: counting });
  looked.length = 0;
  const swept = sweeping.sweep();
  await expect.poll(() => left.at(-1), { interval: 1 }).toBeLessThan(85);
  await sweeping.close();
  const { events: removed } = await swept;
  expect(await logOf(userId)).toMatchObject({ sequences: range(removed + 1, 85), tail: removed + 1 });
  await retention({ database: counting }).sweep();
  expect(await logOf(userId)).toMatchObject({ sequences: range(66, 85), tail: 66 });
  const batches = left.map((count, index) => (left[index - 1] ?? count) - count).filter((size) => size > 0);
  expect(batches).toEqual([10, 10, 10, 10, 10, 10, 5]);
  expect(looked.length).toBeGreaterThanOrEqual(7);
  expect(Math.max(...looked)).toBe(10);
});

test('what else is removed comes last: that it fails is told, and keeps no event', async () => {
  const userId = await userWith(kept + 5);
  const failure = new Error('the audit log is away');
  const errors: unknown[] = [];
  let left: number | undefined;
  const sweeping = retention({
    onError: (error) => errors.push(error),
    async also() {
      left = (await logOf(userId)).sequences.length;
      throw failure;
    },
  });
  expect((await sweeping.sweep()).events).toBeGreaterThanOrEqual(5);
  expect(left).toBe(kept);
  expect(errors).toEqual([failure]);
  expect(sweeping.sweptAt).toBeDefined();
});

test.each(['websocket', 'sse'] as const)('an old cursor over %s is reset to the oldest event', async (name) => {
  const userId = await userWith(50);
  const follow = (after: string) =>
    openLog(streamTransports[name], { url: server.url, headers: server.admin }, { userId, after });
  await retention().sweep();
  for (const cursor of ['0', '29']) {
    const step = await (await follow(cursor)).step();
    expect(step.reset).toEqual({ reason: 'CURSOR_EXPIRED', oldestCursor: '31', headCursor: '50' });
    expect(step.events.map(({ sequence }) => sequence)).toEqual(range(31, 50));
  }
  const step = await (await follow('30')).step();
  expect(step.reset).toBeNull();
  expect(step.events.map(({ sequence }) => sequence)).toEqual(range(31, 50));
});

test('a reader that a sweep overtakes in the middle of a log is reset, and misses nothing that is kept', async () => {
  const userId = await userWith(300);
  const log = server.app.services.log.follow({ userId, after: 0 }, new AbortController().signal);
  expect((await log.next()).value).toMatchObject({ cursor: 200, reset: null });
  await retention().sweep();
  const { events: left, reset } = (await log.next()).value ?? {};
  expect(reset).toEqual({ reason: 'CURSOR_EXPIRED', oldest: 281, head: 300 });
  expect(left?.map(({ sequence }) => sequence)).toEqual(range(281, 300));
  await log.return();
});

test('recorders go on during sweeps, two of them at once, and nothing of theirs is lost', async () => {
  const users = await Promise.all(range(1, 3).map(() => userWith(120)));
  let sweeping = true;
  let recorded = 0;
  let slowest = 0;
  const recorders = users.map(async (userId) => {
    while (sweeping || recorded < 60) {
      const begun = performance.now();
      await server.record(...events(userId, 2, 'during'));
      slowest = Math.max(slowest, performance.now() - begun);
      recorded += 1;
    }
  });
  const swept = await Promise.all([retention().sweep(), retention().sweep()]);
  sweeping = false;
  await Promise.all(recorders);
  await retention().sweep();
  let present = 0;
  for (const userId of users) {
    const { sequences, tail, head } = await logOf(userId);
    expect(sequences).toEqual(range(tail, head));
    expect(tail).toBe(Math.min(121, head - kept + 1));
    present += head - 120;
  }
  expect(present).toBe(recorded * 2);
  expect(swept[0].events + swept[1].events).toBeLessThanOrEqual(360);
  expect(slowest).toBeLessThan(2_000);
});

test('a log that is made anew under its id during a sweep is left alone', async () => {
  const userId = await userWith(60);
  const { database, users, log } = server.app.services;
  let isNew = false;
  let transactions = 0;
  const sweep = new Retention({
    database: {
      ...database,
      async transaction(work) {
        transactions += 1; // the first one finds out what time it is, the second would cut the log
        if (transactions === 2) {
          isNew = true;
          await users.delete(userId);
          await users.upsert({ id: userId });
          await log.record(
            events(userId, 5, 'new run').map((event) => ({
              ...event,
              ...{ provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' },
            })),
          );
        }
        return database.transaction(work);
      },
    },
    limits: { ...defaultLimits, retainedEvents: kept, retentionBatch: 10 },
    days: 30,
    clock: () => Date.now() + aheadMs,
    onError: (error) => expect.unreachable(String(error)),
  });
  await sweep.sweep();
  expect(isNew).toBe(true);
  expect(await logOf(userId)).toMatchObject({ sequences: range(1, 5), tail: 1, head: 5 });
});

test('a tail never goes back, and a run stays with its last event', async () => {
  const userId = await server.user();
  const [before, at, after] = ['before', 'at', 'after'].map((runId) => ({ userId, runId }));
  await server.record({ userId, ...before }, { userId, ...at }, { userId, ...after });
  const { database } = server.app.services;
  const user = await database.reader.user.findUniqueOrThrow({ where: { id: userId } });
  expect(await cutLog(database, user, 2)).toEqual({ events: 1, runs: 1 });
  expect(await logOf(userId)).toEqual({ sequences: [2, 3], runs: ['after', 'at'], tail: 2, head: 3 });
  expect(await cutLog(database, user, 1)).toEqual({ events: 0, runs: 0 });
  expect(await logOf(userId)).toMatchObject({ sequences: [2, 3], tail: 2 });
});

test('nothing goes that was recorded after what has to be kept, whatever its own time is', async () => {
  const userId = await userWith(25, 5);
  aheadMs -= 31 * dayMs;
  const { database } = server.app.services;
  await database.transaction((transaction) =>
    transaction.user.updateMany({ where: { id: userId }, data: { headRecordedAt: null } }),
  );
  await server.record(...events(userId, 30, 'old again'));
  aheadMs += 31 * dayMs;
  await server.record(...events(userId, kept, 'new run'));
  await retention().sweep();
  expect(await logOf(userId)).toMatchObject({ sequences: range(26, 80), tail: 26, head: 80 });
});

test('the server sweeps by itself', async () => {
  const userId = await userWith(45);
  await server.restart();
  await expect.poll(async () => (await logOf(userId)).tail).toBe(26);
});

describe('a clock that is ahead', () => {
  /** As if the server had been stopped when it last swept. */
  const believe = (time: number) =>
    server.app.services.database.transaction((transaction) =>
      transaction.logState.updateMany({
        data: { believedAt: new Date(time), doubtedSince: null, doubtedAt: null },
      }),
    );

  test('removes nothing that was recorded today, and says so once', async () => {
    const userId = await userWith(0, 60);
    await believe(Date.now());
    const doubts: Date[] = [];
    const sweeping = retention({ clock: () => Date.now() + 31 * dayMs, onDoubt: (now) => doubts.push(now) });
    for (let sweep = 0; sweep < 3; sweep += 1) expect(await sweeping.sweep()).toEqual({ events: 0, runs: 0 });
    expect(doubts).toHaveLength(1);
    expect(sweeping.doubtsClock).toBe(true);
    expect(await logOf(userId)).toMatchObject({ sequences: range(1, 60) });
    // Another process on the same machine does not believe it either, though something was recorded by that clock.
    aheadMs = 31 * dayMs;
    await server.record({ userId });
    expect(await retention().sweep()).toEqual({ events: 0, runs: 0 });
    aheadMs = 0;
    expect(await retention().sweep()).toEqual({ events: 0, runs: 0 });
    expect(await logOf(userId)).toMatchObject({ sequences: range(1, 61) });
  });

  test('is believed once it has lasted: the installation was off', async () => {
    const userId = await userWith(55);
    await believe(Date.now() - 31 * dayMs);
    const hour = 3_600_000;
    for (let age = 0; age < 24; age += 1) {
      expect(await retention({ clock: () => Date.now() + age * hour }).sweep()).toEqual({ events: 0, runs: 0 });
    }
    await retention({ clock: () => Date.now() + 25 * hour }).sweep();
    expect(await logOf(userId)).toMatchObject({ sequences: range(36, 55) });
    await believe(Date.now());
  });

  test('says nothing of the age of what was recorded by it', async () => {
    const userId = await server.user();
    aheadMs = 3_650 * dayMs;
    await server.record({ userId, runId: 'ahead', timestamp: new Date(Date.now() - 40 * dayMs).toISOString() });
    aheadMs = -31 * dayMs;
    for (let event = 0; event < 80; event += 20) await server.record(...events(userId, 20, 'old run'));
    aheadMs = 0;
    await server.record(...events(userId, 25, 'new run'));
    await retention().sweep();
    expect(await logOf(userId)).toMatchObject({ sequences: range(82, 106), tail: 82, head: 106 });
  });

  test('is not believed at the first sweep of all, if it is ahead of the newest event', async () => {
    const own = await startServer();
    onTestFinished(() => own.close());
    await own.record({ userId: await own.user() });
    const { database } = own.app.services;
    await database.transaction((transaction) =>
      transaction.logState.updateMany({ data: { believedAt: null, doubtedSince: null, doubtedAt: null } }),
    );
    const sweeping = retention({ database, clock: () => Date.now() + 31 * dayMs });
    await sweeping.sweep();
    expect(sweeping.doubtsClock).toBe(true);
  });

  /** Some events of the user are said to have been recorded in 2036, and to have happened then. */
  const recordedAhead = (userId: string, sequences: readonly number[], timestamp = new Date('2036-01-01')) =>
    server.app.services.database.transaction((transaction) =>
      transaction.syncEvent.updateMany({
        where: { userId, sequence: { in: [...sequences] } },
        data: { recordedAt: new Date('2036-01-01'), timestamp },
      }),
    );

  test('one event that was recorded later than now keeps none of those that follow it', async () => {
    const [some, all] = [await userWith(60), await userWith(60)];
    await recordedAhead(some, [1, 2, 25]);
    await recordedAhead(all, range(1, 22)); // two whole batches, of which nobody knows the age
    const batches: number[] = [];
    await retention({ database: countingBatches(all, batches) }).sweep();
    expect(batches.filter((size) => size > 0)).toEqual([10, 10, 10, 10]);
    for (const userId of [some, all]) expect(await logOf(userId)).toMatchObject({ sequences: range(41, 60), tail: 41 });
  });

  test('one event that was recorded later than now, but happened lately, keeps those that follow it', async () => {
    const userId = await userWith(60);
    await recordedAhead(userId, [15], new Date());
    await retention().sweep();
    expect(await logOf(userId)).toMatchObject({ sequences: range(15, 60), tail: 15 });
  });
});

describe('history that is imported', () => {
  /** So many events of 40 days ago, recorded now. */
  async function userWithHistory(count: number, timestamp = new Date(Date.now() - 40 * dayMs)): Promise<string> {
    const userId = await server.user();
    const told = { timestamp: timestamp.toISOString() };
    for (let event = 0; event < count; event += 25)
      await server.record(
        ...events(userId, Math.min(25, count - event), 'import').map((each) => ({ ...each, ...told })),
      );
    return userId;
  }

  test('simulation, seed 111: stays for as long as anything else, though it was recorded while a sweep was under way', async () => {
    const userId = await userWithHistory(60);
    await retention({ clock: () => Date.now() - 60_000 }).sweep(); // as a sweep of many users that began a minute ago
    expect(await logOf(userId)).toMatchObject({ sequences: range(1, 60), tail: 1 });
  });

  test('stays where the clock has gone back since by less than a jump', async () => {
    const userId = await userWithHistory(60);
    aheadMs = -2 * dayMs;
    await retention().sweep();
    aheadMs = 0;
    expect(await logOf(userId)).toMatchObject({ sequences: range(1, 60), tail: 1 });
  });

  test('what a clock that was behind has recorded is not old if its producer says so', async () => {
    aheadMs = -31 * dayMs;
    const userId = await userWithHistory(60, new Date());
    aheadMs = 0;
    await retention().sweep();
    expect(await logOf(userId)).toMatchObject({ sequences: range(1, 60), tail: 1 });
  });
});

/** In milliseconds; null for nothing. */
type ClockMemory = Record<'believedAt' | 'doubtedSince' | 'doubtedAt', number | null>;

test.each<[string, Partial<ClockMemory>, now: number, Partial<ClockMemory>]>([
  ['the first look', {}, 5, { believedAt: 5 }],
  ['as far as a jump may be', { believedAt: 0 }, 10, { believedAt: 10 }],
  ['back', { believedAt: 50 }, 40, { believedAt: 40 }],
  ['back by a jump', { believedAt: 50 }, 39, { believedAt: 50, doubtedSince: 39, doubtedAt: 39 }],
  [
    'on from a jump back for longer than it is doubted',
    { believedAt: 500, doubtedSince: 11, doubtedAt: 105 },
    112,
    { believedAt: 112 },
  ],
  ['ahead', { believedAt: 0 }, 11, { believedAt: 0, doubtedSince: 11, doubtedAt: 11 }],
  [
    'steadily on',
    { believedAt: 0, doubtedSince: 11, doubtedAt: 11 },
    21,
    { believedAt: 0, doubtedSince: 11, doubtedAt: 21 },
  ],
  [
    'on for as long as it is doubted',
    { believedAt: 0, doubtedSince: 11, doubtedAt: 105 },
    111,
    { believedAt: 0, doubtedSince: 11, doubtedAt: 111 },
  ],
  ['on for longer', { believedAt: 0, doubtedSince: 11, doubtedAt: 105 }, 112, { believedAt: 112 }],
  [
    'ahead again',
    { believedAt: 0, doubtedSince: 11, doubtedAt: 30 },
    41,
    { believedAt: 0, doubtedSince: 41, doubtedAt: 41 },
  ],
  [
    'back, but not far enough',
    { believedAt: 0, doubtedSince: 50, doubtedAt: 60 },
    20,
    { believedAt: 0, doubtedSince: 20, doubtedAt: 20 },
  ],
  [
    'back a little while it is doubted',
    { believedAt: 0, doubtedSince: 50, doubtedAt: 55 },
    48,
    { believedAt: 0, doubtedSince: 48, doubtedAt: 48 },
  ],
  ['back to where it was', { believedAt: 0, doubtedSince: 50, doubtedAt: 60 }, 8, { believedAt: 8 }],
])('the clock goes %s', (_, before, now, after) => {
  const memory = ({ believedAt = null, doubtedSince = null, doubtedAt = null }: Partial<ClockMemory>) => ({
    believedAt: believedAt === null ? null : new Date(believedAt),
    doubtedSince: doubtedSince === null ? null : new Date(doubtedSince),
    doubtedAt: doubtedAt === null ? null : new Date(doubtedAt),
  });
  expect(judgeClock(memory(before), new Date(now), { jumpMs: 10, doubtMs: 100 })).toEqual(memory(after));
});
