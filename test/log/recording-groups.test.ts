import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { AppError } from '../../src/errors.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { headOf, refusals, tryRecord } from '../support/recording.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { refuseMessage } from '../support/sql.ts';

let server: TestServer;
const statements: StatementReport[] = [];
const now = Date.UTC(2026, 2, 14, 12);

beforeAll(async () => {
  server = await startServer({ clock: () => now, onStatement: (report) => statements.push(report) });
});
afterAll(() => server.close());

const insertsSince = (count: number) =>
  statements.slice(count).filter(({ sql }) => sql.includes('INSERT INTO sync_event')).length;

describe('small recordings that come together', () => {
  const draftOf = (userId: string, special: object = {}) => ({
    ...{ userId, runId: 'run_1', provider: 'oura', source: 'pull', stage: 'queued', status: 'in_progress' },
    ...special,
  });

  test('share their transactions, and each is answered for itself', async () => {
    const userId = await server.user();
    const count = statements.length;
    const { log } = server.app.services;
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, n) => log.record([draftOf(userId, { message: String(n) })])),
    );
    expect(insertsSince(count)).toBeLessThanOrEqual(2);
    expect(new Set(results.flat().map(({ event }) => event.sequence)).size).toBe(40);
    expect(await headOf(server, userId)).toBe('40');
    const { data } = await server.graphql(`{ user(id: "${userId}") { recentSyncEvents(limit: 40) { id message } } }`);
    const messages = new Map(
      data.user.recentSyncEvents.map((event: { id: string; message: string }) => [event.id, event.message]),
    );
    for (const [n, [result]] of results.entries()) expect(messages.get(result?.event.id)).toBe(String(n));
  });

  test('are answered each for itself over HTTP, too', async () => {
    const userId = await server.user();
    const id = randomUUID();
    await server.record({ userId, id });
    const recordings = [
      [{ userId }],
      [{ userId }, { userId, id, message: 'other' }],
      [{ userId, id }],
      [{ userId }, { userId: randomUUID() }],
      [{ userId: randomUUID() }],
      [{ userId }],
    ];
    const answers = await Promise.all(recordings.map((drafts) => tryRecord(server, drafts)));
    expect(answers.map(refusals)).toEqual([[], ['EVENT_ID_CONFLICT'], [], ['NOT_FOUND'], ['NOT_FOUND'], []]);
    expect(answers[2]?.data.recordSyncEvents.results).toMatchObject([{ duplicate: true, event: { id, sequence: 1 } }]);
    expect(await headOf(server, userId)).toBe('3');
  });

  test('are not held to account for a bad one among them', async () => {
    const userId = await server.user();
    const id = randomUUID();
    await server.app.services.log.record([draftOf(userId, { id })]);
    const count = statements.length;
    const { log } = server.app.services;
    const good = Array.from({ length: 6 }, () => [draftOf(userId)]);
    const conflict = [draftOf(userId), draftOf(userId, { id, message: 'other' })];
    const unknown = [draftOf(userId), draftOf(randomUUID())];
    const same = [draftOf(userId, { id })];
    const outcomes = await Promise.allSettled(
      [...good.slice(0, 3), conflict, same, unknown, ...good.slice(3)].map((drafts) => log.record(drafts)),
    );
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : null));
    expect(codes).toEqual([null, null, null, 'EVENT_ID_CONFLICT', null, 'NOT_FOUND', null, null, null]);
    expect(insertsSince(count)).toBeLessThanOrEqual(2);
    expect(await headOf(server, userId)).toBe('7');
  });

  test('are written one by one when their transaction fails as a whole', async () => {
    const userId = await server.user();
    const { database, log } = server.app.services;
    const allow = await refuseMessage(database, 'not here');
    const draft = draftOf(userId);
    const outcomes = await Promise.allSettled([
      log.record([draft]),
      log.record([draft, { ...draft, message: 'not here' }]),
      log.record([draft]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const answer = await tryRecord(server, [{ userId, message: 'not here' }]);
    expect(refusals(answer)).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(answer.errors[0]?.message).not.toContain('trigger');
    await allow();
    expect(await headOf(server, userId)).toBe('2');
    expect(await server.record({ userId })).toMatchObject([{ event: { sequence: 3 } }]);
  });
});

test('small recordings are refused together when the database stays busy, not one after another', async () => {
  const busy = new AppError('UNAVAILABLE', 'busy');
  const change = vi.fn(() => Promise.reject(busy));
  const { database } = server.app.services;
  const log = openEventLog({
    database: { ...database, change },
    ...{ limits: defaultLimits, clock: Date.now, onError: (error: unknown) => expect.unreachable(String(error)) },
  });
  onTestFinished(() => log.close());
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
  expect(change).toHaveBeenCalledTimes(1);
});

test('the events of a log are recorded in the order of their numbers, though the clock goes back', async () => {
  let time = now;
  const turned = await startServer({ clock: () => time });
  onTestFinished(() => turned.close());
  const [userId, other] = [await turned.user(), await turned.user()];
  const draft = { runId: 'r', provider: 'oura', source: 'pull', stage: 'queued', status: 'in_progress' };
  const record = async (id: string) => {
    const [recorded] = await turned.app.services.log.record([{ ...draft, userId: id }]);
    return recorded?.event.recordedAt.getTime();
  };
  expect(await record(userId)).toBe(now);
  time -= 60_000;
  expect(await record(userId)).toBe(now);
  expect(await record(other)).toBe(now - 60_000);
  time += 61_000;
  expect(await record(userId)).toBe(now + 1_000);
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
    onTestFinished(() => stopping.close());
    const userId = await stopping.user();
    const { log } = stopping.app.services;
    let answered = false;
    const accepted = log.record(draftsFor(userId, 3)).finally(() => {
      answered = true;
    });
    const closed = log.close();
    await expect(log.record(draftsFor(userId, 1))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await closed;
    expect(answered).toBe(true); // what closes behind the log, such as the database, may rely on it
    expect(await accepted).toHaveLength(3);
  });
});
