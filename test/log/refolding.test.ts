import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import {
  createProviderDataTypeProjection,
  createRunDataTypeProjection,
} from '../../src/data-types/data-type-projection.ts';
import type { Database } from '../../src/db/database.ts';
import { groupBy } from '../../src/lib/group-by.ts';
import { defaultLimits } from '../../src/limits.ts';
import type { EventDraft } from '../../src/log/event.ts';
import { type EventLog, openEventLog } from '../../src/log/event-log.ts';
import type { AnyProjection } from '../../src/log/projection.ts';
import { runKey } from '../../src/log/record/fold-run.ts';
import { startRefoldingRuns } from '../../src/log/refold-runs.ts';
import { isAnyRunToFold } from '../../src/log/sql/runs-to-fold.ts';
import { openAgain, openNewDatabase, provider } from '../support/database.ts';
import { unfoldRuns } from '../support/earlier-release.ts';
import { checkModel } from '../support/model/checker.ts';
import { createEventMaker, type Draft } from '../support/model/event-maker.ts';
import { readRows } from '../support/model/stored.ts';
import { mulberry32 } from '../support/seeded.ts';
import { startServer } from '../support/server.ts';

const minute = 60_000;
const start = Date.UTC(2026, 2, 14, 12);

const fail = (error: unknown) => expect.unreachable(String(error));

function openLog(database: Database, projections: readonly AnyProjection[] = []): EventLog {
  const log = openEventLog({ database, projections, limits: defaultLimits, clock: Date.now, onError: fail });
  onTestFinished(() => log.close());
  return log;
}

async function newUser(database: Database): Promise<string> {
  const id = randomUUID();
  await database.transaction((transaction) => transaction.user.create({ data: { id } }));
  return id;
}

/** An event of which the producer says when it was, in minutes. */
function draftOf(userId: string, at: number, rest: Partial<EventDraft> = {}): EventDraft {
  return {
    ...{ userId, runId: 'run_1', provider: 'apple', source: 'sdk', stage: 'processing', status: 'in_progress' },
    timestamp: new Date(start + at * minute),
    ...rest,
  };
}

/** The batches of an export: a start and an end each, as an app sends them under one run. */
function exportOf(userId: string, batches: number): EventDraft[] {
  return Array.from({ length: batches }, (_, n) => {
    const metadata = { batch_id: `batch_${n}`, inserted: 10, updated: 1, types: ['steps'], sleep_saved: 2 };
    const failed = n === batches - 2;
    return [
      draftOf(userId, 2 * n, { stage: 'started', startedAt: new Date(start + 2 * n * minute), metadata }),
      draftOf(userId, 2 * n + 1, {
        ...(failed ? { stage: 'failed', status: 'failed', error: 'gone' } : { stage: 'completed', status: 'success' }),
        ...{ endedAt: new Date(start + (2 * n + 1) * minute), metadata },
      }),
    ];
  }).flat();
}

/** Folds until nothing is to be folded. */
async function refold(database: Database, url = '', projections: readonly AnyProjection[] = []): Promise<void> {
  const looking = url ? await openAgain(url) : database;
  const stop = startRefoldingRuns({ database, projections, onError: fail });
  await expect.poll(() => isAnyRunToFold(looking.reader), { timeout: 60_000 }).toBe(false);
  await stop();
}

/** All runs with their batches. */
async function readRuns({ reader }: Database) {
  const runs = await reader.syncRun.findMany({
    orderBy: [{ userId: 'asc' }, { runId: 'asc' }],
    omit: { change: true },
  });
  const batches = await reader.syncRunBatch.findMany({ orderBy: [{ batchId: 'asc' }] });
  const ofRun = groupBy(batches, runKey);
  return runs.map((run) => ({ ...run, batches: ofRun.get(runKey(run)) ?? [] }));
}

