import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connectionThresholds } from '../../src/connections/connection-health.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { defaultLimits } from '../../src/limits.ts';
import { Retention } from '../../src/log/retention.ts';
import { provider as database } from '../support/database.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

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

/** An event, told by what is special about it. */
interface Told {
  readonly run?: string;
  readonly status?: string;
  readonly provider?: string;
  readonly source?: string;
  readonly items?: number | null;
  /** Minutes after the start; its time by the producer's clock. */
  readonly at?: number;
  readonly startedAt?: number | undefined;
  readonly endedAt?: number;
  readonly error?: string;
  readonly metadata?: object;
}

const atMinute = (minutes: number | undefined) => (minutes === undefined ? undefined : time(start + minutes * minute));

function draftOf(userId: string, { run = 'run_1', items, at, startedAt, endedAt, ...rest }: Told) {
  return {
    ...{ userId, runId: run, ...rest, itemsProcessed: items, timestamp: atMinute(at) },
    ...{ startedAt: atMinute(startedAt), endedAt: atMinute(endedAt) },
  };
}

/** Records each event by itself, at the moment that it tells. */
async function tell(userId: string, ...events: Told[]): Promise<void> {
  for (const event of events) {
    now = Math.max(now, start + Math.max(event.at ?? 0, event.endedAt ?? 0) * minute);
    await server.record(draftOf(userId, event));
  }
}

const fields = `provider lastAttemptAt lastSuccessAt lastDataAt consecutiveFailures health
  currentRun { runId } lastRun { runId }`;

async function connectionsOf(userId: string, headers?: Headers) {
  const query = `query ($id: UUID!) { user(id: $id) { connections { ${fields} } } }`;
  const { data, errors } = await server.graphql(query, { id: userId }, headers);
  expect(errors).toEqual([]);
  return data.user?.connections;
}

async function connectionOf(userId: string) {
  const [connection, ...others] = await connectionsOf(userId);
  expect(others).toEqual([]);
  return connection;
}

const success = (run: string, at: number, items: number | null = 7): Told => ({ run, status: 'SUCCESS', items, at });
const failure = (run: string, at: number): Told => ({ run, status: 'FAILED', at });

describe('the state of a connection', () => {
  const stateOf = async (userId: string) => {
    const { data } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { connections { state stateSince problem health reason { class actor event { runId } } } } }',
      { id: userId },
    );
    return data.user.connections[0];
  };
  const refused = (run: string, at: number) => ({ run, status: 'FAILED', at, error: '401 Unauthorized' });

  test('is UNKNOWN until data comes', async () => {
    const userId = await server.user();
    await tell(userId, { at: 1 });
    expect(await stateOf(userId)).toMatchObject({ state: 'UNKNOWN', stateSince: null });
    await tell(userId, success('run_1', 3));
    expect(await stateOf(userId)).toMatchObject({ state: 'CONNECTED', problem: null });
  });

  test('is NEEDS_RECONNECT from the first failure for which the person has to connect again until data comes again', async () => {
    const userId = await server.user();
    await tell(userId, success('a', 1), { run: 'slow', at: 2, startedAt: 2 }, refused('b', 5));
    const broken = {
      state: 'NEEDS_RECONNECT',
      stateSince: atMinute(5),
      problem: '401 Unauthorized',
      health: 'FAILING',
    };
    const reason = { class: 'RECONNECT_NEEDED', actor: 'USER' };
    expect(await stateOf(userId)).toEqual({ ...broken, reason: { ...reason, event: { runId: 'b' } } });
    await tell(userId, { ...failure('c', 6), error: '503 Service Unavailable' }, refused('d', 7));
    expect(await stateOf(userId)).toEqual({ ...broken, reason: { ...reason, event: { runId: 'd' } } });
    await tell(userId, success('slow', 8)); // began before the connection broke
    expect(await stateOf(userId)).toMatchObject({ state: 'NEEDS_RECONNECT', stateSince: atMinute(5) });
    await tell(userId, { run: 'e', at: 9, startedAt: 9 }, success('e', 10));
    expect(await stateOf(userId)).toMatchObject({ state: 'CONNECTED', stateSince: atMinute(9), problem: null });
  });

  test('is CONNECTED once the very run that had failed goes on and ends well', async () => {
    const userId = await server.user();
    await tell(userId, { at: 1, startedAt: 1 }, refused('run_1', 2), { at: 5 }, success('run_1', 6));
    expect(await stateOf(userId)).toMatchObject({ state: 'CONNECTED', problem: null });
  });

  test('is CONNECTED where what was refused is told late, and shows that the newest sync has failed', async () => {
    const userId = await server.user();
    await tell(userId, success('a', 9), refused('b', 5));
    expect(await stateOf(userId)).toMatchObject({
      ...{ state: 'CONNECTED', problem: '401 Unauthorized' },
      reason: { class: 'RECONNECT_NEEDED', event: { runId: 'b' } },
    });
  });

  test('is what it was where a provider is down, and shows what is wrong as long as it is', async () => {
    const userId = await server.user();
    await tell(userId, success('a', 1), { ...failure('b', 2), error: '503 Service Unavailable' });
    expect(await stateOf(userId)).toMatchObject({
      ...{ state: 'CONNECTED', problem: '503 Service Unavailable' },
      reason: { class: 'PROVIDER_DOWN', actor: 'WAIT', event: { runId: 'b' } },
    });
    await tell(userId, success('c', 3));
    expect(await stateOf(userId)).toMatchObject({ state: 'CONNECTED', problem: null, reason: null });
  });
});

