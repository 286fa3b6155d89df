import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROWS_PER_STATEMENT } from '../../src/data-types/counted-reads.ts';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { defaultLimits } from '../../src/limits.ts';
import { startRefoldingRuns } from '../../src/log/refold-runs.ts';
import { isAnyRunToFold } from '../../src/log/sql/runs-to-fold.ts';
import { unfoldRuns } from '../support/earlier-release.ts';
import { refusals, second, tryRecord } from '../support/recording.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let statements: StatementReport[] = [];

beforeAll(async () => {
  server = await startServer({ onStatement: (report) => statements.push(report) });
});
afterAll(() => server.close());

const ended = { stage: 'COMPLETED', status: 'SUCCESS' };
const day = (n: number) => new Date(Date.UTC(2026, 0, n)).toISOString();
const span = (start: number, end: number) => ({ start: day(start), end: day(end) });

const everything = `dataType kind state requested { start end } covered { start end } daysWithData newestData reportedRecords
  itemsInserted itemsUpdated attempts nativeType errorCode error reason { class retryable actor text event { sequence } }`;

interface Shown {
  readonly dataType: string;
  readonly [field: string]: unknown;
}

/** The types of the connection to Oura and of run_1, as they are shown. */
async function typesOf(userId: string, fields = everything): Promise<{ run: Shown[]; connection: Shown[] }> {
  const { data, errors } = await server.graphql(
    `query ($id: UUID!) { user(id: $id) {
      syncRun(runId: "run_1") { dataTypes { ${fields} } } connections { provider dataTypes { ${fields} } }
    } }`,
    { id: userId },
  );
  expect(errors).toEqual([]);
  const oura = data.user.connections.find(({ provider }: { provider: string }) => provider === 'oura');
  return { run: data.user.syncRun?.dataTypes, connection: oura.dataTypes };
}

/** What the one type of a connection is after these events, each recorded by itself. */
async function typeAfter(fields: string, ...events: readonly object[]): Promise<unknown> {
  const userId = await server.user();
  for (const event of events) await server.record({ userId, ...ended, ...event });
  const { connection } = await typesOf(userId, `dataType ${fields}`);
  expect(connection).toHaveLength(1);
  const { dataType: _, ...type } = connection[0] ?? {};
  return type;
}

const told = (dataType: object) => ({ dataTypes: [{ dataType: 'steps', state: 'COMPLETE', ...dataType }] });

test('samples that failed as a whole have recovered once a pull brings any, and are no type of their own before', async () => {
  const userId = await server.user();
  const pull = (runId: string, samples: object) =>
    server.record({ userId, runId, provider: 'oura', ...ended, metadata: { params: { data_247: samples } } });
  const statesOf = async () => {
    const { connection } = await typesOf(userId, 'dataType state error');
    return connection.map(({ dataType, state, error }) => `${dataType} ${state} ${error}`);
  };
  await pull('a', { success: true, sleep: 3 });
  expect(await statesOf()).toEqual(['sleep COMPLETE null']);
  await pull('b', { success: false, error: '503 Service Unavailable' });
  expect(await statesOf()).toEqual(['data_247 FAILED 503 Service Unavailable', 'sleep COMPLETE null']);
  await pull('run_1', { success: true, sleep: 2 });
  expect(await statesOf()).toEqual(['data_247 COMPLETE null', 'sleep COMPLETE null']);
  // A run tells of what its own events name.
  expect((await typesOf(userId, 'dataType')).run).toEqual([{ dataType: 'sleep' }]);
});