test('a run of any length is as it was folded when it was recorded, and its events are read 500 at a time', async () => {
  const { url, database } = await openNewDatabase();
  const log = openLog(database);
  const users = [await newUser(database), await newUser(database)] as const;
  for (let n = 0; n < 20; n += 1)
    await log.record(
      Array.from({ length: 500 }, (_, k) => draftOf(users[0], 500 * n + k, { progress: (k % 10) / 10 })),
    );
  await log.record(exportOf(users[0], 40));
  await log.record([draftOf(users[1], 3), draftOf(users[1], 2), draftOf(users[1], 1, { stage: 'started' })]);
  const before = await readRuns(database);
  await unfoldRuns(database);
  const rows: number[] = [];
  const { openDatabase } = await import('../../src/db/open-database.ts');
  const observed = await openDatabase(url, {
    observe: ({ sql, rows: read }) => /packed/.test(sql) && rows.push(read),
  });
  onTestFinished(() => observed.close());
  await refold(observed, url);
  expect(await readRuns(database)).toEqual(before);
  expect({ most: Math.max(...rows), reads: rows.length }).toEqual({ most: 500, reads: expect.closeTo(22, -1) });
});

test('a run of which retention has removed events keeps its state, and tells what can be told', async () => {
  const { database } = await openNewDatabase();
  const log = openLog(database);
  const userId = await newUser(database);
  const started = draftOf(userId, 0, { stage: 'started', startedAt: new Date(start) });
  const ended = { stage: 'failed', status: 'failed', error: 'gone', endedAt: new Date(start + minute) };
  for (const [runId, ...events] of [
    ['run_1', started, draftOf(userId, 1, ended), draftOf(userId, 2)],
    ['run_2', started, draftOf(userId, 5)],
    ['run_3', draftOf(userId, 6), draftOf(userId, 7)],
  ] as const)
    for (const event of events) await log.record([{ ...event, runId }]);
  await unfoldRuns(database);
  await database.transaction(async (transaction) => {
    await transaction.syncEvent.deleteMany({ where: { sequence: { in: [1, 4, 6] } } });
    await transaction.syncRun.updateMany({ where: { runId: { not: 'run_1' } }, data: { finished: false } });
    await transaction.syncRun.updateMany({
      where: { runId: 'run_1' },
      data: { error: 'gone', endedAt: ended.endedAt },
    });
  });
  const before = await readRuns(database);
  await refold(database);
  const [first, second, third] = before;
  const kept = (run: typeof first) => ({ ...run, newestAt: run?.lastEventAt, foldedSequence: run?.lastSequence });
  const opened = { scope: 'live', openedAt: new Date(start) };
  expect(await readRuns(database)).toEqual([
    {
      ...{ ...kept(first), ...opened, attempts: 1, failedAttempts: 1, milestoneAt: first?.lastEventAt },
      ...{ milestoneStatus: 'failed', milestoneError: 'gone', lastEndedAt: ended.endedAt },
    },
    { ...kept(second), ...opened },
    kept(third),
  ]);
});

test('what is recorded while runs are folded is folded in, each run as all of its events say', async () => {
  const { database } = await openNewDatabase();
  const projections = [createRunDataTypeProjection(database), createProviderDataTypeProjection(database)];
  const log = openLog(database, projections);
  const random = mulberry32(7);
  const users = [await newUser(database), await newUser(database), await newUser(database)];
  const make = createEventMaker(random, 'recorder');
  const toDraft = (draft: Draft): EventDraft => {
    const { windowStart, windowEnd, startedAt, endedAt, timestamp, dataTypes, ...rest } = draft;
    const date = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
    const times = { windowStart: date(windowStart), windowEnd: date(windowEnd), startedAt: date(startedAt) };
    const span = (told: { start?: string; end?: string } | undefined) =>
      told && { start: date(told.start), end: date(told.end) };
    const types = dataTypes?.map(({ requested, covered, newestData, ...type }) => {
      return { ...type, requested: span(requested), covered: span(covered), newestData: date(newestData) };
    });
    return {
      ...{ ...rest, ...times, endedAt: date(endedAt), timestamp: date(timestamp) },
      ...(types && { dataTypes: types }),
    } as EventDraft;
  };
  const drafts = (count: number) =>
    Array.from({ length: count }, (_, n) => toDraft(make(users[n % users.length] as string)));
  await log.record(drafts(500));
  await log.record(drafts(500));
  await unfoldRuns(database);
  let open = true;
  const recording = (async () => {
    for (let times = 0; open && times < 200; times += 1) await log.record(drafts(20));
  })();
  // Rows that an instance of the earlier release writes meanwhile, too.
  for (let times = 0; times < 5; times += 1) {
    await refold(database, '', projections);
    await database.transaction(
      (transaction) => transaction.$executeRaw`UPDATE sync_run SET folded_sequence = 0, attempts = 99, batch_count = 0`,
    );
  }
  open = false;
  await recording;
  await refold(database, '', projections);
  // Whether an event is late was decided when it was recorded, of some runs before they were folded anew.
  const findings = checkModel({ ...(await readRows(database)), insertions: [] }, [], []);
  expect({
    wrong: findings.count('wrong run') + findings.count('wrong type of data'),
    examples: findings.examples.filter((text) => /^wrong (run|type)/.test(text)),
  }).toEqual({
    wrong: 0,
    examples: [],
  });
});