describe('a connection', () => {
  test('comes with the first event of a provider, one for each', async () => {
    const userId = await server.user();
    expect(await connectionsOf(userId)).toEqual([]);
    await tell(userId, { provider: 'polar', run: 'b', at: 1 }, { provider: 'garmin', run: 'a', at: 2 });
    expect(await connectionsOf(userId)).toEqual([
      {
        ...{ provider: 'garmin', lastAttemptAt: atMinute(2), lastSuccessAt: null, lastDataAt: null },
        ...{ consecutiveFailures: 0, health: 'SYNCING', currentRun: { runId: 'a' }, lastRun: { runId: 'a' } },
      },
      expect.objectContaining({ provider: 'polar', lastAttemptAt: atMinute(1), currentRun: { runId: 'b' } }),
    ]);
  });

  test.each<[what: string, events: Told[], connection: object]>([
    [
      'a run was an attempt when it began, by its own word',
      [{ at: 5, startedAt: 4 }, { at: 6 }, { at: 7, status: 'FAILED' }],
      { lastAttemptAt: atMinute(4), consecutiveFailures: 1, lastSuccessAt: null },
    ],
    [
      'a run that waited in a queue was an attempt when it started',
      [{ at: 1 }, { at: 9, startedAt: 8 }],
      { lastAttemptAt: atMinute(8) },
    ],
    [
      'a notification is a run by itself',
      [{ source: 'WEBHOOK', status: 'SUCCESS', items: 3, at: 5, startedAt: 5, endedAt: 5 }],
      { lastAttemptAt: atMinute(5), lastSuccessAt: atMinute(5), lastDataAt: atMinute(5), currentRun: null },
    ],
    [
      'a success was one when the run ended',
      [{ at: 1 }, { at: 9, endedAt: 8, status: 'SUCCESS', items: 1 }],
      { lastAttemptAt: atMinute(1), lastSuccessAt: atMinute(8), lastDataAt: atMinute(8) },
    ],
    [
      'a success without items is no data',
      [success('a', 1, 4), success('b', 2, 0)],
      { lastSuccessAt: atMinute(2), lastDataAt: atMinute(1) },
    ],
    [
      'a success without a count may have been data, and is not taken for it',
      [success('a', 1, 4), success('b', 2, null)],
      { lastSuccessAt: atMinute(2), lastDataAt: atMinute(1) },
    ],
    [
      'a partial success is one, and ends a row of failures',
      [failure('a', 1), failure('b', 2), { run: 'c', status: 'PARTIAL', items: 2, at: 3 }],
      { lastSuccessAt: atMinute(3), lastDataAt: atMinute(3), consecutiveFailures: 0 },
    ],
    [
      'items of a failed run are no data',
      [{ status: 'FAILED', items: 9, at: 1 }],
      { lastDataAt: null, lastSuccessAt: null, consecutiveFailures: 1 },
    ],
    [
      'items that are counted on the way are no data yet',
      [{ items: 9, at: 1 }],
      { lastDataAt: null, lastSuccessAt: null },
    ],
    [
      'skipped and cancelled runs are attempts, and neither successes nor failures',
      [
        failure('a', 1),
        { run: 'b', status: 'SKIPPED', at: 2 },
        { run: 'c', status: 'CANCELLED', at: 3 },
        failure('d', 4),
      ],
      { lastAttemptAt: atMinute(4), lastSuccessAt: null, consecutiveFailures: 2 },
    ],
    [
      'a pull that was skipped with nothing new is a success, unless another profile makes it',
      [
        failure('a', 1),
        { run: 'b', status: 'SKIPPED', items: 0, at: 2, metadata: { linked_account: true, skipped: true } },
        failure('c', 3),
        { run: 'd', status: 'SKIPPED', items: 0, at: 4, source: 'WEBHOOK' },
        failure('e', 5),
        { run: 'f', status: 'SKIPPED', items: 0, at: 6 },
        failure('g', 7),
      ],
      { lastSuccessAt: atMinute(6), lastDataAt: null, consecutiveFailures: 1 },
    ],
    [
      'a run that never ends is an attempt, and leaves a row of failures alone',
      [failure('a', 1), { run: 'lost', at: 2 }, failure('b', 200)],
      { consecutiveFailures: 2, currentRun: null, lastRun: { runId: 'b' } },
    ],
    [
      'what comes late changes nothing',
      [
        { status: 'SUCCESS', items: 1, at: 1 },
        { status: 'FAILED', at: 0.5 },
        { at: 0.6, startedAt: 6 },
      ],
      { lastAttemptAt: atMinute(1), lastSuccessAt: atMinute(1), consecutiveFailures: 0, currentRun: null },
    ],
    [
      'a run of a linked account counts like any other',
      [{ source: 'LINKED_ACCOUNT', status: 'SUCCESS', items: 1, at: 1 }],
      { lastSuccessAt: atMinute(1), lastDataAt: atMinute(1), health: 'HEALTHY' },
    ],
    [
      'of runs at the same time the one with the newest event is current',
      [
        { run: 'a', at: 1 },
        { run: 'b', at: 2 },
        { run: 'a', at: 3 },
      ],
      { currentRun: { runId: 'a' }, lastRun: { runId: 'b' } },
    ],
    [
      'when one of them ends, another is still under way',
      [
        { run: 'a', at: 1 },
        { run: 'b', at: 2 },
        { run: 'b', at: 3, status: 'SUCCESS' },
      ],
      { currentRun: { runId: 'a' }, lastRun: { runId: 'b' }, health: 'SYNCING' },
    ],
    [
      'times never move back, while what comes in a row is told by the log',
      [success('a', 9), failure('b', 5), failure('c', 4)],
      { lastAttemptAt: atMinute(9), lastSuccessAt: atMinute(9), consecutiveFailures: 2 },
    ],
    [
      'an older success ends a row of failures without moving the last success back',
      [success('a', 9, 1), failure('b', 10), success('c', 3, 1)],
      { lastSuccessAt: atMinute(9), lastDataAt: atMinute(9), consecutiveFailures: 0 },
    ],
  ])('%s', async (_, events, connection) => {
    const userId = await server.user();
    await tell(userId, ...events);
    expect(await connectionOf(userId)).toMatchObject(connection);
  });

  test.each<[how: string, event: object]>([
    [
      'as types of data that are stated',
      { dataTypes: [{ dataType: 'workouts', state: 'COMPLETE', itemsInserted: 5 }] },
    ],
    [
      'as types of data that a pull tells of',
      { metadata: { params: { data_247: { steps: { inserted: 0, updated: 3 } } } } },
    ],
  ])('has data that is counted %s alone', async (_, event) => {
    const userId = await server.user();
    const ended = { userId, status: 'SUCCESS', stage: 'COMPLETED', itemsProcessed: 0, timestamp: time(start) };
    for (const run of Array.from({ length: 25 }).keys())
      await server.record({ ...ended, runId: `run_${run}`, ...event });
    expect(await connectionOf(userId)).toMatchObject({ lastDataAt: time(start), health: 'HEALTHY' });
  });

  test('has no time that is later than when it was recorded', async () => {
    const userId = await server.user();
    await server.record(draftOf(userId, success('a', 99)));
    expect(await connectionOf(userId)).toMatchObject({
      ...{ lastAttemptAt: time(start), lastSuccessAt: time(start), lastDataAt: time(start) },
    });
  });

  test('adds up to the same however its events were split into recordings', async () => {
    const word = fc.constantFrom('IN_PROGRESS', 'SUCCESS', 'SUCCESS', 'PARTIAL', 'FAILED', 'SKIPPED', 'CANCELLED');
    const event = fc.record({
      run: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      provider: fc.constantFrom('oura', 'garmin'),
      status: word,
      items: fc.constantFrom(null, 0, 1),
      at: fc.integer({ min: -9, max: 0 }),
      startedAt: fc.option(fc.integer({ min: -9, max: 0 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 14 }), async (events) => {
        const [single, together] = [await server.user(), await server.user()];
        for (const each of events) await server.record(draftOf(single, each));
        await server.record(...events.map((each) => draftOf(together, each)));
        expect(await connectionsOf(together)).toEqual(await connectionsOf(single));
      }),
      { numRuns: 40 },
    );
  });

  test('goes with its user, and shows to those who may see the user', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    await tell(userId, success('a', 1));
    const own = await server.userToken(userId);
    expect(await connectionsOf(userId, own)).toHaveLength(1);
    expect(await connectionsOf(userId, await server.userToken(other))).toBeUndefined();
    const writer = await server.key('write');
    const { errors } = await server.graphql(
      'mutation ($id: UUID!) { upsertUser(input: { id: $id }) { connections { provider } } }',
      { id: userId },
      writer,
    );
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
    await server.app.services.users.delete(userId);
    const { reader } = server.app.services.database;
    expect(await reader.providerLink.count({ where: { userId } })).toBe(0);
  });

  test('outlives the runs that retention removes', async () => {
    const userId = await server.user();
    await tell(userId, success('a', 0), { ...failure('b', 1) });
    const before = await connectionOf(userId);
    await tell(userId, ...[1, 2, 3].map((at) => ({ run: `polar ${at}`, provider: 'polar', at: 40 * 24 * 60 + at })));
    const { database } = server.app.services;
    const limits = { ...defaultLimits, retainedEvents: 2 };
    const onError = (error: unknown) => expect.unreachable(String(error));
    await database.transaction((transaction) =>
      transaction.logState.updateMany({ data: { believedAt: new Date(now) } }),
    );
    await new Retention({ database, limits, days: 30, clock: () => now, onError }).sweep();
    const [oura] = await connectionsOf(userId);
    expect(oura).toEqual({ ...before, lastRun: null, health: 'UNKNOWN' });
    await tell(userId, { ...failure('b', 40 * 24 * 60 + 9) });
    expect((await connectionsOf(userId))[0]).toMatchObject({ consecutiveFailures: 2, lastSuccessAt: atMinute(0) });
  });

  test('is one of at most 50', async () => {
    const userId = await server.user();
    await server.record(
      ...Array.from({ length: 51 }, (_, n) => draftOf(userId, { run: `run_${n}`, provider: `provider_${n + 10}` })),
    );
    const listed: { provider: string }[] = await connectionsOf(userId);
    expect(listed.map(({ provider }) => provider)).toEqual(Array.from({ length: 50 }, (_, n) => `provider_${n + 10}`));
  });
});