describe('what a producer states of a type of data', () => {
  const stated = {
    dataType: 'heart_rate',
    kind: 'SERIES',
    state: 'PARTIAL',
    requested: span(1, 31),
    covered: span(3, 20),
    daysWithData: 16,
    newestData: day(19),
    reportedRecords: 900,
    itemsInserted: 800,
    itemsUpdated: 7,
    nativeType: 'HKQuantityTypeIdentifierHeartRate',
    errorCode: 'e_17',
    error: '11 days are missing',
    reason: { class: 'PROVIDER_DOWN', retryable: false, text: 'gone' },
  };
  const shown = { ...stated, attempts: 1, reason: { ...stated.reason, actor: 'WAIT', event: { sequence: 1 } } };

  test('is shown of its event, of its run and of its connection, at any stage', async () => {
    for (const stage of ['STARTED', 'SAVING', 'COMPLETED', 'FAILED']) {
      const userId = await server.user();
      await server.record({ userId, stage, dataTypes: [stated] });
      expect(await typesOf(userId)).toEqual({ run: [shown], connection: [shown] });
      const { data } = await server.graphql(
        `query ($id: UUID!) { user(id: $id) { recentSyncEvents { dataTypes { ${everything} } } } }`,
        { id: userId },
      );
      expect(data.user.recentSyncEvents).toEqual([{ dataTypes: [shown] }]);
    }
  });

  test('may be no more than a name and a state', async () => {
    const userId = await server.user();
    await server.record({ userId, dataTypes: [{ dataType: 'x', state: 'UNKNOWN' }] });
    const nothing = { requested: null, covered: null, daysWithData: null, newestData: null, reportedRecords: null };
    const type = { dataType: 'x', kind: 'TASK', state: 'UNKNOWN', ...nothing, itemsInserted: 0, itemsUpdated: 0 };
    const rest = { attempts: 1, nativeType: null, errorCode: null, error: null, reason: null };
    expect((await typesOf(userId)).connection).toEqual([{ ...type, ...rest }]);
  });

  test('counts before what the metadata tells of the same type, which counts where nothing is stated', async () => {
    const params = { data_247: { success: true, sleep: { inserted: 4, updated: 1 }, hrv: 3 } };
    const userId = await server.user();
    const sleep = { dataType: 'sleep', state: 'PARTIAL', itemsUpdated: 9 };
    await server.record({ userId, ...ended, metadata: { params }, dataTypes: [sleep] });
    const { run } = await typesOf(userId, 'dataType state itemsInserted itemsUpdated reportedRecords attempts');
    const hrv = { dataType: 'hrv', state: 'COMPLETE', itemsInserted: 0, itemsUpdated: 0, reportedRecords: 3 };
    expect(run).toEqual([
      { ...hrv, attempts: 1 },
      { ...sleep, itemsInserted: 4, reportedRecords: null, attempts: 1 },
    ]);
  });

  test('that the user has not granted it is reason enough', async () => {
    const denied = { class: 'SCOPE_DENIED', retryable: false, actor: 'USER', text: null };
    expect(await typeAfter('state reason { class retryable actor text }', told({ state: 'NOT_GRANTED' }))).toEqual({
      state: 'NOT_GRANTED',
      reason: denied,
    });
    const failed = { state: 'FAILED', error: 'insufficient scope' };
    expect(await typeAfter('state reason { class retryable actor text }', told(failed))).toEqual({
      state: 'NOT_GRANTED',
      reason: { ...denied, text: 'insufficient scope' },
    });
    expect(
      await typeAfter('state reason { class actor }', told({ state: 'FAILED', reason: { class: 'SCOPE_DENIED' } })),
    ).toEqual({ state: 'NOT_GRANTED', reason: { class: 'SCOPE_DENIED', actor: 'USER' } });
  });

  test.each(['PENDING', 'SYNCING', 'NOT_SUPPORTED', 'UNKNOWN', 'COMPLETE'])(
    'that it is %s is nothing that went wrong',
    async (state) => {
      expect(await typeAfter('state reason { class }', told({ state }))).toEqual({ state, reason: null });
    },
  );

  test.each(['PARTIAL', 'FAILED'])('that it is %s has a reason, if only that nothing is known', async (state) => {
    expect(await typeAfter('state reason { class }', told({ state }))).toEqual({ state, reason: { class: 'OTHER' } });
  });

  test('is not complete by itself where all that was asked for is covered', async () => {
    const spans = { requested: span(1, 9), covered: span(1, 9) };
    expect(await typeAfter('state', told({ state: 'SYNCING', ...spans }))).toEqual({ state: 'SYNCING' });
  });

  test('is part of what an event is: a retry states the same, and null is the same as nothing', async () => {
    const draft = { id: crypto.randomUUID(), userId: await server.user() };
    await server.record({ ...draft, dataTypes: [stated] });
    const { covered, ...rest } = stated;
    expect(await server.record({ ...draft, dataTypes: [stated] })).toMatchObject([{ duplicate: true }]);
    for (const other of [null, [], [rest], [stated, { dataType: 'x', state: 'COMPLETE' }]])
      expect(refusals(await tryRecord(server, [{ ...draft, dataTypes: other }]))).toEqual(['EVENT_ID_CONFLICT']);
    const plain = { id: crypto.randomUUID(), userId: draft.userId };
    const nothing = { requested: null, covered: { start: null }, error: null, itemsInserted: null };
    await server.record({ ...plain, dataTypes: [{ dataType: 'x', state: 'SYNCING' }] });
    const again = [{ dataType: 'x', state: 'SYNCING', ...nothing }];
    expect(await server.record({ ...plain, dataTypes: again })).toMatchObject([{ duplicate: true }]);
    const none = { id: crypto.randomUUID(), userId: draft.userId };
    await server.record({ ...none, dataTypes: [] });
    expect(await server.record(none)).toMatchObject([{ duplicate: true }]);
    const { connection } = await typesOf(draft.userId, 'dataType attempts itemsInserted');
    expect(connection).toEqual([
      { dataType: 'heart_rate', attempts: 1, itemsInserted: 800 },
      { dataType: 'x', attempts: 1, itemsInserted: 0 },
    ]);
  });
});

