/**
 * The history of runs as Open Wearables 0.9 has it, case by case: the numbers are those of its contract. H18 is not here: runs
 * that have fallen silent are not swept, their health says so.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDateTime } from '../../src/transports/rest/date-time-text.ts';
import { claimsWith, signWithSecret } from '../support/identity-provider.ts';
import { expectedRuns, samples, toKeptTimes } from '../support/open-wearables-samples.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, jwtSecret, startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let read: Headers;
let write: Headers;

beforeAll(async () => {
  server = await startServer();
  read = await server.key('read');
  write = { ...server.admin, 'content-type': 'application/json' };
});
afterAll(() => server.close());

const historyOf = (userId: string) => `/api/v1/users/${userId}/sync/history`;
const get = (path: string, headers: Headers = read) => rest(server.url + path, { headers });
const list = async (userId: string, query = '') => (await get(historyOf(userId) + query)).body;
const one = async (runId: string) => (await get(`/api/v1/sync/history/${encodeURIComponent(runId)}`)).body;
const keys = async (userId: string, query = '') =>
  (await list(userId, query)).map(({ run_key }: { run_key: string }) => run_key);

/** An event on the wire, a time being seconds after ten o'clock. */
interface Told {
  readonly at: number;
  readonly stage?: string;
  readonly status?: string;
  readonly [field: string]: unknown;
}

const time = (at: number) => new Date(Date.UTC(2026, 9, 2, 10) + at * 1000).toISOString();
const start = (at: number, more: object = {}): Told => ({ at, stage: 'started', started_at: time(at), ...more });
const end = (at: number, inserted = 0, more: object = {}): Told => ({
  ...{ at, stage: 'completed', status: 'success', ended_at: time(at), metadata: { inserted }, ...more },
});
const failure = (at: number, error: string): Told => ({
  at,
  stage: 'failed',
  status: 'failed',
  ended_at: time(at),
  error,
});

/** Records events of a run, each by itself, and answers how it stands. */
async function tell(userId: string, runId: string, ...events: readonly Told[]) {
  for (const { at, ...event } of events) {
    const usual = { run_id: runId, provider: 'apple', source: 'sdk', scope: 'historical', status: 'in_progress' };
    const { status, text } = await rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
      ...{ method: 'POST', headers: write, body: { ...usual, timestamp: time(at), ...event } },
    });
    expect([status, text]).toEqual([201, expect.anything()]);
  }
  return one(runId);
}

const newRun = () => `sdk_${randomUUID()}`;
const wire = (at: number) => time(at).replace('.000Z', 'Z');

