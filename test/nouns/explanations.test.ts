import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 2, 14, 12);

let server: TestServer;
let now = start;

beforeAll(async () => {
  server = await startServer({ clock: () => now });
});
afterAll(() => server.close());
beforeEach(() => {
  now = start;
});

const time = (ms: number) => new Date(ms).toISOString();

interface Told {
  readonly run: string;
  readonly status?: string;
  readonly stage?: string;
  readonly items?: number;
  readonly error?: string;
  readonly source?: string;
  readonly scope?: string;
  readonly provider?: string;
  readonly progress?: number;
  readonly metadata?: object;
  readonly dataTypes?: readonly object[];
}

/** Records an event at a moment, in milliseconds after the start. */
async function tell(userId: string, atMs: number, { run, items, ...rest }: Told): Promise<void> {
  now = start + atMs;
  await server.record({ userId, runId: run, ...rest, itemsProcessed: items, timestamp: time(now) });
}

async function linkOf(userId: string, fields: string) {
  const { data, errors } = await server.graphql(`query ($id: UUID!) { user(id: $id) { connections { ${fields} } } }`, {
    id: userId,
  });
  expect(errors).toEqual([]);
  expect(data.user.connections).toHaveLength(1);
  return data.user.connections[0];
}

const explanationOf = async (userId: string) =>
  (await linkOf(userId, 'explain { verdict since actor evidence { runId sequence } }')).explain;

const success = (run: string, items = 7): Told => ({ run, status: 'SUCCESS', items });
const failure = (run: string, error: string): Told => ({ run, status: 'FAILED', error });

/** Pulls that succeed every three hours for ten days: a rhythm that is known. */
async function pulled(userId: string, items: (n: number) => number = () => 3, days = 10): Promise<void> {
  for (let n = 0; n < days * 8; n++) await tell(userId, n * 3 * hour, success(`p${n}`, items(n)));
}