describe('what is stated of types of data is refused, and its place told, for', () => {
  const long = (length: number) => 'x'.repeat(length);
  const many = (count: number) => Array.from({ length: count }, (_, n) => ({ dataType: `t${n}`, state: 'COMPLETE' }));
  const countless = ['daysWithData', 'reportedRecords', 'itemsInserted', 'itemsUpdated'];
  const bad: readonly [what: string, part: unknown, message: string][] = [
    ['no name', { dataType: '' }, '[1].dataType must not be empty'],
    ['a name of 65 characters', { dataType: long(65) }, '[1].dataType must have at most 64 characters, it has 65'],
    ['a NUL in a name', { dataType: 'a\0' }, '[1].dataType must not contain a NUL character'],
    ['a missing name', { dataType: undefined }, '[1].dataType: Field "dataType" of required type'],
    ['a missing state', { state: undefined }, '[1].state: Field "state" of required type'],
    ['a state that nobody knows', { state: 'MOON' }, '[1].state: Value "MOON" does not exist in "DataTypeState" enum.'],
    ['a kind that nobody knows', { kind: 'MOON' }, '[1].kind: Value "MOON" does not exist in "DataTypeKind" enum.'],
    ['a field that nobody knows', { colour: 'red' }, '[1].colour: Field "colour" is not defined'],
    ['a name that stands twice', { dataType: 'steps' }, '[1].dataType is the same as that of [0]'],
    ['a start after its end', { covered: span(3, 2) }, '[1].covered must not start after its end'],
    ['the same of what was requested', { requested: span(3, 2) }, '[1].requested must not start after its end'],
    ['a time before 2000', { covered: { start: '1999-12-31T00:00:00Z' } }, '[1].covered.start must be from 2000'],
    ['a time after 2099', { requested: { end: '2100-01-01T00:00:00Z' } }, '[1].requested.end must be from 2000'],
    ['newest data after 2099', { newestData: '2100-01-01T00:00:00Z' }, '[1].newestData must be from 2000'],
    ['what is no time', { covered: { end: 'now' } }, '[1].covered.end: DateTime cannot represent'],
    ...countless.map(
      (field): [string, unknown, string] =>
        [...[`a negative ${field}`, { [field]: -1 }, `[1].${field} must be a whole number from 0`]] as [
          string,
          unknown,
          string,
        ],
    ),
    ['half an item', { itemsInserted: 0.5 }, '[1].itemsInserted: Int cannot represent non-integer value: 0.5'],
    ['no native type', { nativeType: '' }, '[1].nativeType must not be empty'],
    ['a native type of 256 characters', { nativeType: long(256) }, '[1].nativeType must have at most 255'],
    ['a code of 256 characters', { errorCode: long(256) }, '[1].errorCode must have at most 255 characters'],
    ['an error of 16,385 characters', { error: long(16_385) }, '[1].error must have at most 16384 characters'],
    ['half a surrogate pair', { error: '\ud83c' }, '[1].error must be well-formed Unicode'],
    ['a reason that nobody knows', { reason: { class: 'MOON' } }, '[1].reason.class: Value "MOON" does not exist'],
    ['a reason with too long a text', { reason: { class: 'OTHER', text: long(16_385) } }, '[1].reason.text must have'],
  ];
  const problemsWith = async (dataTypes: unknown) => {
    const answer = await tryRecord(server, [{ userId: await server.user(), dataTypes }]);
    expect(refusals(answer)).toEqual(['BAD_USER_INPUT']);
    return answer.errors[0]?.extensions.problems as { index: number; field: string; message: string }[];
  };
  test.each(bad)('%s', async (_, part, message) => {
    const types = [
      { dataType: 'steps', state: 'COMPLETE' },
      { dataType: 'sleep', state: 'COMPLETE', ...(part as object) },
    ];
    expect(await problemsWith(types)).toMatchObject([
      { index: 0, field: 'dataTypes', message: expect.stringContaining(message) },
    ]);
  });

  test('201 types, where 200 are taken', async () => {
    await server.record({ userId: await server.user(), dataTypes: many(200) });
    expect(await problemsWith(many(201))).toMatchObject([{ message: 'must have at most 200 entries, it has 201' }]);
  });

  test('more than 64 KiB together', async () => {
    const types = many(5).map((each) => ({ ...each, error: long(16_000) }));
    await server.record({ userId: await server.user(), dataTypes: types.slice(1) });
    expect(await problemsWith(types)).toMatchObject([
      { message: expect.stringMatching(/^must take at most 65536 bytes as JSON, it takes 80\d{3}$/) },
    ]);
  });

  test('what is spelled out in the document, too', async () => {
    const event = `userId: "${await server.user()}", runId: "r", provider: "p", source: PULL, stage: QUEUED, status: SUCCESS`;
    for (const [types, message] of [
      ['{ dataType: "", state: SYNCING }', '[0].dataType must not be empty'],
      ['{ dataType: "a", state: MOON }', 'Value "MOON" does not exist in "DataTypeState" enum.'],
      ['{ dataType: "a" }', 'Field "SyncDataTypeInput.state" of required type "DataTypeState!" was not provided.'],
    ]) {
      const { errors } = await server.graphql(
        `mutation { recordSyncEvents(input: { events: [{ ${event}, dataTypes: [${types}] }] }) { results { duplicate } } }`,
      );
      expect(errors[0]?.extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        problems: [{ index: 0, field: 'dataTypes', message }],
      });
    }
  });

  test('all that is wrong at once', async () => {
    const wrong = { state: 'FAILED', covered: span(2, 1), itemsInserted: -1, reason: { class: 'OTHER', text: '\0' } };
    const messages = (
      await problemsWith([
        { ...wrong, dataType: 'a' },
        { ...wrong, dataType: '' },
      ])
    ).map(({ message }) => /^\S+/.exec(message)?.[0]);
    expect(messages).toEqual([
      ...['[0].covered', '[0].itemsInserted', '[0].reason.text'],
      ...['[1].dataType', '[1].covered', '[1].itemsInserted', '[1].reason.text'],
    ]);
  });
});