describe('the history of runs', () => {
  it('H1 has 14 keys in a list, one more for one run and 12 of a type of data, in order, and null where nothing is known', async () => {
    const [userId, runId] = [await server.user(), newRun()];
    const told = end(2, 0, { metadata: { batch_id: 'b', types: ['heart_rate'] } });
    await tell(userId, runId, start(1), told);
    const row = [
      ...['run_key', 'user_id', 'provider', 'source', 'scope', 'status', 'trace_id', 'window_start', 'window_end'],
      ...['started_at', 'ended_at', 'items_inserted', 'items_updated', 'error'],
    ];
    const [listed] = await list(userId);
    expect(Object.keys(listed)).toEqual(row);
    expect(listed).toMatchObject({ trace_id: null, window_start: null, window_end: null, error: null });
    const run = await one(runId);
    expect(Object.keys(run)).toEqual([...row, 'data_types']);
    expect(Object.keys(run.data_types[0])).toEqual([
      ...['data_type', 'kind', 'status', 'native_type', 'reported_records', 'items_inserted', 'items_updated'],
      ...['covered_start', 'covered_end', 'error_code', 'error', 'attempt'],
    ]);
    expect(await tell(userId, newRun(), start(1))).toMatchObject({ data_types: [] });
  });

  it('H2 lists the runs that opened last first, and those that opened at once by their ids', async () => {
    const userId = await server.user();
    for (const [runId, at] of [
      ['a', 3],
      ['b', 9],
      ['c', 5],
      ['d', 5],
    ] as const)
      await tell(userId, runId, start(at));
    await tell(userId, 'a', end(60));
    expect(await keys(userId)).toEqual(['b', 'd', 'c', 'a']);
    expect(await keys(userId, '?limit=2')).toEqual(['b', 'd']);
    for (let n = 0; n < 18; n += 1) await tell(userId, `e${n}`, start(n));
    expect(await keys(userId)).toHaveLength(20);
    expect(await keys(userId, '?limit=200')).toHaveLength(22);
    expect(await list(await server.user())).toEqual([]);
  });

  it('H3 refuses parameters in pydantic’s words, the first bad one first', async () => {
    const userId = await server.user();
    const date = (reason: string) => `Input should be a valid datetime or date, ${reason} - ${reason}`;
    const isShort = date('input is too short');
    for (const [query, detail] of [
      ['limit=0', 'Input should be greater than or equal to 1'],
      ['limit=201', 'Input should be less than or equal to 200'],
      ['limit=abc', 'Input should be a valid integer, unable to parse string as an integer'],
      ...['foo', '', 'LIVE'].map((scope) => [`scope=${scope}`, "Input should be 'historical' or 'live'"]),
      ...['since=abc', 'since=', 'covered_from=xx', 'covered_to='].map((query) => [query, isShort]),
      ['since=2026-13-01', date('month value is outside expected range of 1-12')],
      ['since=2026-02-30T00:00:00Z', date('day value is outside expected range')],
      ['since=2026-03-01T00:00:00+02:00', date('unexpected extra characters at the end of the input')],
      ['since=2026-03-01T24:00:00Z', date('unexpected extra characters at the end of the input')],
      ['since=99999999999999999', date('dates after 9999 are not supported as unix timestamps')],
      ['covered_to=xx&provider=&since=abc&scope=foo&limit=0', 'Input should be greater than or equal to 1'],
      ['covered_to=2026-13-01&covered_from=x&since=2026-13-01&scope=foo', "Input should be 'historical' or 'live'"],
      ['covered_to=x&covered_from=2026-13-01', date('month value is outside expected range of 1-12')],
    ] as const) {
      const { status, body } = await get(`${historyOf(userId)}?${query}`);
      expect([query, status, body]).toEqual([query, 400, { detail }]);
    }
    const nobody = historyOf(randomUUID());
    expect((await get(`${nobody}?limit=0`)).status).toBe(400);
    expect((await rest(`${server.url}${historyOf('x')}?limit=0`)).status).toBe(401);
    expect((await get(historyOf('x'))).status).toBe(400);
  });

  it('accepts every form of a time that pydantic does', async () => {
    const userId = await server.user();
    await tell(userId, 'then', start(0));
    for (const form of [
      ...['2026-10-02', '2026-10-02T10:00:00Z', '2026-10-02%2010:00', '2026-10-02T10:00:00.0000001', '2026'],
      ...['2026-10-02T12:00:00%2B02:00', '2026-10-02T12:00:00%2B0200', '1790935200', '1790935200000', '1790935200.0'],
    ])
      expect([form, await keys(userId, `?since=${form}`)]).toEqual([form, ['then']]);
    for (const form of ['2026-10-03', '2026-10-02T10:00:01Z', '1790935201', '2026-10-02T10:00:00-00:01'])
      expect([form, await keys(userId, `?since=${form}`)]).toEqual([form, []]);
    expect(await keys(userId, '?since=9999-12-31T23:59:59-23:59')).toEqual([]);
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-01-01') }), (date) => {
        expect(readDateTime(date.toISOString())).toEqual(date);
      }),
    );
  });

  it('H4 takes an empty provider for one that no run has', async () => {
    const userId = await server.user();
    await tell(userId, 'a', start(1));
    expect(await keys(userId, '?provider=')).toEqual([]);
    expect(await keys(userId, '?provider=Apple')).toEqual([]);
    expect(await keys(userId, '?provider=apple')).toEqual(['a']);
    expect(await keys(userId, '?provider=apple&provider=oura')).toEqual([]);
  });

  it('H5 shows runs that opened at the very time', async () => {
    const userId = await server.user();
    await tell(userId, 'a', start(1));
    await tell(userId, 'b', start(2));
    expect(await keys(userId, `?since=${time(2)}`)).toEqual(['b']);
    expect(await keys(userId, `?since=${time(1)}`)).toEqual(['b', 'a']);
  });

  it('H6 finds a run by what it covers: bounds that touch do not overlap, and a run without a span is never found', async () => {
    const userId = await server.user();
    const march = { window_start: '2026-03-01T00:00:00Z', window_end: '2026-04-01T00:00:00Z' };
    await tell(userId, 'march', start(1), end(2, 0, march));
    await tell(userId, 'none', start(1), end(2));
    await tell(userId, 'half', start(1), end(2, 0, { window_start: march.window_start }));
    const covered = (from?: string, to?: string) =>
      keys(userId, `?${[from && `covered_from=${from}`, to && `covered_to=${to}`].filter(Boolean).join('&')}`);
    expect(await covered('2026-03-10', '2026-03-20')).toEqual(['march']);
    expect(await covered('2026-01-01', '2026-02-01')).toEqual([]);
    expect(await covered('2026-02-01', '2026-03-01')).toEqual([]);
    expect(await covered('2026-04-01', '2026-05-01')).toEqual([]);
    expect(await covered('2026-03-31')).toEqual(['march']);
    expect(await covered('2026-04-01')).toEqual([]);
    expect(await covered(undefined, '2026-03-02')).toEqual(['march']);
    expect(await covered(undefined, '2026-03-01')).toEqual([]);
    expect(await covered('2026-03-20', '2026-03-10')).toEqual(['march']); // no error, and it does overlap both ways
  });

  it('H7 H8 says who or what is not there', async () => {
    const missing = { status: 404, body: { detail: 'Sync run not found' } };
    expect(await get(`/api/v1/sync/history/${newRun()}`)).toMatchObject(missing);
    expect(await get(historyOf(randomUUID()))).toMatchObject({ status: 404, body: { detail: 'User not found' } });
    for (const path of [historyOf(randomUUID()), '/api/v1/sync/history/x']) {
      expect((await rest(server.url + path)).status).toBe(401);
      expect((await rest(`${server.url}${path}/`, { headers: read })).status).toBe(307);
      expect((await rest(server.url + path, { method: 'POST', headers: read })).status).toBe(405);
    }
    const userId = await server.user();
    await tell(userId, 'only progress', { at: 1, stage: 'fetching' });
    expect(await get('/api/v1/sync/history/only%20progress')).toMatchObject(missing);
    expect(await list(userId)).toEqual([]);
  });

  it('shows a user token its own runs, and no others', async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const [own, foreign] = [newRun(), newRun()];
    await tell(userId, own, start(1));
    await tell(other, foreign, start(1));
    await tell(other, own, start(2));
    const token = await signWithSecret(jwtSecret, claimsWith({ sub: userId, scope: 'sync:self' }));
    const as = { authorization: `Bearer ${token}` };
    expect(await get(`/api/v1/sync/history/${own}`, as)).toMatchObject({ status: 200, body: { user_id: userId } });
    expect((await get(`/api/v1/sync/history/${foreign}`, as)).status).toBe(404);
    expect((await get(historyOf(other), as)).status).toBe(404);
    expect(await one(own)).toMatchObject({ user_id: other }); // the one that opened last
    const third = await server.user();
    await tell(third, own, { at: 9, stage: 'fetching' }); // has not opened
    expect(await one(own)).toMatchObject({ user_id: other });
  });

  it('H9 H10 H13 adds up its parts, to which what comes late adds nothing', async () => {
    const userId = await server.user();
    const three = [start(1), end(2, 100), start(3), end(4, 40), start(5), end(6, 7)];
    const run = await tell(userId, newRun(), ...three);
    expect(run).toMatchObject({ items_inserted: 147, ended_at: wire(6), started_at: wire(1) });
    const ended = { status: 'success', items_inserted: 120 };
    expect(await tell(userId, newRun(), start(2), end(9, 120), start(5))).toMatchObject(ended);
    expect(await tell(userId, newRun(), start(2), end(9, 120), end(8, 7))).toMatchObject({
      ...ended,
      ended_at: wire(9),
    });
  });

  it('H11 H12 H14 is under way again with a newer start, or one of the same time, and keeps when it ended', async () => {
    const userId = await server.user();
    const again = { status: 'in_progress', ended_at: wire(2), error: null };
    expect(await tell(userId, newRun(), start(1), failure(2, 'no'), start(3))).toMatchObject(again);
    expect(await tell(userId, newRun(), start(1), failure(2, 'no'), start(2))).toMatchObject(again);
    const failed = { status: 'failed', error: 'disk full' };
    const runId = newRun();
    expect(await tell(userId, runId, start(1), failure(2, 'disk full'))).toMatchObject(failed);
    expect(await tell(userId, runId, end(3, 1))).toMatchObject({ status: 'success', error: null });
  });

  it('H15 opens with whatever comes first; a start that comes late says when that was: ours', async () => {
    const [userId, runId] = [await server.user(), newRun()];
    expect(await tell(userId, runId, end(5))).toMatchObject({ started_at: wire(5), status: 'success' });
    expect(await tell(userId, runId, start(1))).toMatchObject({ started_at: wire(1), status: 'success' });
  });

  it('H16 is not changed by progress, before or after an end', async () => {
    const [userId, runId] = [await server.user(), newRun()];
    const progress = {
      stage: 'processing',
      scope: 'live',
      window_start: time(0),
      error: 'x',
      metadata: { inserted: 9 },
    };
    const before = await tell(userId, runId, start(1), { at: 8, ...progress });
    expect(before).toMatchObject({ status: 'in_progress', scope: 'historical', window_start: null, error: null });
    const ended = await tell(userId, runId, end(5, 3)); // older than the progress, newer than the start
    expect(ended).toMatchObject({ status: 'success', items_inserted: 3 });
    expect(await tell(userId, runId, { at: 20, ...progress })).toEqual(ended);
  });

  it('H17 takes each side of its window from the first that tells it', async () => {
    const [userId, runId] = [await server.user(), newRun()];
    await tell(userId, runId, start(1), end(2, 0, { window_end: time(100) }));
    await tell(userId, runId, end(3, 0, { window_start: time(10), window_end: time(200) }));
    expect(await one(runId)).toMatchObject({ window_start: wire(10), window_end: wire(100) });
  });

  it('H19 adds up types of data, of which one that is under way keeps its verdict', async () => {
    const userId = await server.user();
    const pull = (at: number, params: object) => end(at, 0, { scope: 'live', source: 'pull', metadata: { params } });
    const runId = newRun();
    const typesOf = async () => (await one(runId)).data_types;
    await tell(
      userId,
      runId,
      pull(1, { workouts: { success: 10 }, data_247: { success: true, sleep: { inserted: 4, updated: 1 } } }),
    );
    await tell(
      userId,
      runId,
      pull(2, { workouts: { success: 5 }, data_247: { success: false, error: 'HTTP 500', error_code: 'e' } }),
    );
    const task = { kind: 'task', error_code: null, error: null };
    expect(await typesOf()).toMatchObject([
      { data_type: 'data_247', status: 'failed', kind: 'task', error: 'HTTP 500', error_code: 'e', attempt: 1 },
      { data_type: 'sleep', status: 'success', ...task, items_inserted: 4, items_updated: 1, attempt: 1 },
      { data_type: 'workouts', status: 'success', ...task, items_inserted: 15, attempt: 2 },
    ]);
    await tell(userId, runId, pull(3, { workouts: { success: false, error: 'HTTPException 502' } }));
    const batch = { batch_id: 'b', types: ['steps'], workouts_saved: 3, sleep_saved: 0 };
    await tell(userId, runId, end(4, 0, { metadata: batch }));
    const [, , steps, workouts] = await typesOf();
    expect(steps).toMatchObject({ data_type: 'steps', status: 'in_progress', kind: 'series', attempt: 1 });
    expect(workouts).toMatchObject({ status: 'failed', error: 'HTTPException 502', items_inserted: 18, attempt: 4 });
  });

  it('H20 H21 takes the first release’s names for the window, no scope for live, and words that nobody knows', async () => {
    const [userId, runId] = [await server.user(), newRun()];
    const span = { requested_start: time(-90), requested_end: time(-10) };
    await tell(userId, runId, { ...start(1), scope: undefined }, { ...end(2), ...span, scope: undefined });
    expect(await one(runId)).toMatchObject({ scope: 'live', window_start: wire(-90), window_end: wire(-10) });
    expect(await keys(userId, '?scope=live')).toEqual([runId]);
    expect(await keys(userId, '?scope=historical')).toEqual([]);
  });

  it('H23 shows the runs of the samples as they are expected, after each step', async () => {
    for (const { run_key: runId, history, redis_summary: summary, steps } of expectedRuns) {
      await server.app.services.users.ensure(new Map([[history.user_id, undefined]]));
      const left = [...steps];
      for (const { user_id: userId, ...event } of samples.filter((each) => each.run_id === runId)) {
        const recorded = await rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
          ...{ method: 'POST', headers: write, body: event },
        });
        expect([recorded.text, recorded.status]).toEqual([expect.anything(), 201]);
        if (left[0]?.[0] !== event.event_id) continue;
        const [, status, items_inserted, items_updated, ended_at, error] = left.shift() ?? [];
        expect(await one(runId)).toMatchObject(toKeptTimes({ status, items_inserted, items_updated, ended_at, error }));
      }
      expect(left).toEqual([]);
      expect(await one(runId)).toEqual(toKeptTimes(history));
      const { data_types, ...listed } = toKeptTimes(history) as Record<string, unknown>;
      expect(await list(history.user_id, '?limit=200')).toContainEqual(listed);
      const { body: runs } = await get(`/api/v1/users/${history.user_id}/sync/runs?limit=200`);
      expect(runs).toContainEqual(toKeptTimes(summary));
    }
  });
});