describe('the health of a connection', () => {
  const { failures, emptySuccesses } = connectionThresholds;
  const times = (count: number, each: (n: number) => Told) => Array.from({ length: count }, (_, n) => each(n));
  const failing = (count: number) => times(count, (n) => failure(`f${n}`, n));
  const empty = (count: number) => times(count, (n) => success(`e${n}`, n, 0));

  test.each<[health: string, when: string, events: Told[], laterMs?: number]>([
    ['UNKNOWN', 'when nothing has succeeded yet', failing(failures - 1)],
    ['UNKNOWN', 'when there was nothing to do', [{ status: 'SKIPPED', at: 0 }]],
    ['UNKNOWN', 'when the first run has stalled and it is early', [{ at: 0 }], hour],
    ['UNKNOWN', 'when the first success does not come', [{ at: 0 }], 6 * hour],
    ['SYNCING', 'while a run is under way', [success('a', 0), { run: 'b', at: 1 }]],
    ['SYNCING', 'while it is quiet', [success('a', 0), { run: 'b', at: 1 }], 5 * minute],
    ['HEALTHY', 'once it has stalled', [success('a', 0), { run: 'b', at: 1 }], 12 * minute],
    ['SYNCING', 'during the first sync', [{ at: 0 }]],
    ['SYNCING', 'also when a success is overdue', [success('a', 0), { run: 'b', at: 6 * 60 }]],
    ['HEALTHY', 'after a success', [success('a', 0)]],
    ['HEALTHY', 'after a partial success', [{ status: 'PARTIAL', at: 0 }]],
    ['HEALTHY', 'with fewer failures than are too many', [success('a', 0), ...failing(failures - 1)]],
    ['FAILING', 'with too many failures in a row', [success('a', 0), ...failing(failures)]],
    ['FAILING', 'also while it is tried again', [...failing(failures), { run: 'b', at: 9 }]],
    ['FAILING', 'also much later', failing(failures), 9 * day],
    ['HEALTHY', 'after the success that follows', [...failing(failures), success('a', 9)]],
    ['HEALTHY', 'with fewer empty successes than are too many', empty(emptySuccesses - 1)],
    ['NO_PROGRESS', 'with too many empty successes', empty(emptySuccesses)],
    ['NO_PROGRESS', 'also while it is tried again', [...empty(emptySuccesses), { run: 'b', at: 30 }]],
    ['NO_PROGRESS', 'also with a failure', [...empty(emptySuccesses), failure('f', 30)]],
    ['FAILING', 'rather than without progress', [...empty(emptySuccesses), ...failing(failures)]],
    ['HEALTHY', 'after the first item', [...empty(emptySuccesses), success('a', 30, 1)]],
    [
      'NO_PROGRESS',
      'whatever successes without a count come between',
      times(emptySuccesses * 2, (n) => success(`e${n}`, n, n % 2 ? 0 : null)),
    ],
    ['HEALTHY', 'with many successes that count nothing', times(emptySuccesses, (n) => success(`e${n}`, n, null))],
    ['HEALTHY', 'with too little history, as long as a pull is trusted', [success('a', 0)], 6 * hour - 1],
    ['UNKNOWN', 'with too little history to say whether a pull is late', [success('a', 0)], 6 * hour],
    ...['WEBHOOK', 'SDK', 'LINKED_ACCOUNT', 'BACKFILL'].flatMap((source): [string, string, Told[], number][] => [
      [
        'HEALTHY',
        `with too little history, as long as ${source} is trusted`,
        [{ ...success('a', 0), source }],
        3 * day - 1,
      ],
      [
        'UNKNOWN',
        `with too little history to say whether a success after ${source} is late`,
        [{ ...success('a', 0), source }],
        3 * day,
      ],
    ]),
    ['HEALTHY', 'for ever after an imported file', [{ ...success('a', 0), source: 'XML_IMPORT' }], 365 * day],
    [
      'HEALTHY',
      'by the source of the last success',
      [success('a', 0), { ...success('b', 1), source: 'WEBHOOK' }, { run: 'c', at: 2 }],
      2 * day,
    ],
    [
      'UNKNOWN',
      'when few failures follow, and nobody knows what is late',
      [success('a', 0), failure('b', 1)],
      6 * hour,
    ],
  ])('is %s %s', async (health, _, events, laterMs = 0) => {
    const userId = await server.user();
    await tell(userId, ...events);
    now = Math.max(now, start + laterMs);
    expect((await connectionOf(userId)).health).toBe(health);
  });
});

