import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusals } from '../support/recording.ts';
import { eventOf, type ReferenceEvent, type ReferenceFilter, ReferenceLog } from '../support/reference-log.ts';
import { startServer, type TestServer } from '../support/server.ts';

describe('recentSyncEvents', () => {
  let server: TestServer;
  let userId: string;
  const model = new ReferenceLog();

  beforeAll(async () => {
    server = await startServer();
    userId = await server.user();
    const rotate = <T>(list: readonly T[], n: number) => list[n % list.length] as T;
    await model.record(
      server,
      Array.from({ length: 230 }, (_, n) =>
        eventOf(userId, {
          runId: rotate(['run_1', 'run_2', 'run_3'], n),
          provider: rotate(['oura', 'garmin'], n),
          source: rotate(['PULL', 'WEBHOOK', 'SDK', 'BACKFILL', 'XML_IMPORT', 'LINKED_ACCOUNT'], n),
          stage: rotate(['QUEUED', 'STARTED', 'FETCHING', 'PROCESSING', 'SAVING'], n),
          status: rotate(['IN_PROGRESS', 'UNFINISHED', 'STALE'], Math.floor(n / 2)),
        }),
      ),
    );
  });
  afterAll(() => server.close());

  const ask = (variables: { limit?: number; filter?: object }) =>
    server.graphql(
      `query ($id: UUID!, $limit: Int! = 50, $filter: SyncEventFilter) {
        user(id: $id) { recentSyncEvents(limit: $limit, filter: $filter) { sequence } }
      }`,
      { id: userId, ...variables },
    );
  const sequences = async (variables: { limit?: number; filter?: object }) =>
    (await ask(variables)).data.user.recentSyncEvents.map((event: ReferenceEvent) => event.sequence);
  const newest = (limit: number, filter: ReferenceFilter = {}) =>
    model
      .log(userId, filter)
      .map((event) => event.sequence)
      .reverse()
      .slice(0, limit);

  test('are the newest events, newest first', async () => {
    expect(await sequences({ limit: 3 })).toEqual([230, 229, 228]);
  });

  test('are 50 where the query does not say how many', async () => {
    const { data } = await server.graphql(`{ user(id: "${userId}") { recentSyncEvents { sequence } } }`);
    expect(data.user.recentSyncEvents).toHaveLength(50);
    expect(data.user.recentSyncEvents[0]).toEqual({ sequence: 230 });
  });

  test('are at least 1 and at most 200', async () => {
    expect(await sequences({ limit: 1 })).toEqual([230]);
    expect(await sequences({ limit: 200 })).toEqual(newest(200));
    for (const limit of [0, 201, -1, 2_147_483_647]) {
      const answer = await ask({ limit });
      expect(refusals(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors[0]?.extensions.argumentPath).toEqual(['limit']);
    }
  });

  test('are none in an empty log', async () => {
    const { data } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { headCursor recentSyncEvents(limit: 200) { id } } }',
      { id: await server.user() },
    );
    expect(data.user).toEqual({ headCursor: '0', recentSyncEvents: [] });
  });

  test.each<ReferenceFilter>([
    { providers: ['garmin'] },
    { providers: ['garmin', 'oura'] },
    { sources: ['SDK', 'XML_IMPORT'] },
    { stages: ['QUEUED'] },
    { statuses: ['STALE', 'UNFINISHED'] },
    { runId: 'run_2' },
    { providers: ['garmin'], sources: ['WEBHOOK'], stages: ['STARTED'], statuses: ['IN_PROGRESS'], runId: 'run_2' },
    { providers: ['nobody'] },
    { runId: 'nothing' },
    {},
  ])('are those that match every part of the filter: %j', async (filter) => {
    expect(await sequences({ limit: 20, filter })).toEqual(newest(20, filter));
  });

  test('are none with an empty list in the filter, and all with null in its place', async () => {
    for (const part of ['providers', 'sources', 'stages', 'statuses']) {
      expect(await sequences({ filter: { [part]: [] } })).toEqual([]);
      expect(await sequences({ limit: 5, filter: { [part]: null } })).toEqual(newest(5));
    }
    expect(await sequences({ limit: 5, filter: { runId: null } })).toEqual(newest(5));
  });

  test('cannot be asked for by the word that only answers may hold', async () => {
    for (const part of ['sources', 'stages', 'statuses']) {
      const answer = await ask({ filter: { [part]: ['UNRECOGNIZED'] } });
      expect(refusals(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors[0]?.extensions.argumentPath).toEqual(['filter', part]);
    }
  });

  test('are filtered by at most 50 entries of a list', async () => {
    const entries = Array.from({ length: 50 }, (_, n) => `provider_${n}`);
    expect(await sequences({ filter: { providers: entries } })).toEqual([]);
    expect(refusals(await ask({ filter: { providers: [...entries, 'one more'] } }))).toEqual(['BAD_USER_INPUT']);
  });
});
