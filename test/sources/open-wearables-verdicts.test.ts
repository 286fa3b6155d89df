import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openAgain } from '../support/database.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const start = Date.UTC(2026, 9, 2, 8);
const time = (minute: number) => new Date(start + minute * 60_000).toISOString();

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ settings: { OPEN_WEARABLES_WEBHOOK_SECRET: secret }, limits: { slowPollMs: 50 } });
});
afterAll(() => server.close());

/** Delivers what Svix has signed under a new id, and resolves to what became of it. */
async function deliver(verdict: 'completed' | 'failed', data: unknown, to = server): Promise<string> {
  const body = JSON.stringify({ type: `sync.data_type.${verdict}`, data });
  const [id, at] = [`msg_${randomUUID()}`, new Date()];
  const headers = {
    ...{ 'content-type': 'application/json', 'svix-id': id, 'svix-timestamp': String(Math.floor(at.getTime() / 1000)) },
    'svix-signature': new Webhook(secret).sign(id, at, body),
  };
  const answer = await rest(`${to.url}/api/v1/webhooks/open-wearables`, { method: 'POST', headers, body });
  expect(answer.status).toBe(200);
  return (answer.body as { status: string }).status;
}

/** A batch of an export of history, as it ends. */
const batch = (userId: string, n: number, rest: object = {}, to = server) =>
  to.record({
    ...{ userId, runId: 'export', provider: 'apple', source: 'SDK', scope: 'HISTORICAL', stage: 'COMPLETED' },
    ...{ status: 'SUCCESS', timestamp: time(n), endedAt: time(n) },
    metadata: { batch_id: `b${n}`, types: ['steps', 'heart_rate'], workouts_saved: 3, inserted: 40 },
    ...rest,
  });

async function exporting(): Promise<string> {
  const userId = await server.user();
  for (const n of [1, 2]) await batch(userId, n);
  return userId;
}

const verdictOf = (userId: string, rest: object = {}) => ({
  ...{ user_id: userId, run_id: 'export', provider: 'apple', scope: 'historical', data_type: 'steps' },
  ...{ native_data_type: 'HKQuantityTypeIdentifierStepCount', items_inserted: 80, error_code: null },
  ...{ covered_start: '2026-07-04T00:00:00+00:00', covered_end: '2026-10-02T08:00:00+00:00' },
  ...{ coverage_start: '2025-01-01T00:00:00+00:00', coverage_end: '2026-10-02T09:00:00+00:00' },
  ...rest,
});

const typeFields = `dataType state status covered { start end } itemsInserted attempts nativeType errorCode
  reason { class event { sequence } } kindRaw`;

async function read(userId: string, runId = 'export') {
  const { data, errors } = await server.graphql(
    `query ($id: UUID!, $run: ID!) { user(id: $id) {
      headCursor
      syncRun(runId: $run) { status stage eventCount attempts isTerminal lastEventAt dataTypes { ${typeFields} } }
      connections { provider health lastSuccessAt dataTypes { ${typeFields} } }
    } }`,
    { id: userId, run: runId },
  );
  expect(errors).toEqual([]);
  const { headCursor, syncRun, connections } = data.user;
  const { dataTypes: ofRun = [], ...run } = syncRun ?? {};
  const { dataTypes: ofLink, ...link } = connections[0] ?? { dataTypes: [] };
  interface DataType {
    readonly dataType: string;
    readonly state: string;
    readonly itemsInserted: number;
  }
  const find = (types: readonly DataType[], name: string) => types.find(({ dataType }) => dataType === name);
  return {
    ...{ run, link, headCursor },
    ofRun: (name = 'steps') => find(ofRun, name),
    ofLink: (name = 'steps') => find(ofLink, name),
  };
}

