import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { EVENTS_PER_STATEMENT } from '../../src/log/log-reads.ts';
import { provider } from '../support/database.ts';
import { expectIndexesInPostgres, expectIndexesInSqlite } from '../support/query-plans.ts';
import { second } from '../support/recording.ts';
import { startServer, type TestServer } from '../support/server.ts';

describe('what queries cost', () => {
  let server: TestServer;
  let statements: StatementReport[] = [];
  const userIds: string[] = [];

  beforeAll(async () => {
    const limits = { operationItems: { user: 2_000, service: 50_000 }, slowPollMs: 100 }; // who follows runs looks after them
    server = await startServer({ onStatement: (report) => statements.push(report), limits });
    const { users, log } = server.app.services;
    for (let user = 0; user < 100; user++) {
      const { id } = await users.upsert({ firstName: `User ${user}` });
      userIds.push(id);
      await log.record(
        Array.from({ length: 220 }, (_, n) => ({
          ...{ userId: id, runId: `run_${n % 30}`, provider: n % 2 ? 'oura' : 'garmin', source: 'pull' },
          ...{ stage: 'fetching', status: 'in_progress', timestamp: new Date(second(n)) },
        })),
      );
    }
  });
  afterAll(() => server.close());
  beforeEach(() => {
    statements = [];
  });

  /** How many statements beyond one read so many events of each user: others are served between them. */
  function piecesBeyond(users: number, events: number): number {
    return events === 0 ? 0 : Math.ceil(users / Math.ceil(EVENTS_PER_STATEMENT / events)) - 1;
  }

  /** What a query of the first `users` users costs: how many statements, and how many rows they returned. */
  async function costOf(fields: string, users: number) {
    statements = [];
    const { data, errors } = await server.graphql(`{ users(first: ${users}) { edges { node { ${fields} } } } }`);
    expect(errors).toEqual([]);
    expect(data.users.edges).toHaveLength(users);
    const returned = JSON.stringify(data).split('"sequence"').length + JSON.stringify(data).split('"runId"').length - 2;
    return {
      statements: statements.length,
      rows: statements.reduce((sum, { rows }) => sum + rows, 0),
      returned: returned + users,
    };
  }

  /**
   * `events` of each user that are read by their numbers. `perUser`: rows that show whether there are more, or that are read to be joined. `further`: statements beyond these
   * where events of a hundred users are looked for by their words, of which one statement sees ten thousand; one finds the kinds of 19 users.
   */
  for (const example of [
    { fields: 'recentSyncEvents(limit: 200) { sequence }', statements: 3, perUser: 0, events: 200 },
    {
      fields: 'recentSyncEvents(limit: 200, filter: { providers: ["oura"] }) { sequence }',
      statements: 3,
      perUser: 2,
      further: 8,
    },
    { fields: 'recentSyncEvents(limit: 9, filter: { runId: "run_3" }) { sequence }', statements: 3, perUser: 0 },
    {
      fields: 'recentSyncEvents(limit: 9, filter: { statuses: [SUCCESS] }) { sequence }',
      statements: 3,
      perUser: 2,
      further: 6,
    },
    {
      fields: 'syncEvents(first: 40) { edges { node { sequence } } pageInfo { hasNextPage } }',
      statements: 3,
      perUser: 1,
      events: 41,
    },
    {
      fields: 'syncEvents(last: 40, before: "200") { edges { node { sequence } } }',
      statements: 3,
      perUser: 1,
      events: 41,
    },
    {
      fields: 'syncEvents(first: 9, filter: { stages: [FETCHING] }) { edges { node { sequence } } }',
      statements: 3,
      perUser: 1,
    },
    {
      fields: 'a: recentSyncEvents(limit: 3) { sequence } b: syncEvents(last: 3) { edges { node { sequence } } }',
      statements: 3,
      perUser: 1,
      events: 7,
    },
    {
      fields: 'recentSyncEvents(limit: 200) { sequence run { eventCount } }',
      statements: 4,
      perUser: 30,
      events: 200,
    },
    { fields: 'recentSyncEvents(limit: 20) { sequence user { firstName } }', statements: 4, perUser: 1, events: 20 },
    { fields: 'syncRuns(first: 5) { edges { node { runId } } pageInfo { hasNextPage } }', statements: 3, perUser: 1 },
    {
      fields: 'syncRuns(last: 5, filter: { providers: ["oura"] }) { edges { node { runId } } }',
      statements: 4,
      perUser: 1,
    },
    { fields: 'syncRun(runId: "run_7") { runId eventCount }', statements: 3, perUser: 0 },
    {
      fields: 'syncRun(runId: "run_7") { runId events(first: 3) { edges { node { sequence } } } }',
      statements: 5,
      perUser: 2,
    },
    {
      fields: 'recentSyncEvents(limit: 9, filter: { recordedSince: "2020-01-01T00:00:00Z" }) { sequence }',
      statements: 4,
      perUser: 1,
      events: 9,
    },
    {
      fields: `recentSyncEvents(limit: 9, filter: {
        recordedSince: "2020-01-01T00:00:00Z", recordedUntil: "2020-01-01T00:00:00Z"
      }) { sequence }`,
      statements: 3,
      perUser: 2,
    },
    {
      fields: 'recentSyncEvents(limit: 9, filter: { since: "2020-01-01T00:00:00Z" }) { sequence }',
      statements: 4,
      perUser: 1,
    },
    {
      fields: 'syncRuns(first: 5, filter: { since: "2020-01-01T00:00:00Z" }) { edges { node { runId } } }',
      statements: 3,
      perUser: 1,
    },
    {
      fields: 'syncRuns(first: 5, filter: { recordedSince: "2020-01-01T00:00:00Z" }) { edges { node { runId } } }',
      statements: 4,
      perUser: 2,
    },
    { fields: 'headCursor', statements: 2, perUser: 0 },
    {
      fields: 'syncRuns(first: 5, filter: { health: [STALLED, ENDED] }) { edges { node { runId health } } }',
      statements: 4,
      perUser: 1,
    },
    { fields: 'connections { provider lastSuccessAt consecutiveFailures }', statements: 3, perUser: 2 },
    { fields: 'connections { provider health currentRun { runId } lastRun { runId } }', statements: 5, perUser: 4 },
  ])
    test(`${example.statements} statements for 1, 10 and 100 users: ${example.fields}`, async () => {
      for (const users of [1, 10, 100]) {
        const { statements, rows, returned } = await costOf(example.fields, users);
        const further = (users === 100 ? (example.further ?? 0) : 0) + piecesBeyond(users, example.events ?? 0);
        expect({ users, statements }).toEqual({ users, statements: example.statements + further });
        // One row finds the API key, one more user shows whether there are more.
        expect(rows).toBeLessThanOrEqual(returned + users * example.perUser + 2);
      }
    });

  test('the run of each of twenty thousand events is one statement beside those that read them', async () => {
    const { statements, returned } = await costOf('recentSyncEvents(limit: 200) { sequence run { status } }', 100);
    expect({ statements, returned }).toEqual({ statements: 4 + piecesBeyond(100, 200), returned: 100 * 200 + 100 });
  });

  test('the pages of a hundred runs are one statement', async () => {
    const fields = 'syncRuns(first: 20) { edges { node { runId events(first: 1) { edges { node { sequence } } } } } }';
    expect((await costOf(fields, 5)).statements).toBe(5);
    expect((await costOf(fields, 10)).statements).toBe(6);
  });

  test.each([
    // A run of any status may have been finished by its stage.
    ['statuses: [IN_PROGRESS, STALE]', ['finished = true', 'NOT IN', 'finished = false', 'NOT IN']],
    ['statuses: [SUCCESS, FAILED]', ['IN']],
    ['statuses: [SUCCESS, STALE]', ['IN', 'finished = true', 'NOT IN', 'finished = false', 'NOT IN']],
    ['health: [ENDED]', ['finished = true']],
    ['health: [ACTIVE]', ['finished = false']],
    ['health: [ACTIVE], providers: ["oura"]', ['finished = false', 'NOT IN']],
    ['health: [ACTIVE], statuses: [SUCCESS]', []],
    ['health: []', []],
  ])('runs that cannot be in a list are not looked through: %s', async (filter, parts) => {
    expect((await server.graphql(`{ syncRuns(filter: { ${filter} }) { edges { cursor } } }`)).errors).toEqual([]);
    const sql = statements.at(-1)?.sql ?? '';
    const found = sql.matchAll(
      /finished = (true|false)|lower\(replace\(k\.status, .I., .i.\)\) ((NOT )?IN)(?= \([^)]+\) AND)/g,
    );
    expect(Array.from(found, ([part, , sign]) => sign ?? part)).toEqual(parts);
  });

  test('every read of the log and of runs goes along an index', async () => {
    const log = 'cursor node { sequence run { runId } user { id } }';
    await server.graphql(`{
      users(first: 3, search: "User") { edges { cursor node {
        recentSyncEvents(limit: 5) { id }
        syncEvents(first: 5, after: "7") { edges { ${log} } }
        newest: syncEvents(last: 5, before: "70", filter: { providers: ["oura"], stages: [FETCHING] }) { edges { ${log} } }
        ofRun: recentSyncEvents(filter: { runId: "run_1", statuses: [STALE] }) { id }
        timed: recentSyncEvents(filter: { since: "2026-01-01T00:00:00Z", recordedSince: "2026-01-01T00:00:00Z" }) { id }
        timedRuns: syncRuns(first: 2, filter: { recordedSince: "2026-01-01T00:00:00Z" }) { edges { cursor } }
        syncRuns(first: 2) { edges { cursor node { runId events(last: 2) { edges { ${log} } } } } }
        last: syncRuns(last: 2, filter: { sources: [PULL] }) { edges { cursor } }
      } } }
    }`);
    const page = async (query: string) => {
      const { data, errors } = await server.graphql(query);
      expect(errors).toEqual([]);
      return data.page;
    };
    const cursor = async (query: string) => (await page(query)).pageInfo.endCursor;
    const { edges, pageInfo } = await page(
      '{ page: syncRuns(first: 3) { edges { node { userId } } pageInfo { endCursor } } }',
    );
    const runs = pageInfo.endCursor;
    await cursor(`{ page: syncRuns(first: 3, after: "${runs}") { pageInfo { endCursor } } }`);
    await cursor(`{ page: syncRuns(last: 3, before: "${runs}") { pageInfo { endCursor } } }`);
    const another = userIds.find((id) => id !== edges.at(-1).node.userId); // a cursor of her own is compared with another column
    await server.graphql(`{ user(id: "${another}") { syncRuns(first: 2, after: "${runs}") { edges { cursor } } } }`);
    for (const health of ['[ACTIVE]', '[QUIET]', '[STALLED]', '[ENDED]', '[ACTIVE, STALLED]', '[QUIET, ENDED]']) {
      await cursor(`{ page: syncRuns(first: 3, filter: { health: ${health} }) { pageInfo { endCursor } } }`);
      await cursor(`{ page: syncRuns(first: 3, after: "${runs}", filter: { health: ${health}, providers: ["oura"] }) {
        pageInfo { endCursor }
      } }`);
    }
    await cursor('{ page: syncRuns(filter: { since: "2026-01-01T00:00:00Z" }) { pageInfo { endCursor } } }');
    await cursor('{ page: syncRuns(filter: { recordedSince: "2026-01-01T00:00:00Z" }) { pageInfo { endCursor } } }');
    await server.graphql(
      '{ users(first: 3) { edges { node { connections { provider health lastRun { runId } } } } } }',
    );
    const users = await cursor('{ page: users(first: 3) { pageInfo { endCursor } } }');
    await cursor(`{ page: users(first: 3, after: "${users}") { pageInfo { endCursor } } }`);
    await cursor(`{ page: users(last: 3, before: "${users}") { pageInfo { endCursor } } }`);

    const stop = new AbortController();
    const watching = server.app.services.runChanges.follow({ wants: () => true }, stop.signal).next();
    await expect.poll(() => statements.some(({ sql }) => sql.includes('change >='))).toBe(true);
    stop.abort();
    await watching;

    const seen = new Set(statements.map(({ sql }) => sql));
    if (provider === 'sqlite') await expectIndexesInSqlite(server.app.services.database, seen);
    else await expectIndexesInPostgres(server.databaseUrl, seen);
  });
});
