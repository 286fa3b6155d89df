import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openEventStream } from '../support/event-stream.ts';
import { second } from '../support/recording.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

/** Of each event, at which second it happened by its producer and was recorded by us. Each has a run of its own. */
const recorded = [
  { runId: 'early', happened: 0, recordedAt: 100 },
  { runId: 'told late', happened: -5_000, recordedAt: 110 },
  { runId: 'in time', happened: 110, recordedAt: 110 },
  { runId: 'last', happened: 119, recordedAt: 120 },
] as const;

describe('filters of times', () => {
  let server: TestServer;
  let userId: string;
  let now = Date.parse(second(0));

  beforeAll(async () => {
    server = await startServer({ clock: () => now });
    userId = await server.user();
    for (const { runId, happened, recordedAt } of recorded) await record(runId, happened, recordedAt);
  });
  afterAll(() => server.close());

  async function record(runId: string, happened: number, recordedAt: number) {
    now = Date.parse(second(recordedAt));
    await server.record({ userId, runId, timestamp: second(happened) });
  }

  const runIds = (list: readonly { runId?: string; run_id?: string }[]) =>
    list.map(({ runId, run_id }) => runId ?? run_id).sort();
  const nodes = ({ edges }: { edges: { node: { runId: string } }[] }) => runIds(edges.map(({ node }) => node));

  async function inGraphql(filter: object): Promise<unknown[]> {
    const { data, errors } = await server.graphql(
      `query ($id: UUID!, $events: SyncEventFilter, $runs: SyncRunFilter) {
        user(id: $id) {
          recentSyncEvents(filter: $events) { runId }
          syncEvents(first: 50, filter: $events) { edges { node { runId } } }
          syncRuns(filter: $runs) { edges { node { runId } } }
        }
        syncRuns(filter: $runs) { edges { node { runId } } }
      }`,
      { id: userId, events: filter, runs: filter },
    );
    expect(errors).toEqual([]);
    const { recentSyncEvents, syncEvents, syncRuns } = data.user;
    return [runIds(recentSyncEvents), nodes(syncEvents), nodes(syncRuns), nodes(data.syncRuns)];
  }

  async function inRest(filter: object): Promise<unknown[]> {
    const names = { recordedSince: 'recorded_since', recordedUntil: 'recorded_until' } as Record<string, string>;
    const query = new URLSearchParams(Object.entries(filter).map(([name, time]) => [names[name] ?? name, time]));
    const get = async (path: string) => {
      const { status, body } = await rest(`${server.url}/api/v1${path}?${query}`, { headers: server.admin });
      expect(status).toBe(200);
      return runIds(body);
    };
    const lists = [`/users/${userId}/sync/recent`, `/users/${userId}/sync/runs`, '/sync/runs'];
    return Promise.all(lists.map(get));
  }

  test.each<[object, string[]]>([
    [{ since: second(110) }, ['in time', 'last']],
    [{ until: second(110) }, ['early', 'told late']],
    [{ since: second(0), until: second(119) }, ['early', 'in time']],
    [{ recordedSince: second(110) }, ['in time', 'last', 'told late']],
    [{ recordedUntil: second(110) }, ['early']],
    [{ recordedSince: second(110), recordedUntil: second(120) }, ['in time', 'told late']],
    [{ recordedSince: second(110), until: second(110) }, ['told late']],
    [{ recordedSince: second(110), recordedUntil: second(110) }, []],
    [{ since: second(110), until: second(0) }, []],
    [
      { since: '0000-01-01T00:00:00Z', recordedSince: '0000-01-01T00:00:00Z', until: '9999-12-31T23:59:59Z' },
      ['early', 'in time', 'last', 'told late'],
    ],
    [{ recordedUntil: '9999-12-31T23:59:59.999Z', until: '0000-01-01T00:00:00Z' }, []],
  ])('begin with their first time and end before their last one, on every door: %j', async (filter, wanted) => {
    for (const found of [...(await inGraphql(filter)), ...(await inRest(filter))]) expect(found).toEqual(wanted);
  });

  test('are no filters where they are null, or empty in REST', async () => {
    const all = runIds(recorded);
    const none = { since: null, until: null, recordedSince: null, recordedUntil: null };
    for (const found of await inGraphql(none)) expect(found).toEqual(all);
    const empty = { since: '', until: '', recordedSince: '', recordedUntil: '' };
    for (const found of await inRest(empty)) expect(found).toEqual(all);
  });

  test('are refused in REST where they are no times', async () => {
    for (const path of [`/users/${userId}/sync/recent`, `/users/${userId}/sync/runs`, '/sync/runs'])
      for (const name of ['since', 'until', 'recorded_since', 'recorded_until']) {
        const { status, body } = await rest(`${server.url}/api/v1${path}?${name}=yesterday`, { headers: server.admin });
        expect({ status, body }).toMatchObject({ status: 400, body: { detail: /valid datetime/ } });
      }
  });

  test('hold for streams of events and of runs as they do for lists', async () => {
    const streamed = await server.user();
    const filter = { since: second(200), recordedUntil: second(230) };
    const events = await streamTransports.websocket(server.url, {
      query: `subscription ($userId: UUID!, $filter: SyncEventFilter) {
        syncEvents(userId: $userId, filter: $filter) { events { runId } }
      }`,
      variables: { userId: streamed, filter },
      headers: server.admin,
    });
    onTestFinished(() => events.close());
    const runs = await streamTransports.websocket(server.url, {
      query: 'subscription ($filter: SyncRunFilter) { syncRunChanges(filter: $filter) { run { runId } } }',
      variables: { filter: { userId: streamed, ...filter } },
      headers: server.admin,
    });
    onTestFinished(() => runs.close());
    const query = new URLSearchParams({ replay: '0', since: filter.since, recorded_until: filter.recordedUntil });
    const ofRest = await openEventStream(`${server.url}/api/v1/users/${streamed}/sync/stream?${query}`, server.admin);
    onTestFinished(() => ofRest.close());
    await Promise.all([events.next(), runs.next()]);
    for (const [runId, happened, recordedAt] of [
      ['before', 199, 210],
      ['at first', 200, 220],
      ['too late', 210, 230],
    ] as const) {
      now = Date.parse(second(recordedAt));
      await server.record({ userId: streamed, runId, timestamp: second(happened) });
    }
    expect((await events.next())?.data).toEqual({ syncEvents: { events: [{ runId: 'at first' }] } });
    expect((await ofRest.event()).data).toMatchObject({ run_id: 'at first' });
    expect((await runs.next())?.data).toEqual({ syncRunChanges: { run: { runId: 'at first' } } });
  });

  test('an answer that is kept ends with the next event, also where it bounds a time to come', async () => {
    const kept = await server.user();
    const ask = async () => {
      const query = new URLSearchParams({ recorded_until: second(10_000), until: second(10_000) });
      const { body } = await rest(`${server.url}/api/v1/users/${kept}/sync/recent?${query}`, { headers: server.admin });
      return runIds(body);
    };
    now = Date.parse(second(9_000));
    await server.record({ userId: kept, runId: 'one', timestamp: second(9_000) });
    for (let times = 0; times < 3; times += 1) expect(await ask()).toEqual(['one']);
    now = Date.parse(second(9_500));
    await server.record({ userId: kept, runId: 'two', timestamp: second(9_500) });
    for (let times = 0; times < 3; times += 1) expect(await ask()).toEqual(['one', 'two']);
    now = Date.parse(second(10_000));
    await server.record({ userId: kept, runId: 'three', timestamp: second(9_500) });
    for (let times = 0; times < 3; times += 1) expect(await ask()).toEqual(['one', 'two']);
  });
});