test('the connections of an older log are those that its runs add up to', async () => {
  const older = await startServer({ clock: () => now });
  onTestFinished(() => older.close());
  const random = fc.sample(
    fc.record({
      provider: fc.constantFrom('oura', 'garmin', 'polar'),
      source: fc.constantFrom('PULL', 'WEBHOOK', 'SDK'),
      status: fc.constantFrom(
        'IN_PROGRESS',
        'SUCCESS',
        'SUCCESS',
        'PARTIAL',
        'FAILED',
        'FAILED',
        'SKIPPED',
        'CANCELLED',
      ),
      items: fc.constantFrom(null, 0, 0, 1),
    }),
    { numRuns: 120, seed: 3 },
  );
  const users = [await older.user(), await older.user(), await older.user(), await older.user()];
  for (const [n, { items, ...event }] of random.entries()) {
    now += minute;
    // What it means that a pull was skipped after it had asked was not known yet.
    const counted = event.status === 'SKIPPED' ? null : items;
    const begun = { ...event, items: counted, run: `run_${n}`, at: n, startedAt: n };
    const userId = users[n % 3] as string;
    await older.record(
      draftOf(userId, { ...begun, status: 'IN_PROGRESS' }),
      draftOf(userId, { ...begun, at: n + 0.5 }),
    );
  }
  // What a migration cannot know: when and by which transaction something was recorded.
  const snapshot = ({ reader }: { reader: typeof older.app.services.database.reader }) =>
    Promise.all([
      reader.providerLink.findMany({
        orderBy: [{ userId: 'asc' }, { provider: 'asc' }],
        select: {
          ...{ userId: true, provider: true, state: true, source: true, lastRunId: true, consecutiveFailures: true },
          ...{ firstAttemptAt: true, lastAttemptAt: true, lastSuccessAt: true, lastDataAt: true, emptySuccesses: true },
        },
      }),
      reader.syncRun.findMany({
        orderBy: [{ userId: 'asc' }, { runId: 'asc' }],
        select: { runId: true, status: true, finished: true, recordedAt: true, lastSequence: true },
      }),
    ]);
  const before = await snapshot(older.app.services.database);
  expect(before[0]).toHaveLength(9);

  const url = older.databaseUrl;
  const indexes = ['run_to_fold_idx', 'sync_run_run_id_opened_at_user_id_idx', 'sync_run_user_id_opened_at_run_id_idx'];
  const columns = [
    ...['scope', 'window_start', 'window_end', 'extra', 'reason'].map((name) => `sync_event.${name}`),
    ...['scope', 'window_start', 'window_end', 'opened_at', 'trace_id', 'newest_at', 'newest_started_at'],
    ...[
      'milestone_at',
      'milestone_status',
      'milestone_error',
      'failed_sequence',
      'last_ended_at',
      'attempts',
      'failed_attempts',
    ],
    ...['reopened', 'batch_count', 'failed_batch_count', 'items_inserted', 'items_updated', 'items_late'],
    'folded_sequence',
  ].map((name) => (name.includes('.') ? name : `sync_run.${name}`));
  const undone = await openDatabase(url);
  for (const statement of [
    'DROP TABLE sync_run_batch',
    ...indexes.map((index) => `DROP INDEX ${index}`),
    ...columns.map((column) => `ALTER TABLE ${column}`.replace('.', ' DROP COLUMN ')),
    'DROP TABLE provider_connection',
    'DROP TABLE log_state',
    'DROP INDEX sync_run_change_user_id_run_id_idx',
    'DROP INDEX sync_run_finished_last_event_at_user_id_run_id_idx',
    'DROP INDEX sync_run_user_id_finished_last_event_at_run_id_idx',
    'ALTER TABLE sync_run DROP COLUMN finished',
    'ALTER TABLE sync_run DROP COLUMN recorded_at',
    'ALTER TABLE sync_run DROP COLUMN change',
    'ALTER TABLE "user" DROP COLUMN head_recorded_at',
    'ALTER TABLE "user" DROP COLUMN revision',
    'CREATE INDEX sync_run_last_event_at_user_id_run_id_idx ON sync_run (last_event_at, user_id, run_id)',
    'CREATE INDEX sync_run_user_id_last_event_at_run_id_idx ON sync_run (user_id, last_event_at, run_id)',
    `DELETE FROM _prisma_migrations
      WHERE migration_name LIKE '%_add_connections' OR migration_name LIKE '%_order_of_changes'
        OR migration_name LIKE '%go_on' OR migration_name LIKE '%_add_states_of_connections'
        OR migration_name LIKE '%_know_who_is_connected' OR migration_name LIKE '%_how_connections_stand'
        OR migration_name LIKE '%_connections_are_judged' OR migration_name LIKE '%_changes_of_connections'
        OR migration_name LIKE '%_index_of_states' OR migration_name LIKE '%_connections_were_noted'
        OR migration_name LIKE '%_list_connections_by_state'`,
  ])
    await undone.transaction((transaction) => transaction.$executeRawUnsafe(statement));
  await undone.close();
  expect(await migrate(url)).toEqual([
    expect.stringMatching(/_add_connections$/),
    expect.stringMatching(/_order_of_changes$/),
    expect.stringMatching(/_runs_go_on$/),
    expect.stringMatching(/_index_runs_that_go_on$/),
    expect.stringMatching(/_add_states_of_connections$/),
    expect.stringMatching(/_know_who_is_connected$/),
    expect.stringMatching(/_list_connections_by_state$/),
    expect.stringMatching(/_know_how_connections_stand$/),
    expect.stringMatching(/_index_how_connections_stand$/),
    expect.stringMatching(/_index_when_connections_are_judged$/),
    expect.stringMatching(/_index_changes_of_connections$/),
    expect.stringMatching(/_drop_index_of_states$/),
    expect.stringMatching(/_keep_when_connections_were_noted$/),
  ]);
  const migrated = await openDatabase(url);
  onTestFinished(() => migrated.close());
  expect(await snapshot(migrated)).toEqual(before);
});

