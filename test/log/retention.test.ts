import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { Retention } from '../../src/log/retention.ts';
import { openLog } from '../support/log-reader.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

const dayMs = 86_400_000;
const kept = 20;
let server: TestServer;
/** The server's clock, ahead of the real one. */
let aheadMs = 0;
/** Rows that each of the last sweeps' statements removed from logs. */
const batches: number[] = [];
/** Of each of their statements that looked for the end of what is too old: how many events it may have looked at. */
const looked: number[] = [];

beforeAll(async () => {
  server = await startServer({
    clock: () => Date.now() + aheadMs,
    limits: { retainedEvents: kept, retentionBatch: 10, retentionUsers: 2, slowPollMs: 200 },
    onStatement({ sql, values, rows }) {
      if (/DELETE FROM.*sync_event/s.test(sql)) batches.push(rows);
      const [from, upTo] = values.filter((value) => typeof value === 'number');
      if (/^SELECT.*recorded_at/s.test(sql) && from !== undefined && upTo !== undefined) looked.push(upTo - from);
    },
  });
});
afterAll(() => server.close());

const retention = () =>
  new Retention({
    database: server.app.services.database,
    limits: { ...defaultLimits, retainedEvents: kept, retentionBatch: 10, retentionUsers: 2 },
    days: 30,
    clock: () => Date.now() + aheadMs,
    onError: (error) => expect.unreachable(String(error)),
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

test('it goes oldest first, in small batches, and stops between two of them when it is closed', async () => {
  const userId = await userWith(85);
  const sweeping = retention();
  batches.length = 0;
  looked.length = 0;
  const swept = sweeping.sweep();
  await expect.poll(() => batches.length, { interval: 1 }).toBeGreaterThan(0);
  await sweeping.close();
  const { events: removed } = await swept;
  expect(await logOf(userId)).toMatchObject({ sequences: range(removed + 1, 85), tail: removed + 1 });
  await retention().sweep();
  expect(await logOf(userId)).toMatchObject({ sequences: range(66, 85), tail: 66 });
  expect(Math.max(...batches)).toBeLessThanOrEqual(10);
  expect(looked.length).toBeGreaterThanOrEqual(7);
  expect(Math.max(...looked)).toBe(10);
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
  const sweep = new Retention({
    database: {
      ...database,
      async transaction(work) {
        if (!isNew) {
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

test('the server sweeps by itself', async () => {
  const userId = await userWith(45);
  await server.restart();
  await expect.poll(async () => (await logOf(userId)).tail).toBe(26);
});