describe('the explanation of a connection', () => {
  test('says that all is well', async () => {
    const userId = await server.user();
    await tell(userId, 0, success('a'));
    expect(await explanationOf(userId)).toEqual({
      ...{ verdict: 'All is well: syncs succeed.', actor: null, since: time(start) },
      evidence: [{ runId: 'a', sequence: 1 }],
    });
  });

  test('names the failure for which the person has to connect again, and the last success', async () => {
    const userId = await server.user();
    await tell(userId, 0, success('a'));
    await tell(userId, hour, failure('b', '401 Unauthorized'));
    expect(await explanationOf(userId)).toEqual({
      verdict: 'The connection has broken: no data comes until the person connects again.',
      ...{ since: time(start + hour), actor: 'USER' },
      evidence: [
        { runId: 'b', sequence: 2 },
        { runId: 'a', sequence: 1 },
      ],
    });
  });

  test.each([
    [
      'HTTP 429 Too Many Requests',
      'Syncs fail: the provider was asked too often, and lets nobody in for a while.',
      'WAIT',
    ],
    ['503 Service Unavailable', 'Syncs fail: the provider does not answer.', 'WAIT'],
    ['read timeout', 'Syncs fail: they take too long.', 'WAIT'],
    ['required scopes not granted', 'Syncs fail: the person has not granted what they need.', 'USER'],
    ['validation failed', 'Syncs fail: what comes cannot be read.', 'OPERATOR'],
    ['disk full', 'Syncs fail: the platform itself has failed.', 'OPERATOR'],
    ['nobody knows', 'Syncs fail for a reason that no rule knows.', 'OPERATOR'],
  ])('says of %s that %s', async (error, verdict, actor) => {
    const userId = await server.user();
    await tell(userId, 0, success('a'));
    for (const n of [1, 2, 3]) await tell(userId, n * hour, failure(`f${n}`, error));
    expect(await explanationOf(userId)).toMatchObject({
      ...{ verdict, actor, since: time(start + hour) },
      evidence: [{ runId: 'f3' }, { runId: 'a' }],
    });
  });

  test('tells one failure after successes from many', async () => {
    const userId = await server.user();
    await tell(userId, 0, success('a'));
    await tell(userId, hour, failure('b', '503 Service Unavailable'));
    expect(await explanationOf(userId)).toMatchObject({
      ...{ verdict: 'The newest sync has failed; those before succeeded.', actor: 'WAIT', since: time(start + hour) },
      evidence: [{ runId: 'b' }, { runId: 'a' }],
    });
  });

  test('names the types of data that the person has not granted', async () => {
    const userId = await server.user();
    const denied = { state: 'FAILED', reason: { class: 'SCOPE_DENIED' } };
    await tell(userId, 0, {
      ...success('a'),
      dataTypes: [
        { dataType: 'hrv', ...denied },
        { dataType: 'sleep', ...denied },
        { dataType: 'steps', state: 'COMPLETE' },
      ],
    });
    expect(await explanationOf(userId)).toEqual({
      verdict: 'Syncs succeed, but the person has not granted hrv and sleep.',
      ...{ since: time(start), actor: 'USER', evidence: [{ runId: 'a', sequence: 1 }] },
    });
  });

  test('says that a sync is under way, and that it is the first', async () => {
    const userId = await server.user();
    await tell(userId, 0, { run: 'a', stage: 'STARTED' });
    expect(await explanationOf(userId)).toMatchObject({
      ...{ verdict: 'A sync is under way.', actor: 'WAIT', evidence: [{ runId: 'a' }] },
    });
    now += hour;
    expect(await explanationOf(userId)).toMatchObject({ verdict: 'No sync has succeeded yet.', actor: null });
  });

  test('says what is late by the rhythm of the connection, since when, and for whom it is to act', async () => {
    const userId = await server.user();
    await pulled(userId);
    now += day;
    const { since, ...explained } = await explanationOf(userId);
    expect(explained).toMatchObject({
      verdict: 'Nothing has come for longer than is usual for this connection.',
      ...{ actor: 'OPERATOR', evidence: [{ runId: 'p79' }] },
    });
    expect(Date.parse(since)).toBeGreaterThan(start + 79 * 3 * hour);
    expect(Date.parse(since)).toBeLessThan(now);
  });

  test('says that syncs bring nothing, and that there is too little history to know', async () => {
    const [never, little] = [await server.user(), await server.user()];
    await pulled(never, () => 0, 4);
    expect(await explanationOf(never)).toMatchObject({
      verdict: 'Syncs succeed, and no data has ever come.',
      ...{ actor: 'USER', since: time(start) },
    });
    now = start;
    await pulled(little, (n) => (n === 0 ? 5 : 0), 4);
    expect(await explanationOf(little)).toMatchObject({
      verdict: 'Nothing has come for a while, and there is too little history to say whether that is late.',
      actor: null,
    });
  });

  test('says that somebody who wears a device now and then is well', async () => {
    const userId = await server.user();
    await pulled(userId, (n) => ([0, 3, 5, 10, 12, 17, 19, 24, 28].includes(n / 8) ? 40 : 0), 31);
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'All is well: data comes now and then, and for this person the next is not late.',
      ...{ actor: null, since: time(start + 28 * day) },
    });
  });

  test('follows a history until its end', async () => {
    const userId = await server.user();
    const run = { run: 'h', source: 'BACKFILL', scope: 'HISTORICAL', provider: 'garmin' };
    await tell(userId, 0, { ...run, stage: 'STARTED', metadata: { target_days: 90, total_windows: 3 } });
    await tell(userId, minute, {
      ...{ ...run, stage: 'PROCESSING', progress: 1 / 3, metadata: { window: 1, total_windows: 3 } },
    });
    expect(await explanationOf(userId)).toMatchObject({
      ...{ verdict: 'The history is coming in: 33 %.', actor: 'WAIT', evidence: [{ sequence: 2 }] },
    });
    const fields = 'backfill { requested { start end } covered { start end } done percent }';
    const [from, to] = [time(start - 90 * day), time(start)];
    expect(await linkOf(userId, fields)).toEqual({
      backfill: {
        ...{ requested: { start: from, end: to }, done: false, percent: 33 },
        covered: { start: time(start - 30 * day), end: to },
      },
    });
    now += 2 * hour;
    expect(await explanationOf(userId)).toMatchObject({ verdict: 'No sync has succeeded yet.' });
    await tell(userId, 3 * hour, { ...run, status: 'SUCCESS', items: 3 });
    expect(await linkOf(userId, fields)).toEqual({
      backfill: { requested: { start: from, end: to }, covered: { start: from, end: to }, done: true, percent: 100 },
    });
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'All is well: syncs succeed, and the history has come in.',
      actor: null,
    });
  });

  test('says that a history has stopped before its end', async () => {
    const userId = await server.user();
    const run = { run: 'h', source: 'BACKFILL', scope: 'HISTORICAL', provider: 'garmin' };
    await tell(userId, 0, { ...run, stage: 'STARTED', metadata: { target_days: 90, total_windows: 3 } });
    await tell(userId, hour, { ...success('live'), provider: 'garmin', source: 'WEBHOOK' });
    now = start + 2 * hour;
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'The history has not come in to its end: 0 %.',
      actor: 'OPERATOR',
    });
  });

  test('has no history where no run was about it', async () => {
    const userId = await server.user();
    await tell(userId, 0, success('a'));
    expect(await linkOf(userId, 'backfill { done }')).toEqual({ backfill: null });
  });
});