test('the connections of a hundred users are as many statements as those of one', async () => {
  let statements = 0;
  const counted = await startServer({
    ...{ clock: () => now, onStatement: () => (statements += 1) },
    limits: { judgingPauseMs: 3_600_000 },
  });
  onTestFinished(() => counted.close());
  for (let n = 0; n < 100; n++) {
    const userId = await counted.user();
    await counted.record(
      ...Array.from({ length: 1 + (n % 6) }, (_, run) =>
        draftOf(userId, { run: `run_${run}`, provider: `provider_${run}` }),
      ),
      draftOf(userId, { run: 'failed', provider: 'provider_0', status: 'FAILED', error: '503 Service Unavailable' }),
    );
  }
  const costsOf = async (query: (first: number) => string) => {
    const costs = new Set<number>();
    for (const first of [1, 10, 50]) {
      statements = 0;
      const { data, errors } = await counted.graphql(query(first));
      expect(errors).toEqual([]);
      expect((data.users ?? data.connections).edges).toHaveLength(first);
      costs.add(statements);
    }
    return [...costs];
  };
  const ofUsers = (first: number) => `{ users(first: ${first}) { edges { node { connections { ${fields} } } } } }`;
  // The key, the users, their connections, the runs under way, and the last runs.
  expect({ database, costs: await costsOf(ofUsers) }).toEqual({ database, costs: [5] });
  const truth = 'state reason { class event { cursor } } backfill { done } dataTypes { state } explain { verdict }';
  const all = (first: number) => `{ connections(first: ${first}) { edges { node { ${truth} } } } }`;
  // The key, the connections, the runs under way, the types of data, those that failed, and the events that say what is wrong.
  expect({ database, costs: await costsOf(all) }).toEqual({ database, costs: [6] });
});