describe('a verdict of a type of data', () => {
  test('completes the type of the run and of its connection, and changes nothing else', async () => {
    const userId = await exporting();
    const before = await read(userId);
    expect([before.ofRun()?.state, before.ofLink()?.state]).toEqual(['SYNCING', 'SYNCING']);
    expect(await deliver('completed', verdictOf(userId))).toBe('recorded');
    const after = await read(userId);
    const told = {
      ...{ state: 'COMPLETE', status: 'SUCCESS', itemsInserted: 80, attempts: 2, reason: null, kindRaw: 'series' },
      ...{ nativeType: 'HKQuantityTypeIdentifierStepCount', errorCode: null },
    };
    const covered = { start: '2026-07-04T00:00:00.000Z', end: '2026-10-02T08:00:00.000Z' };
    expect(after.ofRun()).toEqual({ dataType: 'steps', ...told, covered });
    const held = { start: '2025-01-01T00:00:00.000Z', end: '2026-10-02T09:00:00.000Z' };
    expect(after.ofLink()).toEqual({ dataType: 'steps', ...told, covered: held });
    expect(after.ofRun('heart_rate')).toEqual(before.ofRun('heart_rate'));
    expect([after.run, after.link, after.headCursor]).toEqual([before.run, before.link, before.headCursor]);
    // A batch that comes after it leaves it, too.
    await batch(userId, 3);
    const { ofRun, ofLink } = await read(userId);
    for (const type of [ofRun(), ofLink()])
      expect(type).toMatchObject({ state: 'COMPLETE', status: 'SUCCESS', itemsInserted: 80, attempts: 3 });
  });

  test('counts once, however often and under whatever id it comes', async () => {
    const userId = await exporting();
    expect(await deliver('completed', verdictOf(userId, { data_type: 'workouts', items_inserted: 6 }))).toBe(
      'recorded',
    );
    const once = await read(userId);
    expect([once.ofRun('workouts')?.itemsInserted, once.ofLink('workouts')?.itemsInserted]).toEqual([6, 6]);
    for (let n = 0; n < 2; n += 1)
      expect(await deliver('completed', verdictOf(userId, { data_type: 'workouts', items_inserted: 6 }))).toBe(
        'duplicate',
      );
    expect(JSON.stringify((await read(userId)).ofLink('workouts'))).toBe(JSON.stringify(once.ofLink('workouts')));
    // It is not added to what the batches have counted, and what it has more counts for both.
    await deliver('completed', verdictOf(userId, { data_type: 'workouts', items_inserted: 10 }));
    const more = await read(userId);
    expect([more.ofRun('workouts')?.itemsInserted, more.ofLink('workouts')?.itemsInserted]).toEqual([10, 10]);
  });

  test('counts what batches count once, whichever comes first', async () => {
    const itemsOf = async (userId: string) => {
      const { ofRun, ofLink } = await read(userId);
      return [ofRun('workouts')?.itemsInserted, ofLink('workouts')?.itemsInserted];
    };
    const told = (userId: string, items: number) =>
      deliver('completed', verdictOf(userId, { data_type: 'workouts', items_inserted: items }));
    const early = await server.user();
    await batch(early, 1, { metadata: { batch_id: 'b1', types: ['steps'] } });
    await told(early, 6);
    expect(await itemsOf(early)).toEqual([6, 6]);
    await batch(early, 2, { metadata: { batch_id: 'b2', types: ['steps'], workouts_saved: 6 } });
    expect(await itemsOf(early)).toEqual([6, 6]);
    expect(await told(early, 6)).toBe('duplicate');
    const between = await exporting();
    await told(between, 10);
    await batch(between, 3);
    expect(await itemsOf(between)).toEqual([10, 10]);
    // What another run counts is its own.
    await batch(between, 4, { runId: 'other' });
    expect(await itemsOf(between)).toEqual([10, 13]);
    for (const n of [5, 6]) await batch(between, n);
    expect(await itemsOf(between)).toEqual([15, 18]);
    expect(await told(between, 12)).toBe('duplicate');
  });

  test('of many runs leaves no more than some of them to be counted', async () => {
    const userId = await exporting();
    const runs = Array.from({ length: 22 }, (_, n) => `run_${n}`);
    for (const [n, runId] of runs.entries()) {
      await batch(userId, 10 + n, { runId });
      await deliver('completed', verdictOf(userId, { run_id: runId, items_inserted: 5 }));
    }
    const { reader } = await openAgain(server.databaseUrl);
    const [row] = await reader.providerDataType.findMany({ where: { userId, dataType: 'steps' } });
    expect([row?.itemsInserted, row?.runsAhead]).toEqual([110, runs.slice(-20).map((runId) => [runId, 5])]);
  });

  test('of failure is a failure by its code, until the type is complete, in whatever order both come', async () => {
    for (const [code, state, reason] of [
      ['insufficient_scope', 'NOT_GRANTED', 'SCOPE_DENIED'],
      ['timeout', 'FAILED', 'TIMEOUT'],
      [null, 'FAILED', 'OTHER'],
    ] as const) {
      const userId = await exporting();
      const failed = verdictOf(userId, { error_code: code, items_inserted: 0 });
      expect(await deliver('failed', failed)).toBe('recorded');
      expect(await deliver('failed', failed)).toBe('duplicate');
      const { ofRun, ofLink, run } = await read(userId);
      for (const type of [ofRun(), ofLink()])
        expect(type).toMatchObject({ state, errorCode: code, reason: { class: reason, event: null } });
      expect(run).toMatchObject({ status: 'SUCCESS', eventCount: 2 });
      expect(await deliver('completed', verdictOf(userId))).toBe('recorded');
      expect(await deliver('failed', failed)).toBe('duplicate');
      const last = await read(userId);
      for (const type of [last.ofRun(), last.ofLink()]) expect(type).toMatchObject({ state: 'COMPLETE', reason: null });
      // Also where an event has told last that it is.
      await batch(userId, 3, { scope: 'LIVE' });
      expect(await deliver('failed', failed)).toBe('duplicate');
      const still = await read(userId);
      for (const type of [still.ofRun(), still.ofLink()]) expect(type).toMatchObject({ state: 'COMPLETE' });
    }
  });

  test('of failure of a run that is not there leaves a type complete: nobody knows how old it is', async () => {
    const userId = await exporting();
    const unknown = (rest: object = {}) => verdictOf(userId, { run_id: 'gone', data_type: 'spo2', ...rest });
    expect(await deliver('failed', unknown({ error_code: 'timeout' }))).toBe('recorded');
    expect((await read(userId)).ofLink('spo2')?.state).toBe('FAILED');
    expect(await deliver('completed', unknown())).toBe('recorded');
    expect(await deliver('failed', unknown({ error_code: 'timeout' }))).toBe('duplicate');
    expect((await read(userId)).ofLink('spo2')?.state).toBe('COMPLETE');
    await batch(userId, 3, { scope: 'LIVE', runId: 'live' });
    expect(await deliver('failed', verdictOf(userId, { run_id: 'gone', error_code: 'timeout' }))).toBe('recorded');
    expect((await read(userId)).ofLink()?.state).toBe('COMPLETE');
  });

  test('is of the connection of its run, whatever provider it names', async () => {
    const userId = await exporting();
    expect(await deliver('completed', verdictOf(userId, { provider: 'garmin' }))).toBe('recorded');
    const { ofLink, link } = await read(userId);
    expect([link.provider, ofLink()?.state]).toEqual(['apple', 'COMPLETE']);
  });

  test('is as old as the run that it is about, and takes back nothing that a newer one has told', async () => {
    const userId = await exporting();
    await batch(userId, 9, { runId: 'newer' });
    expect(await deliver('completed', verdictOf(userId, { run_id: 'newer' }))).toBe('recorded');
    expect(await deliver('failed', verdictOf(userId, { error_code: 'timeout' }))).toBe('recorded');
    const { ofRun, ofLink } = await read(userId);
    expect([ofRun()?.state, ofLink()?.state]).toEqual(['FAILED', 'COMPLETE']);
  });

  test('tells of a type that no event has told of, and of a run that is not there', async () => {
    const userId = await exporting();
    expect(await deliver('completed', verdictOf(userId, { data_type: 'hrv' }))).toBe('recorded');
    const { ofRun, ofLink } = await read(userId);
    for (const type of [ofRun('hrv'), ofLink('hrv')])
      expect(type).toMatchObject({ state: 'COMPLETE', itemsInserted: 80, attempts: 1 });
    for (const outcome of ['recorded', 'duplicate'])
      expect(await deliver('completed', verdictOf(userId, { run_id: 'gone', data_type: 'spo2' }))).toBe(outcome);
    const last = await read(userId);
    expect([last.ofRun('spo2'), (await read(userId, 'gone')).ofRun('spo2')]).toEqual([undefined, undefined]);
    // Nobody knows which of its items were counted already.
    expect(last.ofLink('spo2')).toMatchObject({ state: 'COMPLETE', itemsInserted: 0 });
  });

  test('shows at once what was kept before it, and in a stream of runs', async () => {
    const userId = await exporting();
    const told: (string | undefined)[] = [];
    const stopping = new AbortController();
    let begun = false;
    const watching = (async () => {
      for await (const change of server.app.services.runChanges.follow({ wants: () => true }, stopping.signal))
        if (change.kind === 'changed') told.push(change.row.userId);
        else begun = true;
    })();
    await expect.poll(() => begun).toBe(true);
    for (let n = 0; n < 3; n += 1) expect((await read(userId)).ofRun()?.state).toBe('SYNCING');
    await deliver('completed', verdictOf(userId));
    expect((await read(userId)).ofRun()?.state).toBe('COMPLETE');
    await expect.poll(() => told).toContain(userId);
    stopping.abort();
    await watching;
  });

  test('wakes the streams of runs and of connections', async () => {
    const settings = { OPEN_WEARABLES_WEBHOOK_SECRET: secret };
    const awake = await startServer({ settings, limits: { slowPollMs: 3_600_000, judgingPauseMs: 3_600_000 } });
    onTestFinished(() => awake.close());
    const userId = await awake.user();
    await batch(userId, 1, {}, awake);
    const { runChanges, connectionChanges } = awake.app.services;
    const stopping = new AbortController();
    onTestFinished(() => stopping.abort());
    const streams = [runChanges, connectionChanges].map((changes) =>
      changes.follow({ wants: () => true }, stopping.signal),
    );
    for (const stream of streams) expect((await stream.next()).value).toEqual({ kind: 'began' });
    expect(await deliver('completed', verdictOf(userId), awake)).toBe('recorded');
    for (const stream of streams)
      expect((await stream.next()).value).toMatchObject({ kind: 'changed', row: { userId } });
  });

  test('is read as far as it can be: without any key, with null, what cannot be read, and one level down', async () => {
    const bad: Readonly<Record<string, unknown>> = {
      ...{ run_id: 7, provider: ['apple'], scope: 3, native_data_type: 5, items_inserted: -1, error_code: [] },
      ...{ covered_start: 'yesterday', covered_end: 4, coverage_start: '2026-02-30T00:00:00Z', coverage_end: true },
    };
    for (const [key, badValue] of Object.entries(bad))
      for (const value of [undefined, null, badValue]) {
        const userId = await exporting();
        expect([key, value, await deliver('completed', verdictOf(userId, { [key]: value }))]).toEqual([
          key,
          value,
          'recorded',
        ]);
        const { ofRun, ofLink } = await read(userId);
        expect(ofLink()).toMatchObject({
          state: 'COMPLETE',
          itemsInserted: key === 'items_inserted' || key === 'run_id' ? 0 : 80,
        });
        expect(ofRun()?.state).toBe(key === 'run_id' ? 'SYNCING' : 'COMPLETE');
      }
    const [flat, nested] = [await exporting(), await exporting()];
    await deliver('completed', verdictOf(flat));
    const { user_id, run_id, provider, data_type, ...rest } = verdictOf(nested);
    expect(await deliver('completed', { user_id, sync: { run_id, provider }, data_type: { data_type, ...rest } })).toBe(
      'recorded',
    );
    expect((await read(nested)).ofLink()).toEqual((await read(flat)).ofLink());
    expect((await read(nested)).ofRun()).toEqual((await read(flat)).ofRun());
    const reversed = await exporting();
    await deliver('completed', verdictOf(reversed, { covered_start: time(9), covered_end: time(1) }));
    expect((await read(reversed)).ofRun()).toMatchObject({ covered: null });
  });

  test('without a user or a type is ignored as before, and with a bad one goes to quarantine', async () => {
    const userId = await exporting();
    for (const key of ['user_id', 'data_type'])
      for (const value of [undefined, null])
        expect(await deliver('failed', verdictOf(userId, { [key]: value }))).toBe('ignored');
    for (const data of [null, [], 'x', {}]) expect(await deliver('completed', data)).toBe('ignored');
    for (const change of [
      { user_id: 'u' },
      { user_id: 5 },
      { data_type: '' },
      { data_type: 7 },
      { data_type: 'x'.repeat(65) },
    ])
      expect(await deliver('failed', verdictOf(userId, change))).toBe('quarantined');
    expect(await deliver('failed', verdictOf(randomUUID()))).toBe('ignored');
    expect(await deliver('failed', verdictOf(userId, { run_id: null, provider: null }))).toBe('ignored');
    const { data } = await server.graphql('{ sources { ignoredKinds { reason type } } }');
    expect(data.sources[0].ignoredKinds).toEqual(
      expect.arrayContaining([
        { reason: 'UNKNOWN_TYPE', type: 'sync.data_type.failed' },
        { reason: 'UNKNOWN_USER', type: 'sync.data_type.failed' },
        { reason: 'NO_EVENT', type: 'sync.data_type.failed' },
      ]),
    );
    expect((await read(userId)).ofRun()).toMatchObject({ state: 'SYNCING' });
  });

  test('of many at once counts each type once', async () => {
    const userId = await exporting();
    const names = Array.from({ length: 12 }, (_, n) => `type_${n % 6}`);
    const outcomes = await Promise.all(
      names.map((name) => deliver('completed', verdictOf(userId, { data_type: name, items_inserted: 5 }))),
    );
    expect(outcomes.sort()).toEqual([...Array(6).fill('duplicate'), ...Array(6).fill('recorded')]);
    const { reader } = await openAgain(server.databaseUrl);
    const rows = await reader.providerDataType.findMany({ where: { userId, dataType: { startsWith: 'type_' } } });
    expect(rows.map(({ itemsInserted }) => itemsInserted)).toEqual(Array(6).fill(5));
  });
});
