import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { type Draft, everythingOf, headOf, refusals, tryRecord } from '../support/recording.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
const statements: StatementReport[] = [];
let now = Date.UTC(2026, 2, 14, 12);

beforeAll(async () => {
  server = await startServer({ clock: () => now, onStatement: (report) => statements.push(report) });
});
afterAll(() => server.close());

describe('a recording', () => {
  test('holds 1 to 500 events', async () => {
    const userId = await server.user();
    const results = await server.record(...Array.from({ length: 500 }, () => ({ userId })));
    expect(results.map(({ event }) => event.sequence)).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
    expect(await server.record({ userId })).toMatchObject([{ duplicate: false, event: { sequence: 501 } }]);
  });

  test('of no event, or of 501, is refused', async () => {
    const userId = await server.user();
    expect(refusals(await tryRecord(server, []))).toEqual(['BAD_USER_INPUT']);
    expect(
      refusals(
        await tryRecord(
          server,
          Array.from({ length: 501 }, () => ({ userId })),
        ),
      ),
    ).toEqual(['LIMIT_EXCEEDED']);
    expect(await headOf(server, userId)).toBe('0');
  });

  test('is stored whole or not at all', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    await server.record({ userId, message: 'before' });
    const before = await everythingOf(server, userId);
    const events: Draft[] = Array.from({ length: 500 }, (_, n) => ({ userId: n % 2 ? userId : other }));
    for (const [bad, code] of [
      [{ userId, progress: 1.1 }, 'BAD_USER_INPUT'],
      [{ userId, source: 'UNRECOGNIZED' }, 'BAD_USER_INPUT'],
      [{ userId: randomUUID() }, 'NOT_FOUND'],
    ] as const)
      expect(refusals(await tryRecord(server, [...events.slice(1), bad]))).toEqual([code]);
    expect(await everythingOf(server, userId)).toEqual(before);
    expect(await headOf(server, other)).toBe('0');
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
    onTestFinished(() => stopped.close());
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

describe('refused are', () => {
  test('events of an unknown user, by index, together with all others', async () => {
    const userId = await server.user();
    const stranger = randomUUID();
    const { data, errors } = await tryRecord(server, [{ userId }, { userId }, { userId: stranger }]);
    expect(data).toBeNull();
    expect(errors).toMatchObject([
      { extensions: { code: 'NOT_FOUND', problems: [{ index: 2, field: 'userId' }] }, path: ['recordSyncEvents'] },
    ]);
    expect(await headOf(server, userId)).toBe('0');
  });

  test('events that break rules, of which up to twenty are listed with index and field', async () => {
    const userId = await server.user();
    const { errors } = await tryRecord(
      server,
      Array.from({ length: 15 }, () => ({ userId, runId: '', provider: '' })),
    );
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
    for (const [headers, code] of bearers)
      expect(refusals(await tryRecord(server, [{ userId }], headers))).toEqual([code]);
    expect(await headOf(server, userId)).toBe('0');
    expect((await tryRecord(server, [{ userId }], await server.key('write'))).errors).toEqual([]);
  });
});

describe('times', () => {
  test('recordedAt is the time of this server, and stands in for a timestamp that is left out', async () => {
    const userId = await server.user();
    now = Date.UTC(2026, 4, 1, 10, 0, 0, 123);
    const { data } = await tryRecord(server, [{ userId }, { userId, timestamp: '2026-05-01T09:00:00.4567+02:00' }]);
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
        expect(refusals(await tryRecord(server, [{ userId, [field]: time }]))).toEqual(['BAD_USER_INPUT']);
  });
});

test('a mutation shows what the one before it has changed', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const userId = await server.user();
  const record = (alias: string) => `${alias}: recordSyncEvents(input: { events: [{
    userId: "${userId}", runId: "r", provider: "oura", source: PULL, stage: FETCHING, status: IN_PROGRESS
  }] }) { results { event { cursor user { headCursor } run { eventCount } } } }`;
  const { data } = await server.graphql(`mutation { ${record('a')} ${record('b')} }`);
  expect(data.a.results[0].event).toEqual({ cursor: '1', user: { headCursor: '1' }, run: { eventCount: 1 } });
  expect(data.b.results[0].event).toEqual({ cursor: '2', user: { headCursor: '2' }, run: { eventCount: 2 } });
});

test('a fraction is kept to its last bit, so that a retry of any is a duplicate', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
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
});