test('10,000 runs are folded by a bounded number of statements, and look once more for nothing', async () => {
  const { url, database } = await openNewDatabase();
  const log = openLog(database);
  for (let n = 0; n < 20; n += 1) {
    const userId = await newUser(database);
    await log.record(Array.from({ length: 500 }, (_, k) => draftOf(userId, k, { runId: `run_${k}` })));
  }
  await unfoldRuns(database);
  const statements: string[] = [];
  const stop = startRefoldingRuns({ database: await openAgain(url, statements), projections: [], onError: fail });
  await expect.poll(() => isAnyRunToFold(database.reader), { timeout: 60_000 }).toBe(false);
  await stop();
  expect(await database.reader.syncRun.count({ where: { stage: 'processing' } })).toBe(10_000);
  expect(statements.length / 100).toBeLessThan(14); // for each hundred runs, with what begins and ends a transaction
  statements.length = 0;
  const again = startRefoldingRuns({ database: await openAgain(url, statements), projections: [], onError: fail });
  await expect.poll(() => statements.length).toBe(1);
  await again();
  expect(statements).toHaveLength(1);
});

test('two instances that fold at once fold each run once', async () => {
  const { url, database } = await openNewDatabase();
  const log = openLog(database);
  const userId = await newUser(database);
  await log.record(Array.from({ length: 300 }, (_, k) => draftOf(userId, k, { runId: `run_${k}` })));
  const before = await readRuns(database);
  await unfoldRuns(database);
  await Promise.all([refold(await openAgain(url), url), refold(await openAgain(url), url)]);
  expect(await readRuns(database)).toEqual(before);
  const user = await database.reader.user.findUniqueOrThrow({ where: { id: userId } });
  expect(user.revision).toBe(3);
});

test('a close ends it between two transactions, and the next start goes on', async () => {
  const { url, database } = await openNewDatabase();
  const log = openLog(database);
  const userId = await newUser(database);
  await log.record(Array.from({ length: 500 }, (_, k) => draftOf(userId, k, { runId: `run_${k}` })));
  const before = await readRuns(database);
  await unfoldRuns(database);
  const folding = await openAgain(url);
  let stopped = Promise.resolve();
  const steps: string[] = [];
  const stop = startRefoldingRuns({
    database: {
      ...{ kind: folding.kind, reader: folding.reader },
      async change(decide, limits) {
        stopped = stop().then(() => void steps.push('stopped'));
        const answer = await folding.change(decide, limits);
        steps.push('written');
        return answer;
      },
    },
    ...{ projections: [], onError: fail },
  });
  await expect.poll(() => steps).toContain('stopped');
  await stopped;
  expect(await database.reader.syncRun.count({ where: { foldedSequence: 0 } })).toBe(400);
  expect(steps).toEqual(['written', 'stopped']);
  await refold(folding, url);
  expect(await readRuns(database)).toEqual(before);
});