describe('the types of data of a connection', () => {
  test('are those of all of its runs, and of no other provider and user', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const steps = told({ itemsInserted: 1 });
    await server.record(
      { userId, ...steps },
      { userId, runId: 'run_2', dataTypes: [{ dataType: 'sleep', state: 'SYNCING' }, ...steps.dataTypes] },
      { userId, provider: 'garmin', runId: 'run_3', ...steps },
      { userId: other, ...steps },
    );
    const { connection, run } = await typesOf(userId, 'dataType itemsInserted attempts');
    expect(connection).toEqual([
      { dataType: 'sleep', itemsInserted: 0, attempts: 1 },
      { dataType: 'steps', itemsInserted: 2, attempts: 2 },
    ]);
    expect(run).toEqual([{ dataType: 'steps', itemsInserted: 1, attempts: 1 }]);
  });

  test('add up what 31 batches of an SDK export bring, which stay under way', async () => {
    const userId = await server.user();
    for (let n = 0; n < 31; n += 1) {
      const metadata = { batch_id: `b${n}`, types: ['steps', 'heart_rate'], workouts_saved: 2, sleep_saved: n % 2 };
      await server.record({ userId, ...ended, scope: 'HISTORICAL', timestamp: second(n), metadata });
    }
    const series = { kind: 'SERIES', state: 'SYNCING', itemsInserted: 0, attempts: 31 };
    const expected = [
      { dataType: 'heart_rate', ...series },
      { dataType: 'sleep', kind: 'EVENT', state: 'SYNCING', itemsInserted: 15, attempts: 15 },
      { dataType: 'steps', ...series },
      { dataType: 'workouts', kind: 'EVENT', state: 'SYNCING', itemsInserted: 62, attempts: 31 },
    ];
    const shown = await typesOf(userId, 'dataType kind state itemsInserted attempts');
    expect(shown).toEqual({ run: expected, connection: expected });
  });

  test('were asked by a pull for what its window says', async () => {
    const params = { workouts: { success: 3 }, data_247: { success: true, sleep: 2 } };
    const window = { windowStart: day(1), windowEnd: day(3) };
    const userId = await server.user();
    await server.record(
      { userId, ...ended, ...window, metadata: { params } },
      { userId, ...ended, windowStart: day(2), windowEnd: day(5), metadata: { params }, runId: 'run_2' },
    );
    const { run, connection } = await typesOf(userId, 'dataType state requested { start end } covered { start }');
    const type = (requested: object) => ({ state: 'COMPLETE', requested, covered: null });
    const both = (requested: object) => ['sleep', 'workouts'].map((dataType) => ({ dataType, ...type(requested) }));
    expect(run).toEqual(both(span(1, 3)));
    expect(connection).toEqual(both(span(1, 5)));
  });

  test('keep of an error out of the metadata what may be stated of one', async () => {
    const kept = 'x'.repeat(defaultLimits.errorLength - 1);
    const failed = { success: false, error: `${kept}😀${'x'.repeat(40_000)}`, error_code: 'y'.repeat(5_000) };
    const userId = await server.user();
    await server.record({ userId, ...ended, metadata: { params: { workouts: failed } } });
    const errorCode = 'y'.repeat(defaultLimits.nativeTypeLength);
    const { run, connection } = await typesOf(userId, 'dataType error errorCode');
    // Half of a pair cannot be kept.
    const expected = [{ dataType: 'workouts', error: `${kept}\uFFFD`, errorCode }];
    expect([run, connection]).toEqual([expected, expected]);
  });

  test('are pending where a backfill of Garmin that goes on names them, until it delivers them', async () => {
    const metadata = { trace_id: 'a', current_window: 0, total_windows: 1, pending_types: ['hrv', 'sleeps', 7] };
    const start = { stage: 'STARTED', source: 'BACKFILL', scope: 'HISTORICAL', metadata };
    const userId = await server.user();
    await server.record({ userId, ...start });
    const shown = await typesOf(userId, 'dataType kind state reason { class }');
    const types = ['hrv', 'sleeps'].map((dataType) => ({ dataType, kind: 'TASK', state: 'PENDING', reason: null }));
    expect(shown).toEqual({ run: types, connection: types });
    const delivered = { trace_id: 'a', summary_type: 'sleeps', items: 29 };
    const delivery = { ...ended, source: 'WEBHOOK', runId: 'garmin_webhook_sleeps_1', itemsProcessed: 27 };
    await server.record({ userId, ...delivery, metadata: delivered });
    expect(await typesOf(userId, 'dataType state reportedRecords itemsInserted attempts')).toMatchObject({
      run: [{ state: 'PENDING' }, { state: 'PENDING' }],
      connection: [
        { dataType: 'hrv', state: 'PENDING', reportedRecords: null, attempts: 1 },
        { dataType: 'sleeps', state: 'COMPLETE', reportedRecords: 27, itemsInserted: 0, attempts: 2 },
      ],
    });
  });

  test('have the widest of all spans, the newest data and the most days', async () => {
    expect(
      await typeAfter(
        'requested { start end } covered { start end } newestData daysWithData',
        told({ requested: span(5, 9), covered: span(6, 8), newestData: day(7), daysWithData: 2 }),
        told({ covered: { end: day(9) }, newestData: day(8), daysWithData: 1 }),
        told({ requested: { start: day(1) }, covered: span(2, 3), newestData: day(3) }),
      ),
    ).toEqual({ requested: span(1, 9), covered: span(2, 9), newestData: day(8), daysWithData: 2 });
  });

  test('have their newest data at the end of what is covered, where nobody says more', async () => {
    expect(await typeAfter('newestData', told({ covered: span(1, 4) }))).toEqual({ newestData: day(4) });
    expect(await typeAfter('newestData', told({ covered: { start: day(1) } }))).toEqual({ newestData: null });
  });

  test('stand as the newest report says; one that comes late widens and counts', async () => {
    const fields = 'state reason { class event { sequence } } error covered { start end } itemsInserted attempts';
    const failed = { state: 'FAILED', error: 'HTTP 503', covered: span(5, 6), itemsInserted: 1 };
    const late = { covered: span(1, 9), itemsInserted: 20 };
    const inOrder = [
      { timestamp: second(10), ...told(failed) },
      { timestamp: second(5), runId: 'run_2', ...told({ state: 'NOT_SUPPORTED', error: 'no', ...late }) },
    ];
    const reason = { class: 'PROVIDER_DOWN', event: { sequence: 1 } };
    const added = { covered: span(1, 9), itemsInserted: 21, attempts: 2 };
    expect(await typeAfter(fields, ...inOrder)).toEqual({ state: 'FAILED', reason, error: 'HTTP 503', ...added });
    const good = { timestamp: second(10), ...told({ state: 'COMPLETE' }) };
    expect(await typeAfter(fields, ...inOrder, good)).toMatchObject({ state: 'COMPLETE', reason: null, error: null });
    expect(await typeAfter('state', good, { ...good, ...told({ state: 'PARTIAL' }) })).toEqual({ state: 'PARTIAL' });
  });

  test('are shown up to 200 of a connection and of a run, by name, of 1,001 that were told', async () => {
    const userId = await server.user();
    for (let n = 0; n < 11; n += 1) {
      const names = Array.from({ length: n < 10 ? 100 : 1 }, (_, k) => `t${String(n * 100 + k).padStart(4, '0')}`);
      await server.record({ userId, dataTypes: names.map((dataType) => ({ dataType, state: 'COMPLETE' })) });
    }
    const expected = Array.from({ length: 200 }, (_, n) => ({ dataType: `t${String(n).padStart(4, '0')}` }));
    expect(await typesOf(userId, 'dataType')).toEqual({ run: expected, connection: expected });
    expect(await server.app.services.database.reader.providerDataType.count({ where: { userId } })).toBe(1_001);
  });

  test('stay at the greatest number that can be shown', async () => {
    const most = 2_147_483_647;
    expect(await typeAfter('itemsInserted', told({ itemsInserted: most }), told({ itemsInserted: most }))).toEqual({
      itemsInserted: most,
    });
  });

  test('keep their reason once retention has removed its event', async () => {
    const userId = await server.user();
    const reason = { class: 'RATE_LIMITED', text: 'slowly', actor: 'OPERATOR' };
    await server.record({ userId, ...told({ state: 'FAILED', reason }) }, { userId, runId: 'run_2' });
    await server.app.services.database.transaction(async (transaction) => {
      await transaction.user.update({ where: { id: userId }, data: { tailSequence: 2 } });
      await transaction.syncEvent.deleteMany({ where: { userId, sequence: 1 } });
    });
    const { connection } = await typesOf(userId, 'dataType reason { class text actor event { sequence } }');
    expect(connection).toEqual([{ dataType: 'steps', reason: { ...reason, event: null } }]);
  });

  test('count no event twice, though runs are folded anew', async () => {
    const userId = await server.user();
    await server.record(
      { userId, ...told({ itemsInserted: 5, covered: span(1, 2) }) },
      { userId, ...ended, metadata: { batch_id: 'b', types: ['steps'], sleep_saved: 3 } },
    );
    const before = await typesOf(userId);
    const { database } = server.app.services;
    await unfoldRuns(database);
    const { createProviderDataTypeProjection, createRunDataTypeProjection } = await import(
      '../../src/data-types/data-type-projection.ts'
    );
    const projections = [createRunDataTypeProjection(database), createProviderDataTypeProjection(database)];
    const stop = startRefoldingRuns({ database, projections, onError: (error) => expect.unreachable(String(error)) });
    await expect.poll(() => isAnyRunToFold(database.reader)).toBe(false);
    await stop();
    expect(await typesOf(userId)).toEqual(before);
    expect(before.connection).toMatchObject([
      { dataType: 'sleep', itemsInserted: 3, attempts: 1 },
      { dataType: 'steps', itemsInserted: 5, attempts: 2 },
    ]);
  });

  test('go with their user', async () => {
    const userId = await server.user();
    await server.record({ userId, ...told({}) });
    await server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }', { id: userId });
    expect(await server.app.services.database.reader.providerDataType.count({ where: { userId } })).toBe(0);
  });

  test('are seen to change by who asks the same again', async () => {
    const userId = await server.user();
    for (let n = 1; n < 4; n += 1) {
      await server.record({ userId, ...told({ itemsInserted: 1 }) });
      for (let times = 0; times < 3; times += 1)
        expect((await typesOf(userId, 'dataType itemsInserted')).connection).toEqual([
          { dataType: 'steps', itemsInserted: n },
        ]);
    }
  });

  test('cost one statement more, however many connections there are, and another with the events of their reasons', async () => {
    const userId = await server.user();
    const failing = told({ state: 'FAILED' });
    for (let n = 0; n < 50; n += 1) await server.record({ userId, runId: `r${n}`, provider: `p${n}`, ...failing });
    const other = await server.user();
    await server.record({ userId: other, ...failing });
    const costOf = async (id: string, fields: string) => {
      statements = [];
      const { errors } = await server.graphql(`{ user(id: "${id}") { connections { provider ${fields} } } }`);
      expect(errors).toEqual([]);
      return statements.length;
    };
    const without = await costOf(userId, '');
    for (const id of [other, userId]) {
      expect(await costOf(id, 'dataTypes { state reason { class } }')).toBe(without + 1);
      expect(await costOf(id, 'dataTypes { state reason { class event { sequence } } }')).toBe(without + 2);
    }
  });

  test('are those of each run by name, where they are as many as one statement reads and where they are more', async () => {
    const userId = await server.user();
    const names = (count: number) => Array.from({ length: count }, (_, n) => `t_${String(n).padStart(3, '0')}`);
    const record = (run: number, count: number) =>
      server.record({
        userId,
        runId: `r${String(run).padStart(2, '0')}`,
        dataTypes: names(count)
          .reverse()
          .map((dataType) => ({ dataType, state: 'COMPLETE' })),
      });
    const asked = async () => {
      statements = [];
      const { data, errors } = await server.graphql(
        `{ user(id: "${userId}") { syncRuns(first: 20) { edges { node { runId dataTypes { dataType } } } } } }`,
      );
      expect(errors).toEqual([]);
      const edges: { node: { runId: string; dataTypes: { dataType: string }[] } }[] = data.user.syncRuns.edges;
      const runs = edges.map(({ node }) => [node.runId, node.dataTypes.map(({ dataType }) => dataType)] as const);
      return {
        runs: new Map(runs),
        read: statements.filter(({ sql }) => sql.includes('FROM sync_run_data_type')).length,
      };
    };
    const most = ROWS_PER_STATEMENT / 5;
    for (let run = 0; run < 5; run += 1) await record(run, most);
    const full = await asked();
    expect(full.read).toBe(1);
    expect([...full.runs.values()]).toEqual(Array.from({ length: 5 }, () => names(most)));
    await record(10, 1);
    const past = await asked();
    expect(past.read).toBe(1 + 1 + 2);
    expect(past.runs.get('r10')).toEqual(names(1));
    expect([...past.runs.values()].filter((types) => types.length === most)).toEqual([...full.runs.values()]);
  });

  test('cost a recording the same statements, of one type and of many', async () => {
    const costOf = async (types: number, events: number) => {
      const userId = await server.user();
      const dataTypes = Array.from({ length: types }, (_, n) => ({ dataType: `t${n}`, state: 'SYNCING' }));
      statements = [];
      await server.record(...Array.from({ length: events }, (_, n) => ({ userId, runId: `r${n}`, dataTypes })));
      return statements.filter(({ sql }) => /data_type\b/.test(sql)).length;
    };
    const one = await costOf(1, 1);
    expect(one).toBe(4);
    expect(await costOf(100, 20)).toBe(one);
  });
});
