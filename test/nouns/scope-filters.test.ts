import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { refusals } from '../support/recording.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

describe('a filter of scopes', () => {
  let server: TestServer;
  let userId: string;

  beforeAll(async () => {
    server = await startServer();
    userId = await server.user();
    const started = { userId, stage: 'STARTED' };
    await server.record(
      { ...started, runId: 'unnamed' },
      { ...started, runId: 'current', scope: 'LIVE' },
      { ...started, runId: 'history', scope: 'HISTORICAL' },
      { userId, runId: 'not begun', stage: 'QUEUED' }, // its run is told no scope before it starts
    );
  });
  afterAll(() => server.close());

  const lists = `query ($id: UUID!, $events: SyncEventFilter, $runs: SyncRunFilter) {
    user(id: $id) {
      recentSyncEvents(filter: $events) { runId }
      syncEvents(first: 50, filter: $events) { edges { node { runId } } }
      syncRuns(filter: $runs) { edges { node { runId } } }
    }
    syncRuns(filter: $runs) { edges { node { runId } } }
  }`;
  const ask = (filter: object) => server.graphql(lists, { id: userId, events: filter, runs: filter });
  const idsOf = (list: readonly { runId?: string; run_id?: string }[]) =>
    list.map(({ runId, run_id }) => runId ?? run_id).sort();
  const nodes = ({ edges }: { edges: { node: { runId: string } }[] }) => idsOf(edges.map(({ node }) => node));

  const live = ['current', 'not begun', 'unnamed'];
  test.each<[string[] | null, string[]]>([
    [['LIVE'], live],
    [['HISTORICAL'], ['history']],
    [
      ['HISTORICAL', 'LIVE'],
      ['current', 'history', 'not begun', 'unnamed'],
    ],
    [[], []],
    [null, ['current', 'history', 'not begun', 'unnamed']],
  ])('takes what names no scope for live, of events and of runs: %j', async (scopes, wanted) => {
    const { data, errors } = await ask({ scopes });
    expect(errors).toEqual([]);
    const { recentSyncEvents, syncEvents, syncRuns } = data.user;
    for (const found of [idsOf(recentSyncEvents), nodes(syncEvents), nodes(syncRuns), nodes(data.syncRuns)])
      expect(found).toEqual(wanted);
  });

  test('goes with every other part of a filter', async () => {
    const { data } = await ask({ scopes: ['LIVE'], providers: ['oura'], search: 'N' });
    expect(idsOf(data.user.recentSyncEvents)).toEqual(live);
    expect(nodes(data.syncRuns)).toEqual(live);
  });

  test('cannot ask by the word that only answers may hold', async () => {
    expect(refusals(await ask({ scopes: ['UNRECOGNIZED'] }))).toContain('BAD_USER_INPUT');
  });

  test('is a parameter of REST, where events refuse an unknown scope, and no run has one', async () => {
    const paths = [`/users/${userId}/sync/recent`, `/users/${userId}/sync/runs`, '/sync/runs'];
    const get = (path: string, scope: string) =>
      rest(`${server.url}/api/v1${path}?scope=${scope}`, { headers: server.admin });
    for (const path of paths) {
      expect(idsOf((await get(path, 'live')).body)).toEqual(live);
      expect(idsOf((await get(path, 'historical')).body)).toEqual(['history']);
      expect((await get(path, '')).body).toHaveLength(4);
    }
    const [ofEvents = '', ...ofRuns] = paths;
    expect((await get(ofEvents, 'past')).status).toBe(400);
    for (const path of ofRuns) expect((await get(path, 'past')).body).toEqual([]);
  });

  test('holds for streams as it does for lists', async () => {
    const streamed = await server.user();
    const filter = { scopes: ['LIVE'] };
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
    await Promise.all([events.next(), runs.next()]);
    await server.record({ userId: streamed, runId: 'history', scope: 'HISTORICAL', stage: 'STARTED' });
    await server.record({ userId: streamed, runId: 'unnamed', stage: 'STARTED' });
    expect((await events.next())?.data).toEqual({ syncEvents: { events: [{ runId: 'unnamed' }] } });
    expect((await runs.next())?.data).toEqual({ syncRunChanges: { run: { runId: 'unnamed' } } });
  });
});
