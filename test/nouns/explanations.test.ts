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

type News = { readonly kind: 'created' } | { readonly kind: 'revoked' | 'noted'; readonly reason: string };

/** A source tells of a connection. */
async function tellLink(userId: string, news: News): Promise<void> {
  const told = { userId, provider: 'oura', connectionId: null, at: new Date(now), ...news };
  expect(await server.app.services.connections.tell(told)).toMatchObject({ outcome: 'recorded' });
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
    ['read timeout', 'Syncs fail: it takes too long.', 'WAIT'],
    ['required scopes not granted', 'Syncs fail: the person has not granted what is needed.', 'USER'],
    ['validation failed', 'Syncs fail: what comes cannot be read.', 'OPERATOR'],
    ['disk full', 'Syncs fail: the platform itself has failed.', 'OPERATOR'],
    ['nobody knows', 'Syncs fail: no rule knows the reason.', 'OPERATOR'],
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
      verdict: 'The newest sync has failed after others succeeded: the provider does not answer.',
      ...{ actor: 'WAIT', since: time(start + hour), evidence: [{ runId: 'b' }, { runId: 'a' }] },
    });
    await tell(userId, 2 * hour, failure('c', 'disk full'));
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'The newest 2 syncs have failed after others succeeded: the platform itself has failed.',
      ...{ actor: 'OPERATOR', since: time(start + hour), evidence: [{ runId: 'c' }, { runId: 'a' }] },
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

  test('does not say that syncs succeed where none has, or the newest has not', async () => {
    const userId = await server.user();
    const dataTypes = [{ dataType: 'hrv', state: 'NOT_GRANTED' }];
    await tell(userId, 0, { run: 'a', stage: 'STARTED', dataTypes });
    const denied = { verdict: 'The person has not granted hrv.', actor: 'USER' };
    expect(await explanationOf(userId)).toMatchObject(denied);
    await tell(userId, minute, success('a'));
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'Syncs succeed, but the person has not granted hrv.',
    });
    await tell(userId, hour, failure('b', '503 Service Unavailable'));
    expect(await explanationOf(userId)).toMatchObject(denied);

    const other = await server.user();
    await tell(other, 0, { ...failure('a', 'nobody knows'), dataTypes: [{ dataType: 'sleep', state: 'FAILED' }] });
    expect(await explanationOf(other)).toMatchObject({
      ...{ verdict: 'No sync has succeeded yet: no rule knows the reason.', actor: 'OPERATOR' },
    });
  });

  test('says that nothing comes before it says what has not been granted', async () => {
    const userId = await server.user();
    await pulled(userId);
    const last = 80 * 3 * hour;
    await tell(userId, last, { ...success('last'), dataTypes: [{ dataType: 'hrv', state: 'NOT_GRANTED' }] });
    now += day;
    expect(await explanationOf(userId)).toMatchObject({
      ...{ verdict: 'Nothing has come for longer than is usual for this connection.', actor: 'OPERATOR' },
    });
  });

  test('says since when a type was not granted, however often that is told', async () => {
    const userId = await server.user();
    const pull = (run: string, state: string) => ({ ...success(run), dataTypes: [{ dataType: 'hrv', state }] });
    await tell(userId, 0, pull('a', 'COMPLETE'));
    for (const n of [1, 2, 3]) await tell(userId, n * day, pull(`b${n}`, 'NOT_GRANTED'));
    expect(await explanationOf(userId)).toMatchObject({ since: time(start + day), evidence: [{ runId: 'b3' }] });
  });

  test('names a type on one line, whatever its producer calls it', async () => {
    const userId = await server.user();
    const denied = { state: 'NOT_GRANTED' };
    await tell(userId, 0, { ...success('a'), dataTypes: [{ dataType: 'heart\n\u202Erate', ...denied }] });
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'Syncs succeed, but the person has not granted heart rate.',
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
      verdict: 'Syncs succeed and bring no data, and there is too little history to say whether that is unusual.',
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

  test('is not true from a moment on that has yet to come', async () => {
    const userId = await server.user();
    const ahead = time(start + 12 * hour);
    const event = { userId, runId: 'a', stage: 'STARTED', startedAt: ahead, timestamp: ahead };
    await server.record(event);
    expect(await explanationOf(userId)).toMatchObject({ verdict: 'A sync is under way.', since: time(start) });
    await server.record({ ...event, dataTypes: [{ dataType: 'hrv', state: 'NOT_GRANTED' }] });
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'The person has not granted hrv.',
      since: time(start),
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
    expect(await explanationOf(userId)).toMatchObject({
      ...{ verdict: 'The history has not come in to its end: 33 %.', since: time(start + minute), actor: 'OPERATOR' },
    });
    await tell(userId, 3 * hour, { ...run, status: 'SUCCESS', items: 3 });
    expect(await linkOf(userId, fields)).toEqual({
      backfill: { requested: { start: from, end: to }, covered: { start: from, end: to }, done: true, percent: 100 },
    });
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'All is well: syncs succeed, and the history has come in.',
      actor: null,
    });
  });

  test('tells a history that has stopped from another sync that is under way', async () => {
    const userId = await server.user();
    const run = { run: 'h', source: 'BACKFILL', scope: 'HISTORICAL' };
    await tell(userId, 0, { ...run, stage: 'STARTED', metadata: { target_days: 90 } });
    await tell(userId, minute, { ...run, status: 'PARTIAL', items: 3 });
    await tell(userId, hour, { run: 'live', stage: 'STARTED' });
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'A sync is under way.',
      ...{ since: time(now), evidence: [{ runId: 'live' }] },
    });
    await tell(userId, hour + minute, success('live'));
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'The history has not come in to its end.',
      ...{ since: time(start + minute), actor: 'OPERATOR', evidence: [{ runId: 'h', sequence: 2 }] },
    });
  });

  test('says of an export in batches how far it is, and which have failed for good', async () => {
    const userId = await server.user();
    const run = { run: 'export', source: 'SDK', scope: 'HISTORICAL' };
    const batch = (batch_id: string) => ({ ...run, metadata: { batch_id } });
    await tell(userId, 0, { ...run, stage: 'STARTED', metadata: { samples_expected: 400 } });
    await tell(userId, minute, { ...batch('1'), status: 'SUCCESS', items: 100 });
    await tell(userId, 2 * minute, { ...batch('2'), stage: 'STARTED' });
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'The history is coming in: 25 %.',
      ...{ actor: 'WAIT', evidence: [{ sequence: 3 }] },
    });
    await tell(userId, 3 * minute, { ...batch('2'), status: 'FAILED', error: 'disk full' });
    await tell(userId, 4 * minute, { ...batch('3'), status: 'SUCCESS', items: 200 });
    const missing = {
      since: time(start + 3 * minute),
      actor: 'OPERATOR',
      evidence: [{ runId: 'export', sequence: 4 }],
    };
    expect(await explanationOf(userId)).toMatchObject({
      ...{ verdict: 'Syncs succeed, but a batch of the history failed; 75 % of it is stored.', ...missing },
    });
    await tell(userId, day, { ...success('live'), source: 'SDK' });
    expect(await explanationOf(userId)).toMatchObject(missing);
    await tell(userId, day + minute, { ...batch('2'), status: 'SUCCESS', items: 100 });
    expect(await explanationOf(userId)).toMatchObject({ verdict: 'All is well: syncs succeed.', actor: null });
  });

  test('says that nothing has been heard since the person connected, until that is late', async () => {
    const userId = await server.user();
    const connected = () => tellLink(userId, { kind: 'created' });
    await connected();
    const first = { verdict: 'The person has connected, and no sync has been reported yet.', since: time(start) };
    expect(await explanationOf(userId)).toEqual({ ...first, actor: 'WAIT', evidence: [] });
    now += 4 * day;
    expect(await explanationOf(userId)).toEqual({ ...first, actor: 'OPERATOR', evidence: [] });
    await tell(userId, 4 * day, { ...success('a'), dataTypes: [{ dataType: 'hrv', state: 'NOT_GRANTED' }] });
    now += hour;
    await tellLink(userId, { kind: 'revoked', reason: 'user_disconnected' });
    expect(await explanationOf(userId)).toEqual({
      verdict: 'The connection was revoked: no data comes until the person connects again.',
      ...{ since: time(now), actor: 'USER', evidence: [] },
    });
    now += hour;
    await connected();
    expect(await explanationOf(userId)).toEqual({
      verdict: 'The person has connected again, and no sync has been reported since.',
      ...{ since: time(now), actor: 'WAIT', evidence: [] },
    });
    await tellLink(userId, { kind: 'noted', reason: 'required_scopes_not_granted' });
    expect(await explanationOf(userId)).toEqual({
      verdict: 'Syncs do not fail, but the platform reports required_scopes_not_granted.',
      ...{ since: expect.any(String), actor: 'USER', evidence: [] },
    });
    await tell(userId, 4 * day + 3 * hour, success('b'));
    expect(await explanationOf(userId)).toMatchObject({ verdict: 'All is well: syncs succeed.', actor: null });
  });

  test.each<[what: string, told: Told, verdict: string]>([
    ['a sync', { run: 'a', stage: 'STARTED' }, 'A sync is under way.'],
    [
      'a history',
      { run: 'a', source: 'BACKFILL', stage: 'STARTED', metadata: { target_days: 9 } },
      'The history is coming in.',
    ],
    [
      'a type of data',
      { ...success('a'), dataTypes: [{ dataType: 'hrv', state: 'NOT_GRANTED' }] },
      'Syncs succeed, but the person has not granted hrv.',
    ],
  ])('tells of %s whose producer is ahead no time that is yet to come', async (_, { run, items, ...told }, verdict) => {
    const userId = await server.user();
    const ahead = time(start + 5 * hour);
    await server.record({ userId, runId: run, itemsProcessed: items, ...told, startedAt: ahead, timestamp: ahead });
    expect(await explanationOf(userId)).toMatchObject({ verdict, since: time(start) });
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

  test('counts what is stated of types of data', async () => {
    const userId = await server.user();
    for (let n = 0; n < 24; n++)
      await tell(userId, n * hour, {
        ...success(`p${n}`, 0),
        dataTypes: [{ dataType: 'workouts', state: 'COMPLETE', itemsInserted: 3 }],
      });
    expect(await linkOf(userId, 'health lastDataAt')).toEqual({
      health: 'HEALTHY',
      lastDataAt: time(start + 23 * hour),
    });
  });

  test('names what fails before what is late, and the person whose device is silent', async () => {
    const userId = await server.user();
    for (let n = 0; n < 14; n++) await tell(userId, n * day, { ...success(`w${n}`), source: 'WEBHOOK' });
    await tell(userId, 13 * day + hour, { ...success('file'), source: 'BACKFILL', scope: 'HISTORICAL' });
    now = start + 30 * day;
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'Nothing was pushed for longer than is usual for this person.',
      actor: 'USER',
    });
    for (const n of [1, 2]) await tell(userId, 30 * day + n * hour, failure(`f${n}`, '503 Service Unavailable'));
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'The newest 2 syncs have failed after others succeeded: the provider does not answer.',
      actor: 'WAIT',
    });
  });

  test('expects nothing after a file, and does not call a silent connection well because of one', async () => {
    const [file, silent] = [await server.user(), await server.user()];
    await tell(file, 0, { ...success('x'), source: 'XML_IMPORT' });
    for (let n = 0; n < 4; n++) await tell(silent, n * day, { ...success(`s${n}`), source: 'SDK' });
    await tell(silent, 4 * day, { ...success('x'), source: 'XML_IMPORT' });
    now = start + 400 * day;
    expect(await explanationOf(file)).toMatchObject({
      verdict: 'What was imported has come in, and nothing more is expected.',
      actor: null,
    });
    expect(await linkOf(silent, 'health')).toEqual({ health: 'UNKNOWN' });
  });

  test('says since when there is no data, where syncs come that bring none', async () => {
    const userId = await server.user();
    for (let n = 0; n < 25; n++) await tell(userId, n * hour, success(`p${n}`, n === 0 ? 5 : 0));
    expect(await explanationOf(userId)).toMatchObject({
      verdict: 'Syncs succeed and bring no data, and there is too little history to say whether that is unusual.',
      ...{ since: time(start), actor: null },
    });
  });

  test('is about the scope that the run began with', async () => {
    const userId = await server.user();
    await tell(userId, 0, { run: 'h', stage: 'STARTED', scope: 'HISTORICAL' });
    await tell(userId, hour, success('h'));
    const { data } = await server.graphql(
      '{ connections(filter: { scope: HISTORICAL }, last: 200) { edges { node { user { id } } } } }',
    );
    const found = data.connections.edges.map(({ node }: { node: { user: { id: string } } }) => node.user.id);
    expect(found).toContain(userId);
  });

  test('has no history where no run was about it', async () => {
    const userId = await server.user();
    await tell(userId, 0, success('a'));
    expect(await linkOf(userId, 'backfill { done }')).toEqual({ backfill: null });
  });
});
