import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { openEventStream } from '../support/event-stream.ts';
import { refusals } from '../support/recording.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

describe('a search', () => {
  let server: TestServer;
  let userId: string;

  beforeAll(async () => {
    server = await startServer();
    userId = await server.user();
    await server.record(
      { userId, runId: 'pull_1', message: 'Fetching Sleep sessions' },
      { userId, runId: 'pull_2', message: 'Größe von Ödön', error: 'HTTP 503: 100% of _all_ failed' },
      { userId, runId: 'WEBHOOK_3', error: 'sleep data is missing' },
    );
  });
  afterAll(() => server.close());

  const ask = (search: string | null) =>
    server.graphql(
      `query ($id: UUID!, $events: SyncEventFilter, $runs: SyncRunFilter) {
        user(id: $id) {
          recentSyncEvents(filter: $events) { runId }
          syncEvents(first: 50, filter: $events) { edges { node { runId } } }
          syncRuns(filter: $runs) { edges { node { runId } } }
        }
        syncRuns(filter: $runs) { edges { node { runId } } }
      }`,
      { id: userId, events: { search }, runs: { search } },
    );
  const idsOf = (list: readonly { runId?: string; run_id?: string }[]) =>
    list.map(({ runId, run_id }) => runId ?? run_id).sort();
  const nodes = ({ edges }: { edges: { node: { runId: string } }[] }) => idsOf(edges.map(({ node }) => node));

  test.each<[string, string[]]>([
    ['sleep', ['WEBHOOK_3', 'pull_1']],
    ['SLEEP Sess', ['pull_1']],
    ['  missing ', ['WEBHOOK_3']],
    ['PULL_', ['pull_1', 'pull_2']],
    ['hook_3', ['WEBHOOK_3']],
    ['http 503', ['pull_2']],
    ['größe', ['pull_2']],
    ['VON ÖDÖN', []],
    ['von Ödön', ['pull_2']],
    ['%', ['pull_2']],
    ['_all_', ['pull_2']],
    ['p_ll', []],
    ["'", []],
    ['sessions http', []],
  ])('finds a part of a message, an error or the id of a run, in events and in runs: %j', async (search, wanted) => {
    const { data, errors } = await ask(search);
    expect(errors).toEqual([]);
    const { recentSyncEvents, syncEvents, syncRuns } = data.user;
    for (const found of [idsOf(recentSyncEvents), nodes(syncEvents), nodes(syncRuns), nodes(data.syncRuns)])
      expect(found).toEqual(wanted);
    for (const path of [`/users/${userId}/sync/recent`, `/users/${userId}/sync/runs`, '/sync/runs']) {
      const query = new URLSearchParams({ search });
      const { body } = await rest(`${server.url}/api/v1${path}?${query}`, { headers: server.admin });
      expect(idsOf(body)).toEqual(wanted);
    }
  });

  test('is none where it is null', async () => {
    const { data } = await ask(null);
    expect(data.user.recentSyncEvents).toHaveLength(3);
  });

  const { searchLength } = defaultLimits;
  test('may be as long as the limit says', async () => {
    expect((await ask('x'.repeat(searchLength))).errors).toEqual([]);
  });

  test.each([
    ['is empty', ''],
    ['is blank', ' \t'],
    ['is too long', 'x'.repeat(searchLength + 1)],
    ['holds a NUL', 'a\0'],
    ['holds half a character', '\ud800'],
  ])('is refused where it %s, for lists and for streams', async (_, search) => {
    const answer = await ask(search);
    expect(refusals(answer)).toContain('BAD_USER_INPUT');
    expect(answer.errors[0]?.extensions.argumentPath).toEqual(['filter', 'search']);
    for (const query of [
      'subscription ($userId: UUID!, $events: SyncEventFilter) { syncEvents(userId: $userId, filter: $events) { cursor } }',
      'subscription ($events: SyncRunFilter) { syncRuns(filter: $events) { runId } }',
    ]) {
      const variables = { userId, events: { search } };
      const stream = await streamTransports.sse(server.url, { query, variables, headers: server.admin });
      onTestFinished(() => stream.close());
      expect((await stream.next())?.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
  });

  test('that is too long is refused in REST, and an empty one is none', async () => {
    for (const path of [`/users/${userId}/sync/recent`, `/users/${userId}/sync/runs`, '/sync/runs']) {
      const get = (search: string) => rest(`${server.url}/api/v1${path}?search=${search}`, { headers: server.admin });
      expect((await get('x'.repeat(searchLength + 1))).status).toBe(400);
      expect((await get('')).body).toHaveLength(3);
    }
  });

  test('holds for streams of events and of runs as it does for lists', async () => {
    const streamed = await server.user();
    const events = await streamTransports.websocket(server.url, {
      query: `subscription ($userId: UUID!, $filter: SyncEventFilter) {
        syncEvents(userId: $userId, filter: $filter) { events { runId } }
      }`,
      variables: { userId: streamed, filter: { search: 'SLEEP' } },
      headers: server.admin,
    });
    onTestFinished(() => events.close());
    const runs = await streamTransports.websocket(server.url, {
      query: 'subscription ($filter: SyncRunFilter) { syncRunChanges(filter: $filter) { run { runId } } }',
      variables: { filter: { userId: streamed, search: 'SLEEP' } },
      headers: server.admin,
    });
    onTestFinished(() => runs.close());
    const path = `/api/v1/users/${streamed}/sync/stream?replay=0&search=SLEEP`;
    const ofRest = await openEventStream(server.url + path, server.admin);
    onTestFinished(() => ofRest.close());
    await Promise.all([events.next(), runs.next()]);
    await server.record({ userId: streamed, runId: 'one', message: 'Steps' });
    await server.record({ userId: streamed, runId: 'two', error: 'No sleep' });
    expect((await events.next())?.data).toEqual({ syncEvents: { events: [{ runId: 'two' }] } });
    expect((await ofRest.event()).data).toMatchObject({ run_id: 'two' });
    expect((await runs.next())?.data).toEqual({ syncRunChanges: { run: { runId: 'two' } } });
  });
});
