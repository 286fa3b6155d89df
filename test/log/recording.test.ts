import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { AppError } from '../../src/errors.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { type Answer, anEvent, type Headers, startServer, type TestServer } from '../support/server.ts';
import { holdRecording, refuseMessage } from '../support/sql.ts';

type Draft = Record<string, unknown> & { userId: string };

const recordMutation = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { duplicate event { id sequence late timestamp recordedAt } } }
}`;

const second = (n: number) => new Date(Date.UTC(2026, 2, 14) + n * 1000).toISOString();

let server: TestServer;
const statements: StatementReport[] = [];
let now = Date.UTC(2026, 2, 14, 12);

beforeAll(async () => {
  server = await startServer({ clock: () => now, onStatement: (report) => statements.push(report) });
});
afterAll(() => server.close());

/** Records what is special about each event, and answers whatever the server does. */
function tryRecord(events: readonly Draft[], headers?: Headers): Promise<Answer> {
  return server.graphql(recordMutation, { events: events.map((event) => ({ ...anEvent, ...event })) }, headers);
}

async function headOf(userId: string): Promise<string> {
  const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { headCursor } }', { id: userId });
  return data.user.headCursor;
}

/** All that can be seen of a user's log. */
async function everythingOf(userId: string): Promise<unknown> {
  const { data } = await server.graphql(
    `query ($id: UUID!) { user(id: $id) {
      headCursor
      recentSyncEvents(limit: 200) { id sequence runId message timestamp recordedAt metadata }
      syncRuns(first: 200) { edges { node { runId stage status message eventCount lastEventAt } } }
    } }`,
    { id: userId },
  );
  return data.user;
}

async function runOf(userId: string, runId = 'run_1') {
  const { data } = await server.graphql(
    `query ($id: UUID!, $runId: ID!) { user(id: $id) { syncRun(runId: $runId) {
      provider source stage status message progress itemsProcessed itemsTotal error primaryUserId newestPrimaryUserId
      startedAt endedAt lastEventAt durationMs eventCount isTerminal
    } } }`,
    { id: userId, runId },
  );
  return data.user.syncRun;
}

const insertsSince = (count: number) =>
  statements.slice(count).filter(({ sql }) => sql.includes('INSERT INTO sync_event')).length;
const refusals = ({ errors }: Answer) => errors.map(({ extensions }) => extensions.code);

describe('a recording', () => {
  test('holds 1 to 500 events', async () => {
    const userId = await server.user();
    const results = await server.record(...Array.from({ length: 500 }, () => ({ userId })));
    expect(results.map(({ event }) => event.sequence)).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
    expect(await server.record({ userId })).toMatchObject([{ duplicate: false, event: { sequence: 501 } }]);
  });

  test('of no event, or of 501, is refused', async () => {
    const userId = await server.user();
    expect(refusals(await tryRecord([]))).toEqual(['BAD_USER_INPUT']);
    expect(refusals(await tryRecord(Array.from({ length: 501 }, () => ({ userId }))))).toEqual(['LIMIT_EXCEEDED']);
    expect(await headOf(userId)).toBe('0');
  });

  test('is stored whole or not at all', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    await server.record({ userId, message: 'before' });
    const before = await everythingOf(userId);
    const events: Draft[] = Array.from({ length: 500 }, (_, n) => ({ userId: n % 2 ? userId : other }));
    for (const [bad, code] of [
      [{ userId, progress: 1.1 }, 'BAD_USER_INPUT'],
      [{ userId, source: 'UNRECOGNIZED' }, 'BAD_USER_INPUT'],
      [{ userId: randomUUID() }, 'NOT_FOUND'],
    ] as const)
      expect(refusals(await tryRecord([...events.slice(1), bad]))).toEqual([code]);
    expect(await everythingOf(userId)).toEqual(before);
    expect(await headOf(other)).toBe('0');
  });

  test('keeps the order of its events, and numbers each log without holes', async () => {
    const users = [await server.user(), await server.user(), await server.user()];
    for (const userId of users.slice(1)) await server.record({ userId });
    const owners = [2, 0, 1, 1, 0, 2, 2, 2, 0].map((n) => users[n] as string);
    const results = await server.record(...owners.map((userId, n) => ({ userId, message: String(n) })));
    expect(results.map(({ event }) => event.sequence)).toEqual([2, 1, 2, 3, 2, 3, 4, 5, 3]);
    for (const [n, userId] of users.entries()) {
      const { data } = await server.graphql(
        'query ($id: UUID!) { user(id: $id) { headCursor syncEvents { edges { node { sequence message } } } } }',
        { id: userId },
      );
      const own = owners.flatMap((owner, index) => (owner === userId ? [String(index)] : []));
      const log = n === 0 ? own : [null, ...own];
      expect(data.user.headCursor).toBe(String(log.length));
      expect(data.user.syncEvents.edges).toEqual(
        log.map((message, index) => ({ node: { sequence: index + 1, message } })),
      );
    }
  });

  test('takes the same few statements for 1 and for 500 events of many users and runs', async () => {
    const users = await Promise.all(Array.from({ length: 20 }, () => server.user()));
    const cost = async (count: number) => {
      const before = statements.length;
      await server.record(
        ...Array.from({ length: count }, (_, n) => ({ userId: users[n % 20] as string, runId: `run_${n % 70}` })),
      );
      return statements.length - before;
    };
    expect(await cost(1)).toBe(await cost(500));
  });

  test('is still there, and continued, after the server was stopped and started', async () => {
    const stopped = await startServer();
    const userId = await stopped.user();
    const [first] = await stopped.record({ userId, message: 'durable' });
    await stopped.restart();
    // Not over HTTP: the client would try the connections that the old server has closed.
    const draft = {
      userId,
      runId: 'run_1',
      provider: 'oura',
      source: 'pull',
      stage: 'fetching',
      status: 'in_progress',
    };
    const { log } = stopped.app.services;
    expect(await log.record([{ ...draft, id: first?.event.id, message: 'durable' }, draft])).toMatchObject([
      { duplicate: true, event: { sequence: 1, message: 'durable' } },
      { duplicate: false, event: { sequence: 2 } },
    ]);
    await stopped.close();
  });

  test('keeps metadata as it is, whatever JSON it is', async () => {
    const userId = await server.user();
    const text = fc.string({ unit: 'grapheme' }).filter((part) => !part.includes('\0'));
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(text, tie('value'), { maxKeys: 3 }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(text, json.value, { maxKeys: 4 }), async (metadata) => {
        const draft = { userId, id: randomUUID(), metadata };
        await server.record(draft);
        expect(await server.record(draft)).toMatchObject([{ duplicate: true }]);
        const { data } = await server.graphql(
          'query ($id: UUID!) { user(id: $id) { recentSyncEvents(limit: 1) { metadata } } }',
          { id: userId },
        );
        expect(data.user.recentSyncEvents[0].metadata).toEqual(JSON.parse(JSON.stringify(metadata)));
      }),
      { numRuns: 40 },
    );
  });
});

describe('a retry', () => {
  const full = (userId: string): Draft => ({
    ...{ userId, id: randomUUID(), ...anEvent, message: 'm', progress: 0.25, itemsProcessed: 1, itemsTotal: 4 },
    ...{ error: 'e', primaryUserId: randomUUID(), metadata: { a: 1, b: [true, { c: null }] } },
    ...{ startedAt: second(1), endedAt: second(2), timestamp: second(3) },
  });

  test('with the same id and content changes nothing and is answered with the event', async () => {
    const userId = await server.user();
    const draft = full(userId);
    const [first] = await server.record(draft);
    const before = await everythingOf(userId);
    now += 60_000;
    expect(await server.record(draft)).toEqual([{ ...first, duplicate: true }]);
    expect(await everythingOf(userId)).toEqual(before);
  });

  test('may spell the same content in another way', async () => {
    const userId = await server.user();
    const draft = full(userId);
    await server.record(draft);
    const before = await everythingOf(userId);
    for (const other of [
      { ...draft, id: String(draft.id).toUpperCase(), userId: userId.toUpperCase() },
      { ...draft, metadata: { b: [true, { c: null }], a: 1.0 } },
      { ...draft, timestamp: '2026-03-14T02:00:03.0004+02:00' },
    ])
      expect(await server.record(other)).toMatchObject([{ duplicate: true }]);
    expect(await everythingOf(userId)).toEqual(before);
  });

  test('may leave out what was null, and the other way round', async () => {
    const userId = await server.user();
    const id = randomUUID();
    const nulls = { message: null, progress: null, itemsProcessed: null, error: null, metadata: null, endedAt: null };
    await server.record({ userId, id });
    expect(await server.record({ userId, id, ...nulls })).toMatchObject([{ duplicate: true }]);
    expect(await server.record({ userId, id, metadata: {} })).toMatchObject([{ duplicate: true }]);
  });

  test('of a negative zero is a retry', async () => {
    const userId = await server.user();
    const fields = `id: "${randomUUID()}" userId: "${userId}" runId: "r" provider: "p" source: PULL stage: QUEUED
      status: IN_PROGRESS progress: -0.0 itemsProcessed: -0 metadata: { zero: -0.0 }`;
    const mutation = `mutation { recordSyncEvents(input: { events: [{ ${fields} }] }) { results { duplicate } } }`;
    for (const duplicate of [false, true])
      expect((await server.graphql(mutation)).data).toEqual({ recordSyncEvents: { results: [{ duplicate }] } });
  });

  test('without a timestamp agrees with any, as the server chose it', async () => {
    const userId = await server.user();
    const [id, timed] = [randomUUID(), randomUUID()];
    await server.record({ userId, id }, { userId, id: timed, timestamp: second(7) });
    now += 1_000;
    expect(await server.record({ userId, id }, { userId, id: timed })).toMatchObject([
      { duplicate: true },
      { duplicate: true },
    ]);
    expect(refusals(await tryRecord([{ userId, id: timed, timestamp: second(8) }]))).toEqual(['EVENT_ID_CONFLICT']);
  });

  test('with the same id and other content is refused, and so is the whole recording', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const draft = full(userId);
    await server.record(draft);
    const before = await everythingOf(userId);
    const changes: Record<string, unknown> = {
      ...{ userId: other, runId: 'run_2', provider: 'garmin', source: 'SDK', stage: 'SAVING', status: 'STALE' },
      ...{ message: 'n', progress: 0.5, itemsProcessed: 2, itemsTotal: 5, error: null, primaryUserId: null },
      ...{ metadata: { a: 1, b: [true, {}] }, startedAt: second(2), endedAt: null, timestamp: second(4) },
    };
    for (const [field, value] of Object.entries(changes)) {
      const { data, errors } = await tryRecord([{ userId }, { ...draft, [field]: value }, { userId: other }]);
      expect({ field, data, extensions: errors[0]?.extensions }).toMatchObject({
        field,
        data: null,
        extensions: { code: 'EVENT_ID_CONFLICT', problems: [{ index: 1, field: 'id' }] },
      });
    }
    expect(await everythingOf(userId)).toEqual(before);
    expect(await headOf(other)).toBe('0');
  });

  test('within one recording is stored once', async () => {
    const userId = await server.user();
    const id = randomUUID();
    const results = await server.record(
      { userId },
      { userId, id, message: 'm' },
      { userId, id, message: 'm' },
      { userId },
    );
    expect(results.map(({ duplicate, event }) => [duplicate, event.sequence])).toEqual([
      [false, 1],
      [false, 2],
      [true, 2],
      [false, 3],
    ]);
  });

  test('within one recording must be the same, too', async () => {
    const userId = await server.user();
    const id = randomUUID();
    expect(
      refusals(
        await tryRecord([
          { userId, id, message: 'm' },
          { userId, id },
        ]),
      ),
    ).toEqual(['EVENT_ID_CONFLICT']);
    expect(await headOf(userId)).toBe('0');
  });

  test('that runs beside the first attempt is stored once', async () => {
    const userId = await server.user();
    const id = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.record({ userId, id })));
    expect(answers.flat().filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(answers.flat().map(({ event }) => event.sequence))).toEqual(new Set([1]));
    expect(await headOf(userId)).toBe('1');
  });
});

describe('small recordings that come together', () => {
  /** Lets nothing be written until `count` recordings have arrived, over HTTP or otherwise. */
  async function whileNothingIsWritten<T>(count: number, work: () => Promise<T>): Promise<T> {
    const { database, log } = server.app.services;
    let release = () => {};
    const arrived = new Promise<void>((resolve) => {
      release = resolve;
    });
    const original = log.record;
    let calls = 0;
    const spy = vi.spyOn(log, 'record').mockImplementation((drafts) => {
      calls += 1;
      if (calls === count) queueMicrotask(release);
      return original(drafts);
    });
    const blocked = holdRecording(database, arrived);
    try {
      return await work();
    } finally {
      await blocked;
      spy.mockRestore();
    }
  }

  test('share their transactions, and each is answered for itself', async () => {
    const userId = await server.user();
    const count = statements.length;
    const results = await whileNothingIsWritten(40, () =>
      Promise.all(Array.from({ length: 40 }, (_, n) => server.record({ userId, message: String(n) }))),
    );
    expect(insertsSince(count)).toBeLessThanOrEqual(2);
    expect(new Set(results.flat().map(({ event }) => event.sequence)).size).toBe(40);
    expect(await headOf(userId)).toBe('40');
    const { data } = await server.graphql(`{ user(id: "${userId}") { recentSyncEvents(limit: 40) { id message } } }`);
    const messages = new Map(
      data.user.recentSyncEvents.map((event: { id: string; message: string }) => [event.id, event.message]),
    );
    for (const [n, [result]] of results.entries()) expect(messages.get(result?.event.id)).toBe(String(n));
  });

  test('are not held to account for a bad one among them', async () => {
    const userId = await server.user();
    const id = randomUUID();
    await server.record({ userId, id });
    const count = statements.length;
    const good = Array.from({ length: 6 }, () => [{ userId }]);
    const conflict = [{ userId }, { userId, id, message: 'other' }];
    const unknown = [{ userId }, { userId: randomUUID() }];
    const answers = await whileNothingIsWritten(9, () =>
      Promise.all(
        [...good.slice(0, 3), conflict, [{ userId, id }], unknown, ...good.slice(3)].map((events) => tryRecord(events)),
      ),
    );
    expect(answers.map(refusals)).toEqual([[], [], [], ['EVENT_ID_CONFLICT'], [], ['NOT_FOUND'], [], [], []]);
    expect(insertsSince(count)).toBeLessThanOrEqual(2);
    expect(await headOf(userId)).toBe('7');
  });

  test('are written one by one when their transaction fails as a whole', async () => {
    const userId = await server.user();
    const { database, log } = server.app.services;
    const allow = await refuseMessage(database, 'not here');
    const draft = { userId, runId: 'run_1', provider: 'oura', source: 'pull', stage: 'queued', status: 'in_progress' };
    const outcomes = await Promise.allSettled([
      log.record([draft]),
      log.record([draft, { ...draft, message: 'not here' }]),
      log.record([draft]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const answer = await tryRecord([{ userId, message: 'not here' }]);
    expect(refusals(answer)).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(answer.errors[0]?.message).not.toContain('trigger');
    await allow();
    expect(await headOf(userId)).toBe('2');
    expect(await server.record({ userId })).toMatchObject([{ event: { sequence: 3 } }]);
  });
});

test('small recordings are refused together when the database stays busy, not one after another', async () => {
  const busy = new AppError('UNAVAILABLE', 'busy');
  const transaction = vi.fn(() => Promise.reject(busy));
  const { database } = server.app.services;
  const log = openEventLog({
    database: { ...database, transaction },
    ...{ limits: defaultLimits, clock: Date.now, onError: (error: unknown) => expect.unreachable(String(error)) },
  });
  const draft = {
    userId: randomUUID(),
    runId: 'r',
    provider: 'oura',
    source: 'pull',
    stage: 'queued',
    status: 'stale',
  };
  const outcomes = await Promise.allSettled([log.record([draft]), log.record([draft]), log.record([draft])]);
  expect(outcomes).toEqual(Array(3).fill({ status: 'rejected', reason: busy }));
  expect(transaction).toHaveBeenCalledTimes(1);
  await log.close();
});

describe('with small bounds', () => {
  let small: TestServer;
  let inserts = 0;

  beforeAll(async () => {
    small = await startServer({
      limits: { eventsPerRecording: 20, eventsPerTransaction: 10, waitingRecordings: 3 },
      onStatement: ({ sql }) => {
        if (sql.includes('INSERT INTO sync_event')) inserts += 1;
      },
    });
  });
  afterAll(() => small.close());

  const draftsFor = (userId: string, count: number) =>
    Array.from({ length: count }, () => ({
      ...{ userId, runId: 'run_1', provider: 'oura', source: 'pull', stage: 'queued', status: 'in_progress' },
    }));

  test('a transaction holds so many events, or one recording that is larger', async () => {
    const userId = await small.user();
    const { log } = small.app.services;
    inserts = 0;
    await Promise.all([
      log.record(draftsFor(userId, 5)),
      log.record(draftsFor(userId, 5)),
      log.record(draftsFor(userId, 1)),
    ]);
    expect(inserts).toBe(2);
    inserts = 0;
    await Promise.all([log.record(draftsFor(userId, 20)), log.record(draftsFor(userId, 1))]);
    expect(inserts).toBe(2);
  });

  test('a recording that finds too many before it is refused', async () => {
    const userId = await small.user();
    const { log } = small.app.services;
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => log.record(draftsFor(userId, 1))));
    expect(outcomes.map(({ status }) => status)).toEqual([...Array(3).fill('fulfilled'), ...Array(2).fill('rejected')]);
    expect(outcomes[4]).toMatchObject({ reason: { code: 'UNAVAILABLE' } });
    await log.record(draftsFor(userId, 1));
  });

  test('a server that stops answers what it has accepted and refuses the rest', async () => {
    const stopping = await startServer();
    const userId = await stopping.user();
    const { log } = stopping.app.services;
    const accepted = log.record(draftsFor(userId, 3));
    const closed = log.close();
    await expect(log.record(draftsFor(userId, 1))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await closed;
    expect(await accepted).toHaveLength(3);
    await stopping.close();
  });
});

describe('times', () => {
  test('recordedAt is the time of this server, and stands in for a timestamp that is left out', async () => {
    const userId = await server.user();
    now = Date.UTC(2026, 4, 1, 10, 0, 0, 123);
    const { data } = await tryRecord([{ userId }, { userId, timestamp: '2026-05-01T09:00:00.4567+02:00' }]);
    const recordedAt = '2026-05-01T10:00:00.123Z';
    expect(data.recordSyncEvents.results.map(({ event }: { event: object }) => event)).toMatchObject([
      { timestamp: recordedAt, recordedAt },
      { timestamp: '2026-05-01T07:00:00.456Z', recordedAt },
    ]);
  });

  test('may be anything from the year 2000 to 2099', async () => {
    const userId = await server.user();
    const bounds = ['2000-01-01T00:00:00.000Z', '2099-12-31T23:59:59.999Z'];
    for (const time of bounds) await server.record({ userId, timestamp: time, startedAt: time, endedAt: time });
    for (const time of ['1999-12-31T23:59:59.999Z', '2100-01-01T00:00:00.000Z'])
      for (const field of ['timestamp', 'startedAt', 'endedAt'])
        expect(refusals(await tryRecord([{ userId, [field]: time }]))).toEqual(['BAD_USER_INPUT']);
  });
});

describe('a run', () => {
  test('is made by its first event, which it copies', async () => {
    const userId = await server.user();
    const primaryUserId = randomUUID();
    const fields = {
      ...{ provider: 'garmin', source: 'LINKED_ACCOUNT', stage: 'STARTED', status: 'IN_PROGRESS', message: 'm' },
      ...{ progress: 0.5, itemsProcessed: 1, itemsTotal: 2, error: 'e', primaryUserId, startedAt: second(1) },
    };
    await server.record({ userId, ...fields, timestamp: second(9) });
    expect(await runOf(userId)).toEqual({
      ...{ ...fields, newestPrimaryUserId: primaryUserId },
      ...{ endedAt: null, lastEventAt: second(9), durationMs: null, eventCount: 1, isTerminal: false },
    });
  });

  test('copies its newest event whole; only its start and primary user stick', async () => {
    const userId = await server.user();
    const primaryUserId = randomUUID();
    const all = { message: 'm', progress: 1, itemsProcessed: 1, itemsTotal: 2, error: 'e' };
    await server.record({ userId, ...all, startedAt: second(1), primaryUserId, timestamp: second(5) });
    await server.record({ userId, stage: 'SAVING', timestamp: second(4) });
    expect(await runOf(userId)).toMatchObject({
      ...{ stage: 'SAVING', message: null, progress: null, itemsProcessed: null, itemsTotal: null, error: null },
      ...{ startedAt: second(1), primaryUserId, newestPrimaryUserId: null, lastEventAt: second(4), eventCount: 2 },
    });
    const another = randomUUID();
    await server.record({ userId, startedAt: second(2), primaryUserId: another });
    expect(await runOf(userId)).toMatchObject({ startedAt: second(2), primaryUserId: another });
  });

  test.each(['SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'SKIPPED'])(
    'that finished with %s is never reopened; what comes late is flagged, counted and kept in the log',
    async (status) => {
      const userId = await server.user();
      const ending = { stage: 'COMPLETED', status, message: 'the end', startedAt: second(1), endedAt: second(4) };
      await server.record({ userId }, { userId, ...ending, timestamp: second(4) });
      const finished = await runOf(userId);
      expect(finished).toMatchObject({ status, isTerminal: true, durationMs: 3000, eventCount: 2 });
      const late = await server.record(
        { userId, startedAt: second(9), primaryUserId: randomUUID(), message: 'still here' },
        { userId, stage: 'FAILED', status: 'FAILED', endedAt: second(9), error: 'no' },
      );
      expect(late.map(({ event }) => [event.late, event.sequence])).toEqual([
        [true, 3],
        [true, 4],
      ]);
      expect(await runOf(userId)).toEqual({ ...finished, eventCount: 4 });
      expect(await server.record({ userId, runId: 'run_2' })).toMatchObject([{ event: { late: false } }]);
    },
  );

  test('that finished before anybody told when it began is told by the first late event that does', async () => {
    const userId = await server.user();
    await server.record({ userId, stage: 'COMPLETED', status: 'SUCCESS', endedAt: second(4) });
    await server.record({ userId, stage: 'STARTED', startedAt: second(1) }, { userId, startedAt: second(2) });
    expect(await runOf(userId)).toMatchObject({ status: 'SUCCESS', startedAt: second(1), durationMs: 3000 });
  });

  test.each(['IN_PROGRESS', 'UNFINISHED', 'STALE'])('that stands at %s goes on with its next event', async (status) => {
    const userId = await server.user();
    await server.record({ userId, status });
    expect(await runOf(userId)).toMatchObject({ status, isTerminal: false });
    expect(await server.record({ userId, stage: 'SAVING' })).toMatchObject([{ event: { late: false } }]);
    expect(await runOf(userId)).toMatchObject({ status: 'IN_PROGRESS', stage: 'SAVING', eventCount: 2 });
  });

  test('of one user has nothing to do with a run of the same name of another', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    await server.record({ userId, status: 'SUCCESS' }, { userId: other });
    expect(await server.record({ userId: other })).toMatchObject([{ event: { late: false } }]);
    expect(await runOf(other)).toMatchObject({ status: 'IN_PROGRESS', eventCount: 2 });
  });

  test('adds up to the same however its events were split into recordings', async () => {
    const time = fc.integer({ min: 0, max: 9 }).map(second);
    const step = fc.record({
      status: fc.constantFrom('IN_PROGRESS', 'IN_PROGRESS', 'IN_PROGRESS', 'STALE', 'SUCCESS'),
      stage: fc.constantFrom('STARTED', 'FETCHING', 'COMPLETED'),
      timestamp: time,
      startedAt: fc.option(time),
      primaryUserId: fc.option(fc.constantFrom(randomUUID(), randomUUID())),
      progress: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      newRecording: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const userId = await server.user();
        const recordings: Draft[][] = [[]];
        for (const { newRecording, ...event } of steps) {
          if (newRecording && recordings.at(-1)?.length) recordings.push([]);
          recordings.at(-1)?.push({ userId, ...event });
        }
        const late: boolean[] = [];
        for (const events of recordings) late.push(...(await server.record(...events)).map(({ event }) => event.late));

        const end = steps.findIndex(({ status }) => status === 'SUCCESS');
        const counted = end < 0 ? steps : steps.slice(0, end + 1);
        const newest = counted.at(-1);
        const lastKnown = <K extends 'startedAt' | 'primaryUserId'>(field: K) =>
          counted.map((each) => each[field]).findLast((value) => value !== null) ?? null;
        const toldLate = steps.slice(counted.length).find(({ startedAt }) => startedAt !== null);
        expect(late).toEqual(steps.map((_, n) => end >= 0 && n > end));
        expect(await runOf(userId)).toMatchObject({
          ...{ status: newest?.status, stage: newest?.stage, lastEventAt: newest?.timestamp },
          startedAt: lastKnown('startedAt') ?? toldLate?.startedAt ?? null,
          ...{ primaryUserId: lastKnown('primaryUserId') },
          newestPrimaryUserId: newest?.primaryUserId,
          ...{ progress: newest?.progress === 0 ? 0 : newest?.progress, eventCount: steps.length },
        });
      }),
      { numRuns: 40 },
    );
  });
});

describe('refused are', () => {
  test('events of an unknown user, by index, together with all others', async () => {
    const userId = await server.user();
    const stranger = randomUUID();
    const { data, errors } = await tryRecord([{ userId }, { userId }, { userId: stranger }]);
    expect(data).toBeNull();
    expect(errors).toMatchObject([
      { extensions: { code: 'NOT_FOUND', problems: [{ index: 2, field: 'userId' }] }, path: ['recordSyncEvents'] },
    ]);
    expect(await headOf(userId)).toBe('0');
  });

  test('events that break rules, of which up to twenty are listed with index and field', async () => {
    const userId = await server.user();
    const { errors } = await tryRecord(Array.from({ length: 15 }, () => ({ userId, runId: '', provider: '' })));
    const problems = errors[0]?.extensions.problems;
    expect(problems).toHaveLength(20);
    expect(problems).toMatchObject(
      Array.from({ length: 20 }, (_, n) => ({
        ...{ index: Math.floor(n / 2), field: n % 2 ? 'provider' : 'runId', message: 'must not be empty' },
      })),
    );
  });

  test('all credentials without the scope write', async () => {
    const userId = await server.user();
    const bearers: [Headers, string][] = [
      [await server.key('read'), 'FORBIDDEN'],
      [await server.key('admin'), 'FORBIDDEN'],
      [await server.userToken(userId), 'FORBIDDEN'],
      [{}, 'UNAUTHENTICATED'],
    ];
    for (const [headers, code] of bearers) expect(refusals(await tryRecord([{ userId }], headers))).toEqual([code]);
    expect(await headOf(userId)).toBe('0');
    expect((await tryRecord([{ userId }], await server.key('write'))).errors).toEqual([]);
  });
});

describe('deleteUser', () => {
  const deleteUser = (id: string, headers?: Headers) =>
    server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }', { id }, headers);

  test('removes the user with all events and runs, and nobody else', async () => {
    const [userId, other] = [await server.user({ externalUserId: 'going' }), await server.user()];
    const ids = [randomUUID(), randomUUID()];
    await server.record({ userId, id: ids[0] }, { userId, id: ids[1], runId: 'run_2' }, { userId: other });
    const kept = await everythingOf(other);
    expect((await deleteUser(userId)).data).toEqual({ deleteUser: { deletedUserId: userId } });

    const { reader } = server.app.services.database;
    expect(await reader.user.count({ where: { id: userId } })).toBe(0);
    expect(await reader.syncEvent.count({ where: { userId } })).toBe(0);
    expect(await reader.syncRun.count({ where: { userId } })).toBe(0);
    expect(await everythingOf(other)).toEqual(kept);
    expect(refusals(await tryRecord([{ userId }]))).toEqual(['NOT_FOUND']);

    // Nothing of the old log shows in a new one under the same ids.
    await server.graphql('mutation ($id: UUID!) { upsertUser(input: { id: $id, externalUserId: "going" }) { id } }', {
      id: userId,
    });
    expect(await server.record({ userId, id: ids[1], message: 'new' })).toMatchObject([
      { duplicate: false, event: { sequence: 1, late: false } },
    ]);
  });

  test('answers NOT_FOUND for an unknown user', async () => {
    expect(refusals(await deleteUser(randomUUID()))).toEqual(['NOT_FOUND']);
  });

  test('needs the scope admin', async () => {
    const userId = await server.user();
    for (const headers of [await server.key('read', 'write'), await server.userToken(userId)])
      expect(refusals(await deleteUser(userId, headers))).toEqual(['FORBIDDEN']);
    expect(refusals(await deleteUser(userId, {}))).toEqual(['UNAUTHENTICATED']);
    expect(await headOf(userId)).toBe('0');
  });
});

describe('upsertUser', () => {
  const fields = 'id externalUserId email firstName lastName createdAt';
  async function upsert(input: object) {
    const mutation = `mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { ${fields} } }`;
    const answer = await server.graphql(mutation, { input });
    return { user: answer.data?.upsertUser, codes: refusals(answer), errors: answer.errors };
  }

  test('makes a user, with the given id or a new one', async () => {
    const id = randomUUID();
    now = Date.UTC(2026, 5, 1);
    const nothing = { externalUserId: null, email: null, firstName: null, lastName: null };
    const createdAt = '2026-06-01T00:00:00.000Z';
    expect((await upsert({ id: id.toUpperCase(), email: 'a@b' })).user).toEqual({
      id,
      ...nothing,
      email: 'a@b',
      createdAt,
    });
    const { user } = await upsert({});
    expect(user).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), ...nothing, createdAt });
  });

  test('finds the user by id, and keeps what is left out', async () => {
    const id = randomUUID();
    const { user } = await upsert({ id, externalUserId: `ext ${id}`, email: 'a@b', firstName: 'A', lastName: 'B' });
    now += 1_000;
    expect((await upsert({ id })).user).toEqual(user);
    expect((await upsert({ id, firstName: 'C' })).user).toEqual({ ...user, firstName: 'C' });
    expect((await upsert({ id, externalUserId: `new ${id}` })).user).toMatchObject({ id, externalUserId: `new ${id}` });
  });

  test('finds the user by externalUserId where no id is given', async () => {
    const externalUserId = randomUUID();
    const { user } = await upsert({ externalUserId, firstName: 'A' });
    expect((await upsert({ externalUserId, lastName: 'B' })).user).toEqual({ ...user, lastName: 'B' });
    expect((await upsert({ id: null, externalUserId, lastName: 'C' })).user).toEqual({ ...user, lastName: 'C' });
  });

  test('clears what is given as null', async () => {
    const id = randomUUID();
    await upsert({ id, externalUserId: `ext ${id}`, email: 'a@b', firstName: 'A', lastName: 'B' });
    expect(
      (await upsert({ id, externalUserId: null, email: null, firstName: null, lastName: null })).user,
    ).toMatchObject({
      ...{ id, externalUserId: null, email: null, firstName: null, lastName: null },
    });
  });

  test('refuses an externalUserId that belongs to another user', async () => {
    const externalUserId = randomUUID();
    const owner = (await upsert({ externalUserId })).user;
    const other = (await upsert({ firstName: 'other' })).user;
    for (const id of [other.id, randomUUID()]) {
      const { codes, errors } = await upsert({ id, externalUserId });
      expect(codes).toEqual(['BAD_USER_INPUT']);
      expect(errors[0]?.extensions.argumentPath).toEqual(['input', 'externalUserId']);
    }
    expect((await upsert({ externalUserId })).user.id).toBe(owner.id);
    expect((await upsert({ id: other.id })).user).toEqual(other);
  });

  test('takes texts of 1 to 255 characters', async () => {
    for (const field of ['externalUserId', 'email', 'firstName', 'lastName']) {
      const longest = `${randomUUID()}${'x'.repeat(219)}`;
      expect((await upsert({ [field]: longest })).user).toMatchObject({ [field]: longest });
      for (const bad of ['', `${longest}x`, 'a\0b', 'a\ud800b']) {
        const { codes, errors } = await upsert({ [field]: bad });
        expect(codes).toEqual(['BAD_USER_INPUT']);
        expect(errors[0]?.extensions.argumentPath).toEqual(['input', field]);
      }
    }
  });

  test('gives many at once that name the same externalUserId one user', async () => {
    const externalUserId = randomUUID();
    const made = await Promise.all(Array.from({ length: 20 }, () => upsert({ externalUserId })));
    expect(new Set(made.map(({ user }) => user.id)).size).toBe(1);
  });
});

test('a mutation shows what the one before it has changed', async () => {
  const server = await startServer();
  const userId = await server.user();
  const record = (alias: string) => `${alias}: recordSyncEvents(input: { events: [{
    userId: "${userId}", runId: "r", provider: "oura", source: PULL, stage: FETCHING, status: IN_PROGRESS
  }] }) { results { event { cursor user { headCursor } run { eventCount } } } }`;
  const { data } = await server.graphql(`mutation { ${record('a')} ${record('b')} }`);
  expect(data.a.results[0].event).toEqual({ cursor: '1', user: { headCursor: '1' }, run: { eventCount: 1 } });
  expect(data.b.results[0].event).toEqual({ cursor: '2', user: { headCursor: '2' }, run: { eventCount: 2 } });
  await server.close();
});

test('a fraction is kept to its last bit, so that a retry of any is a duplicate', async () => {
  const server = await startServer();
  const userId = await server.user();
  // Decimal texts that SQLite reads as a neighbouring double, among as many as one recording takes.
  const fractions = [0.3121704786802664, 0.2755905511811024, ...Array.from({ length: 498 }, () => Math.random())];
  const events = fractions.map((progress) => ({ id: randomUUID(), userId, progress }));
  expect((await server.record(...events)).every(({ duplicate }) => !duplicate)).toBe(true);
  expect((await server.record(...events)).every(({ duplicate }) => duplicate)).toBe(true);
  const { data } = await server.graphql(
    `{ user(id: "${userId}") { syncEvents(first: 200) { edges { node { progress } } } } }`,
  );
  const kept = data.user.syncEvents.edges.map(({ node }: { node: { progress: number } }) => node.progress);
  expect(kept).toEqual(fractions.slice(0, 200));
  await server.close();
});

test('a batch that names an event twice, once with a time, is refused and does not become a trap for its retry', async () => {
  const server = await startServer();
  const userId = await server.user();
  const id = randomUUID();
  const timestamp = '2026-03-14T07:00:00.000Z';
  await expect(server.record({ id, userId }, { id, userId, timestamp })).rejects.toThrow('other content');
  await expect(server.record({ id, userId, timestamp }, { id, userId, timestamp })).resolves.toHaveLength(2);
  await server.close();
});