test('what an instance of the last release writes beside this one is folded at the next look', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const userId = await server.user();
  await server.record(...['STARTED', 'COMPLETED'].map((stage) => ({ userId, stage })));
  const { database } = server.app.services;
  const event = await database.reader.syncEvent.findFirstOrThrow({
    where: { userId, sequence: 2 },
    omit: { extra: true, reason: true, dataTypes: true },
  });
  const next = { ...event, id: randomUUID(), sequence: 3, late: true, metadata: {} };
  await database.transaction(async (transaction) => {
    await transaction.user.update({ where: { id: userId }, data: { headSequence: 3 } });
    await transaction.syncEvent.create({ data: next });
    await transaction.syncRun.updateMany({ where: { userId }, data: { lastSequence: 3, eventCount: 3 } });
    // What no event tells of goes.
    await transaction.syncRunBatch.create({ data: { userId, runId: event.runId, batchId: 'stray', failed: true } });
    const noType = {
      dataType: 'stray',
      kind: 'task',
      status: 'success',
      itemsInserted: 1,
      itemsUpdated: 1,
      attempts: 1,
    };
    await transaction.syncRunDataType.create({ data: { userId, runId: event.runId, ...noType } });
  });
  const attempts = async () => (await readRuns(server.app.services.database)).map((run) => run.attempts);
  // What is recorded on top of it does not hide that it was not folded.
  await server.record({ userId, stage: 'COMPLETED' });
  expect(await attempts()).toEqual([2]);
  await server.restart();
  await expect.poll(attempts).toEqual([3]);
  const { reader } = server.app.services.database;
  expect([await reader.syncRunBatch.count(), await reader.syncRunDataType.count()]).toEqual([0, 0]);
});

test('a stream of runs tells of a run that was folded anew, and of none of its user beside it', async () => {
  const server = await startServer({ limits: { slowPollMs: 50 } });
  onTestFinished(() => server.close());
  const userId = await server.user();
  await server.record(...[1, 2, 3].map((n) => ({ userId, runId: `run_${n}` })));
  const other = await openAgain(server.databaseUrl);
  await other.transaction(
    (transaction) =>
      transaction.$executeRaw`UPDATE sync_run SET folded_sequence = 0, message = 'frozen' WHERE run_id = 'run_1'`,
  );
  const told: (readonly [runId: string | undefined, message: string | null | undefined])[] = [];
  let begun = false;
  const stopping = new AbortController();
  const { runChanges } = server.app.services;
  const watching = (async () => {
    for await (const change of runChanges.follow({ wants: () => true }, stopping.signal))
      if (change.kind === 'changed') told.push([change.row.runId, change.row.message]);
      else begun = true;
  })();
  await expect.poll(() => begun).toBe(true);
  await refold(other);
  await expect.poll(() => told.length).toBeGreaterThan(0);
  await server.record({ userId, runId: 'run_4' });
  await expect.poll(() => told.at(-1)).toEqual(['run_4', null]);
  expect(told).toEqual([
    ['run_1', null],
    ['run_4', null],
  ]);
  stopping.abort();
  await watching;
});

test('an answer that was kept is not given again once the run in it is folded anew, on any instance', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const userId = await server.user();
  await server.record({ userId, message: 'as it is' });
  const other = await openAgain(server.databaseUrl);
  await unfoldRuns(other);
  await other.transaction((transaction) =>
    transaction.user.update({ where: { id: userId }, data: { email: 'a@b.c' } }),
  );
  const ask = async () => {
    const query = `query ($id: UUID!) { user(id: $id) { id recentSyncEvents(limit: 3) { run { message } } } }`;
    const { data } = await server.graphql(query, { id: userId });
    return data.user.recentSyncEvents;
  };
  for (let times = 0; times < 3; times += 1) expect(await ask()).toEqual([{ run: { message: 'frozen' } }]);
  await refold(other);
  expect(await ask()).toEqual([{ run: { message: 'as it is' } }]);
});

test.runIf(provider === 'postgresql')(
  'a user whom somebody keeps locked is left for later, and the others are folded',
  async () => {
    const { url, database } = await openNewDatabase();
    const log = openLog(database);
    const [locked, free] = [await newUser(database), await newUser(database)];
    await log.record([draftOf(locked, 1), draftOf(free, 1)]);
    await unfoldRuns(database);
    const other = await openAgain(url);
    await other.transaction(async (transaction) => {
      await transaction.$executeRaw`SELECT id FROM "user" WHERE id = ${locked}::uuid FOR UPDATE`;
      const stop = startRefoldingRuns({ database, projections: [], onError: fail });
      await expect.poll(() => database.reader.syncRun.count({ where: { foldedSequence: 1 } })).toBe(1);
      await stop();
    });
    expect(
      await database.reader.syncRun.findMany({
        select: { userId: true, foldedSequence: true },
        orderBy: { foldedSequence: 'asc' },
      }),
    ).toEqual([
      { userId: locked, foldedSequence: 0 },
      { userId: free, foldedSequence: 1 },
    ]);
    await refold(database);
  },
);
