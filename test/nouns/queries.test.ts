import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { provider } from '../support/database.ts';
import { expectIndexesInPostgres, expectIndexesInSqlite } from '../support/query-plans.ts';
import { LogModel, type ModelEvent, type ModelFilter } from '../support/reference-log.ts';
import { type Answer, startServer, type TestServer } from '../support/server.ts';

const pageInfo = 'pageInfo { hasPreviousPage hasNextPage startCursor endCursor }';
const pageArguments = '$first: Int, $after: String, $last: Int, $before: String';
const passArguments = 'first: $first, after: $after, last: $last, before: $before';

const codes = ({ errors }: Answer) => errors.map(({ extensions }) => extensions.code);
const second = (n: number) => new Date(Date.UTC(2026, 2, 14) + n * 1000).toISOString();

/** An event of the model's words, with what is special about it. */
function eventOf(userId: string, special: Partial<ModelEvent> = {}): Omit<ModelEvent, 'sequence'> {
  const usual = { runId: 'run_1', provider: 'oura', source: 'PULL', stage: 'FETCHING', status: 'IN_PROGRESS' };
  return { userId, ...usual, timestamp: second(0), ...special };
}

describe('recentSyncEvents', () => {
  let server: TestServer;
  let userId: string;
  const model = new LogModel();

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
    (await ask(variables)).data.user.recentSyncEvents.map((event: ModelEvent) => event.sequence);
  const newest = (limit: number, filter: ModelFilter = {}) =>
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
      expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
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

  test.each<ModelFilter>([
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
      expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors[0]?.extensions.argumentPath).toEqual(['filter', part]);
    }
  });

  test('are filtered by at most 50 entries of a list', async () => {
    const entries = Array.from({ length: 50 }, (_, n) => `provider_${n}`);
    expect(await sequences({ filter: { providers: entries } })).toEqual([]);
    expect(codes(await ask({ filter: { providers: [...entries, 'one more'] } }))).toEqual(['BAD_USER_INPUT']);
  });
});

/** A Relay connection as a test pages through it. */
interface List {
  readonly fetch: (page: object) => Promise<Page>;
  /** What is in it, in order. */
  readonly items: readonly string[];
}

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: Record<string, unknown> }[];
  readonly pageInfo: {
    readonly hasPreviousPage: boolean;
    readonly hasNextPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

describe('connections', () => {
  let server: TestServer;
  let userIds: string[];
  const model = new LogModel();
  /** Where bytes and UTF-16 code units sort differently, and where a separator could be mistaken for text. */
  const runIds = ['run_1', 'run_10', 'RUN', 'rün', '\u{1f3c3}', '\uff21', ' ', '","', "'); --"];

  beforeAll(async () => {
    // A clock that stands makes all users equally old, so that only their ids tell them apart.
    server = await startServer({ clock: () => Date.UTC(2026, 2, 14) });
    userIds = [];
    for (let n = 0; n < 23; n++) userIds.push(await server.user({ firstName: n % 3 ? 'Ada' : 'Bob' }));
    const random = fc.sample(
      fc.record({
        userId: fc.constantFrom(...userIds.slice(0, 4)),
        runId: fc.constantFrom(...runIds),
        provider: fc.constantFrom('oura', 'garmin', 'polar'),
        source: fc.constantFrom('PULL', 'WEBHOOK'),
        stage: fc.constantFrom('QUEUED', 'FETCHING', 'COMPLETED'),
        status: fc.constantFrom('IN_PROGRESS', 'IN_PROGRESS', 'IN_PROGRESS', 'STALE', 'SUCCESS'),
        timestamp: fc.integer({ min: 0, max: 3 }).map(second),
      }),
      { numRuns: 240, seed: 14 },
    );
    await model.record(server, random);
  });
  afterAll(() => server.close());

  const words = (...all: string[]) => fc.option(fc.subarray(all), { nil: undefined });
  const runFilters = fc.record({
    providers: words('oura', 'garmin', 'polar', 'nobody'),
    sources: words('PULL', 'WEBHOOK'),
    statuses: words('IN_PROGRESS', 'STALE', 'SUCCESS'),
  });
  const eventFilters = fc.record({
    ...{ providers: words('oura', 'garmin', 'polar', 'nobody'), sources: words('PULL', 'WEBHOOK') },
    ...{ stages: words('QUEUED', 'FETCHING', 'COMPLETED'), statuses: words('IN_PROGRESS', 'STALE', 'SUCCESS') },
    runId: fc.option(fc.constantFrom(...runIds), { nil: undefined }),
  });
  const someUser = fc.integer({ min: 0, max: 4 });
  /** Open filters as often as any other, as they are read in another way. */
  const orOpen = <T extends object>(filters: fc.Arbitrary<T>) => fc.oneof(fc.constant({} as Partial<T>), filters);

  async function page(query: string, variables: object, find: (data: Answer['data']) => Page): Promise<Page> {
    const { data, errors } = await server.graphql(query, variables);
    expect(errors).toEqual([]);
    return find(data);
  }

  function users(search: string | undefined): List {
    const query = `query (${pageArguments}, $search: String) {
      users(${passArguments}, search: $search) { edges { cursor node { key: id } } ${pageInfo} }
    }`;
    return {
      items: userIds.filter((_, n) => !search || (n % 3 ? 'Ada' : 'Bob') === search).sort((a, b) => (a < b ? 1 : -1)),
      fetch: (args) => page(query, { search, ...args }, (data) => data.users),
    };
  }

  const runKey = ({ userId, runId }: ModelEvent) => `${userId} ${runId}`;
  const runEdges = `edges { cursor node { runId user { id } } } ${pageInfo}`;
  const withRunKeys = ({ edges, ...rest }: Page): Page => ({
    ...rest,
    edges: edges.map(({ cursor, node }) => ({
      cursor,
      node: { key: `${(node.user as { id: string }).id} ${node.runId}` },
    })),
  });

  function allRuns(filter: ModelFilter): List {
    const query = `query (${pageArguments}, $filter: SyncRunFilter) {
      syncRuns(${passArguments}, filter: $filter) { ${runEdges} }
    }`;
    return {
      items: model.runs(filter).map(runKey),
      fetch: (args) => page(query, { filter, ...args }, (data) => withRunKeys(data.syncRuns)),
    };
  }

  function runsOfUser(user: number, filter: ModelFilter): List {
    const id = userIds[user] as string;
    const query = `query ($id: UUID!, ${pageArguments}, $filter: SyncRunFilter) {
      user(id: $id) { syncRuns(${passArguments}, filter: $filter) { ${runEdges} } }
    }`;
    return {
      items: model.runs(filter, id).map(runKey),
      fetch: (args) => page(query, { id, filter, ...args }, (data) => withRunKeys(data.user.syncRuns)),
    };
  }

  function events(user: number, filter: ModelFilter): List {
    const id = userIds[user] as string;
    const query = `query ($id: UUID!, ${pageArguments}, $filter: SyncEventFilter) {
      user(id: $id) { syncEvents(${passArguments}, filter: $filter) { edges { cursor node { key: cursor } } ${pageInfo} } }
    }`;
    return {
      items: model.log(id, filter).map(({ sequence }) => String(sequence)),
      fetch: (args) => page(query, { id, filter, ...args }, (data) => data.user.syncEvents),
    };
  }

  function eventsOfRun(run: number): List {
    const { userId, runId } = model.runs({})[run] as ModelEvent;
    const query = `query ($id: UUID!, $runId: ID!, ${pageArguments}) {
      user(id: $id) { syncRun(runId: $runId) { events(${passArguments}) { edges { cursor node { key: cursor } } ${pageInfo} } } }
    }`;
    return {
      items: model.log(userId, { runId }).map(({ sequence }) => String(sequence)),
      fetch: (args) => page(query, { id: userId, runId, ...args }, (data) => data.user.syncRun.events),
    };
  }

  const lists = () =>
    fc.oneof(
      fc.constantFrom(undefined, 'Ada', 'Bob', 'nobody').map(users),
      orOpen(runFilters).map(allRuns),
      fc.tuple(someUser, orOpen(runFilters)).map(([user, filter]) => runsOfUser(user, filter)),
      fc.tuple(someUser, orOpen(eventFilters)).map(([user, filter]) => events(user, filter)),
      fc.integer({ min: 0, max: model.runs({}).length - 1 }).map(eventsOfRun),
    );

  const keysOf = ({ edges }: Page) => edges.map(({ node }) => node.key as string);

  test('forwards and backwards, pages of any size visit everything once and in order', async () => {
    await fc.assert(
      fc.asyncProperty(lists(), fc.integer({ min: 1, max: 40 }), fc.boolean(), async (list, size, backwards) => {
        let visited: string[] = [];
        let cursor: string | null = null;
        for (let count = 0; ; count++) {
          const found: Page = await list.fetch(
            backwards ? { last: size, before: cursor } : { first: size, after: cursor },
          );
          const { hasNextPage, hasPreviousPage, startCursor, endCursor } = found.pageInfo;
          visited = backwards ? [...keysOf(found), ...visited] : [...visited, ...keysOf(found)];
          expect([startCursor, endCursor]).toEqual([
            found.edges[0]?.cursor ?? null,
            found.edges.at(-1)?.cursor ?? null,
          ]);
          const [more, whereItCameFrom] = backwards ? [hasPreviousPage, hasNextPage] : [hasNextPage, hasPreviousPage];
          expect(whereItCameFrom).toBe(count > 0);
          expect(more).toBe(visited.length < list.items.length);
          if (!more) break;
          expect(found.edges).toHaveLength(size);
          cursor = backwards ? startCursor : endCursor;
        }
        expect(visited).toEqual(list.items);
      }),
      { numRuns: 80 },
    );
  });

  test('between any two cursors a page is what stands between them', async () => {
    await fc.assert(
      fc.asyncProperty(
        lists(),
        fc.record({ from: fc.nat(60), to: fc.nat(60), size: fc.integer({ min: 1, max: 9 }), backwards: fc.boolean() }),
        async (list, { from, to, size, backwards }) => {
          const { edges } = await list.fetch({ first: 100 });
          const [after, before] = [edges[from]?.cursor, edges[to]?.cursor];
          const found = await list.fetch({ after, before, ...(backwards ? { last: size } : { first: size }) });
          const between = list.items.slice(after ? from + 1 : 0, before ? to : undefined);
          expect(keysOf(found)).toEqual(backwards ? between.slice(-size) : between.slice(0, size));
          expect(backwards ? found.pageInfo.hasPreviousPage : found.pageInfo.hasNextPage).toBe(between.length > size);
        },
      ),
      { numRuns: 80 },
    );
  });

  test('have 50 items where the query does not say how many', async () => {
    const { edges, pageInfo } = await events(0, {}).fetch({});
    expect(edges).toHaveLength(Math.min(50, model.head(userIds[0] as string)));
    expect(pageInfo.hasPreviousPage).toBe(false);
  });

  test('say that nothing stands before the beginning of a log', async () => {
    const { edges, pageInfo } = await events(0, {}).fetch({ first: 1, after: '0' });
    expect(edges[0]?.cursor).toBe('1');
    expect(pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: true });
  });

  test('neither skip nor repeat an item when others come while they are read', async () => {
    const list = users(undefined);
    const first = await list.fetch({ first: 10 });
    const newcomer = await server.app.services.users.upsert({ id: 'ffffffff-ffff-4fff-bfff-ffffffffffff' });
    const rest = await list.fetch({ first: 100, after: first.pageInfo.endCursor });
    expect([...keysOf(first), ...keysOf(rest)]).toEqual(list.items);
    await server.app.services.users.delete(newcomer.id);
  });

  describe('refuse', () => {
    const ofUser = (field: string, args: object) => {
      const [given] = [Object.entries(args).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)];
      return server.graphql(`{ user(id: "${userIds[0]}") { ${field}(${given}) { edges { cursor } } } }`);
    };
    const ofAll = (field: string, args: object) => {
      const given = Object.entries(args).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
      return server.graphql(`{ ${field}(${given}) { edges { cursor } } }`);
    };
    const refusal = (answer: Answer) => ({
      code: codes(answer)[0],
      argumentPath: answer.errors[0]?.extensions.argumentPath,
    });

    test.each([
      ['users', 100],
      ['syncRuns', 200],
    ])('a page of %s with less than 1 or more than %i items', async (field, max) => {
      for (const name of ['first', 'last']) {
        for (const size of [0, -1, max + 1])
          expect(refusal(await ofAll(field, { [name]: size }))).toEqual({
            code: 'BAD_USER_INPUT',
            argumentPath: [name],
          });
        expect((await ofAll(field, { [name]: max })).errors).toEqual([]);
      }
    });

    test.each(['syncEvents', 'syncRuns'])(
      "a page of a user's %s with less than 1 or more than 200 items",
      async (field) => {
        for (const name of ['first', 'last']) {
          for (const size of [0, -1, 201])
            expect(refusal(await ofUser(field, { [name]: size }))).toEqual({
              code: 'BAD_USER_INPUT',
              argumentPath: [name],
            });
          expect((await ofUser(field, { [name]: 200 })).errors).toEqual([]);
        }
      },
    );

    test('first and last together', async () => {
      for (const answer of [
        await ofAll('users', { first: 1, last: 1 }),
        await ofAll('syncRuns', { first: 1, last: 1 }),
        await ofUser('syncRuns', { first: 1, last: 1 }),
        await ofUser('syncEvents', { first: 1, last: 1 }),
      ])
        expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
    });

    test('texts that are no cursors, and the cursors of other lists', async () => {
      const base64 = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');
      const garbage = [
        '',
        ' ',
        'x',
        'null',
        '[]',
        '\0',
        '%',
        '-1',
        '01',
        '1.0',
        '1e1',
        '+1',
        '２',
        base64(null),
        base64([]),
      ];
      const user = (await users(undefined).fetch({ first: 1 })).edges[0]?.cursor;
      const run = (await allRuns({}).fetch({ first: 1 })).edges[0]?.cursor;
      const broken = [base64([1.5, 'x']), base64([9e15, 'x', 'y']), base64(['1', 'x']), base64([null, null, null])];
      const foreign = { users: [run, '1'], syncRuns: [user, '1'], syncEvents: [user, run] };
      for (const name of ['after', 'before'] as const) {
        const expected = { code: 'BAD_USER_INPUT', argumentPath: [name] };
        for (const field of ['users', 'syncRuns'] as const)
          for (const cursor of [...garbage, ...broken, ...foreign[field]])
            expect({ cursor, ...refusal(await ofAll(field, { [name]: cursor })) }).toEqual({ cursor, ...expected });
        for (const field of ['syncRuns', 'syncEvents'] as const)
          for (const cursor of [...garbage, ...broken, ...foreign[field]])
            expect({ cursor, ...refusal(await ofUser(field, { [name]: cursor })) }).toEqual({ cursor, ...expected });
      }
    });

    test('a place in a log that it has not reached', async () => {
      const head = model.head(userIds[0] as string);
      for (const name of ['after', 'before'])
        for (const sequence of [head + 1, 2_147_483_647, 2_147_483_648, 99_999_999_999])
          expect(refusal(await ofUser('syncEvents', { [name]: String(sequence) }))).toEqual({
            code: 'BAD_USER_INPUT',
            argumentPath: [name],
          });
      expect((await ofUser('syncEvents', { after: String(head) })).data.user.syncEvents.edges).toEqual([]);
    });
  });
});

describe('a log that lost its oldest events', () => {
  let server: TestServer;
  let userId: string;

  beforeAll(async () => {
    server = await startServer();
    userId = await server.user();
    await server.record(...Array.from({ length: 10 }, () => ({ userId })));
    await server.app.services.database.transaction(async (transaction) => {
      await transaction.user.update({ where: { id: userId }, data: { tailSequence: 5 } });
      await transaction.syncEvent.deleteMany({ where: { userId, sequence: { lt: 5 } } });
    });
  });
  afterAll(() => server.close());

  const events = async (args: string) => {
    const query = `{ user(id: "${userId}") { syncEvents(${args}) { edges { cursor } ${pageInfo} } } }`;
    const { data, errors } = await server.graphql(query);
    return { ...data.user?.syncEvents, errors };
  };

  test('refuses a page that would begin behind the gap, and names where to begin', async () => {
    for (const cursor of ['0', '1', '3']) {
      const { errors } = await events(`first: 3, after: "${cursor}"`);
      expect(errors).toMatchObject([
        {
          extensions: { code: 'BAD_USER_INPUT', reason: 'CURSOR_EXPIRED', oldestCursor: '5', argumentPath: ['after'] },
        },
      ]);
    }
  });

  test('gives the page behind the last cursor before the gap', async () => {
    const { edges, pageInfo } = await events('first: 2, after: "4"');
    expect(edges).toEqual([{ cursor: '5' }, { cursor: '6' }]);
    expect(pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: true });
  });

  test('ends with the oldest event that is kept when it is read backwards', async () => {
    const { edges, pageInfo } = await events('last: 4, before: "7"');
    expect(edges).toEqual([{ cursor: '5' }, { cursor: '6' }]);
    expect(pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: true });
    expect((await events('last: 4, before: "3"')).edges).toEqual([]);
  });

  test('shows what is kept without a cursor', async () => {
    const { data } = await server.graphql(`{ user(id: "${userId}") {
      headCursor recentSyncEvents(limit: 200) { sequence } syncEvents(first: 1) { edges { cursor } }
    } }`);
    expect(data.user.headCursor).toBe('10');
    expect(data.user.recentSyncEvents.map((event: ModelEvent) => event.sequence)).toEqual([10, 9, 8, 7, 6, 5]);
    expect(data.user.syncEvents.edges).toEqual([{ cursor: '5' }]);
  });
});

describe('what queries cost', () => {
  let server: TestServer;
  let statements: StatementReport[] = [];
  let userId: string;

  beforeAll(async () => {
    server = await startServer({ onStatement: (report) => statements.push(report) });
    const { users, log } = server.app.services;
    for (let user = 0; user < 100; user++) {
      const { id } = await users.upsert({ firstName: `User ${user}` });
      userId = id;
      await log.record(
        Array.from({ length: 220 }, (_, n) => ({
          ...{ userId: id, runId: `run_${n % 30}`, provider: n % 2 ? 'oura' : 'garmin', source: 'pull' },
          ...{ stage: 'fetching', status: 'in_progress', timestamp: new Date(second(n)) },
        })),
      );
    }
  }, 120_000);
  afterAll(() => server.close());
  beforeEach(() => {
    statements = [];
  });

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

  /** `perUser`: rows that show whether there are more, or that are read to be joined. */
  for (const example of [
    { fields: 'recentSyncEvents(limit: 200) { sequence }', statements: 3, perUser: 0 },
    { fields: 'recentSyncEvents(limit: 200, filter: { providers: ["oura"] }) { sequence }', statements: 3, perUser: 0 },
    { fields: 'recentSyncEvents(limit: 9, filter: { runId: "run_3" }) { sequence }', statements: 3, perUser: 0 },
    { fields: 'recentSyncEvents(limit: 9, filter: { statuses: [SUCCESS] }) { sequence }', statements: 3, perUser: 0 },
    {
      fields: 'syncEvents(first: 40) { edges { node { sequence } } pageInfo { hasNextPage } }',
      statements: 3,
      perUser: 1,
    },
    { fields: 'syncEvents(last: 40, before: "200") { edges { node { sequence } } }', statements: 3, perUser: 1 },
    {
      fields: 'syncEvents(first: 9, filter: { stages: [FETCHING] }) { edges { node { sequence } } }',
      statements: 3,
      perUser: 1,
    },
    {
      fields: 'a: recentSyncEvents(limit: 3) { sequence } b: syncEvents(last: 3) { edges { node { sequence } } }',
      statements: 3,
      perUser: 1,
    },
    { fields: 'recentSyncEvents(limit: 200) { sequence run { eventCount } }', statements: 4, perUser: 30 },
    { fields: 'recentSyncEvents(limit: 20) { sequence user { firstName } }', statements: 4, perUser: 1 },
    { fields: 'syncRuns(first: 5) { edges { node { runId } } pageInfo { hasNextPage } }', statements: 3, perUser: 1 },
    {
      fields: 'syncRuns(last: 5, filter: { providers: ["oura"] }) { edges { node { runId } } }',
      statements: 3,
      perUser: 1,
    },
    { fields: 'syncRun(runId: "run_7") { runId eventCount }', statements: 3, perUser: 0 },
    {
      fields: 'syncRun(runId: "run_7") { runId events(first: 3) { edges { node { sequence } } } }',
      statements: 5,
      perUser: 2,
    },
    { fields: 'headCursor', statements: 2, perUser: 0 },
    {
      fields: 'syncRuns(first: 5, filter: { health: [STALLED, ENDED] }) { edges { node { runId health } } }',
      statements: 3,
      perUser: 1,
    },
    { fields: 'connections { provider lastSuccessAt consecutiveFailures }', statements: 3, perUser: 2 },
    { fields: 'connections { provider health currentRun { runId } lastRun { runId } }', statements: 5, perUser: 4 },
  ])
    test(`${example.statements} statements for 1, 10 and 100 users: ${example.fields}`, async () => {
      for (const users of [1, 10, 100]) {
        const { statements, rows, returned } = await costOf(example.fields, users);
        expect({ users, statements }).toEqual({ users, statements: example.statements });
        // One row finds the API key, one more user shows whether there are more.
        expect(rows).toBeLessThanOrEqual(returned + users * example.perUser + 2);
      }
    });

  test('hundred users with two hundred events each, and the run of each event, are four statements', async () => {
    const { statements, returned } = await costOf('recentSyncEvents(limit: 200) { sequence run { status } }', 100);
    expect({ statements, returned }).toEqual({ statements: 4, returned: 100 * 200 + 100 });
  });

  test('the pages of a hundred runs are one statement', async () => {
    const fields = 'syncRuns(first: 20) { edges { node { runId events(first: 1) { edges { node { sequence } } } } } }';
    expect((await costOf(fields, 5)).statements).toBe(5);
    expect((await costOf(fields, 10)).statements).toBe(6);
  });

  test.each([
    ['statuses: [IN_PROGRESS, STALE]', ['k.status NOT IN']],
    ['statuses: [SUCCESS, FAILED]', ['k.status IN']],
    ['statuses: [SUCCESS, STALE]', ['k.status IN', 'k.status NOT IN']],
    ['health: [ENDED]', ['finished = true']],
    ['health: [ACTIVE]', ['finished = false']],
    ['health: [ACTIVE], providers: ["oura"]', ['k.status NOT IN']],
    ['health: [ACTIVE], statuses: [SUCCESS]', []],
    ['health: []', []],
  ])('runs that cannot be in a list are not looked through: %s', async (filter, parts) => {
    expect((await server.graphql(`{ syncRuns(filter: { ${filter} }) { edges { cursor } } }`)).errors).toEqual([]);
    const sql = statements.at(-1)?.sql ?? '';
    const found = sql.matchAll(/finished = (true|false)|k\.status (NOT )?IN(?= \([^)]+\) AND)/g);
    expect(Array.from(found, ([part]) => part)).toEqual(parts);
  });

  test('every read of the log and of runs goes along an index', async () => {
    const log = 'cursor node { sequence run { runId } user { id } }';
    await server.graphql(`{
      users(first: 3, search: "User") { edges { cursor node {
        recentSyncEvents(limit: 5) { id }
        syncEvents(first: 5, after: "7") { edges { ${log} } }
        newest: syncEvents(last: 5, before: "70", filter: { providers: ["oura"], stages: [FETCHING] }) { edges { ${log} } }
        ofRun: recentSyncEvents(filter: { runId: "run_1", statuses: [STALE] }) { id }
        syncRuns(first: 2) { edges { cursor node { runId events(last: 2) { edges { ${log} } } } } }
        last: syncRuns(last: 2, filter: { sources: [PULL] }) { edges { cursor } }
      } } }
    }`);
    const cursor = async (query: string) => {
      const { data, errors } = await server.graphql(query);
      expect(errors).toEqual([]);
      return data.page.pageInfo.endCursor;
    };
    const runs = await cursor('{ page: syncRuns(first: 3) { pageInfo { endCursor } } }');
    await cursor(`{ page: syncRuns(first: 3, after: "${runs}") { pageInfo { endCursor } } }`);
    await cursor(`{ page: syncRuns(last: 3, before: "${runs}") { pageInfo { endCursor } } }`);
    await server.graphql(`{ user(id: "${userId}") { syncRuns(first: 2, after: "${runs}") { edges { cursor } } } }`);
    for (const health of ['[ACTIVE]', '[QUIET]', '[STALLED]', '[ENDED]', '[ACTIVE, STALLED]', '[QUIET, ENDED]']) {
      await cursor(`{ page: syncRuns(first: 3, filter: { health: ${health} }) { pageInfo { endCursor } } }`);
      await cursor(`{ page: syncRuns(first: 3, after: "${runs}", filter: { health: ${health}, providers: ["oura"] }) {
        pageInfo { endCursor }
      } }`);
    }
    await server.graphql(
      '{ users(first: 3) { edges { node { connections { provider health lastRun { runId } } } } } }',
    );
    const users = await cursor('{ page: users(first: 3) { pageInfo { endCursor } } }');
    await cursor(`{ page: users(first: 3, after: "${users}") { pageInfo { endCursor } } }`);
    await cursor(`{ page: users(last: 3, before: "${users}") { pageInfo { endCursor } } }`);

    const stop = new AbortController();
    const watching = server.app.services.runChanges.follow({ wants: () => true }, stop.signal).next();
    await expect.poll(() => statements.some(({ sql }) => sql.includes('recorded_at >='))).toBe(true);
    stop.abort();
    await watching;

    const seen = new Set(statements.map(({ sql }) => sql));
    if (provider === 'sqlite') await expectIndexesInSqlite(server.app.services.database, seen);
    else await expectIndexesInPostgres(server.databaseUrl, seen);
  });
});

test('the head and the events of one answer fit together while others record', async () => {
  const server = await startServer();
  const userId = await server.user();
  // Like every recording below it ends with an event of Oura, so that the first answer may come before all of them.
  await server.record({ userId }, { userId, provider: 'garmin' }, { userId });
  let recording = true;
  const record = async () => {
    while (recording) await server.record({ userId }, { userId, provider: 'garmin', runId: 'run_2' }, { userId });
  };
  const recorders = [record(), record(), record()];
  const query = `query ($id: UUID!) {
    a: user(id: $id) {
      headCursor
      recentSyncEvents(limit: 200) { sequence }
      syncEvents(last: 7) { edges { cursor } pageInfo { hasNextPage } }
      ofOura: recentSyncEvents(limit: 3, filter: { providers: ["oura"] }) { sequence }
      syncRuns { edges { node { user { headCursor } events(last: 200) { edges { cursor } } } } }
    }
    b: user(id: $id) { headCursor newest: recentSyncEvents(limit: 1) { sequence user { headCursor } } }
  }`;
  const heads = new Set<number>();
  try {
    for (let count = 0; count < 40; count++) {
      const { data, errors } = await server.graphql(query, { id: userId });
      expect(errors).toEqual([]);
      const head = Number(data.a.headCursor);
      heads.add(head);
      const upToHead = (length: number) => Array.from({ length: Math.min(length, head) }, (_, n) => head - n);
      expect(data.a.recentSyncEvents.map((event: ModelEvent) => event.sequence)).toEqual(upToHead(200));
      expect(data.a.syncEvents.edges.map((edge: { cursor: string }) => Number(edge.cursor)).reverse()).toEqual(
        upToHead(7),
      );
      expect(data.a.syncEvents.pageInfo.hasNextPage).toBe(false);
      expect(data.a.ofOura[0].sequence).toBe(head);
      expect(data.b).toEqual({
        headCursor: String(head),
        newest: [{ sequence: head, user: { headCursor: String(head) } }],
      });
      for (const { node } of data.a.syncRuns.edges) {
        expect(node.user.headCursor).toBe(String(head));
        for (const { cursor } of node.events.edges) expect(Number(cursor)).toBeLessThanOrEqual(head);
      }
    }
  } finally {
    recording = false;
    await Promise.all(recorders);
  }
  expect(heads.size).toBeGreaterThan(1);
  await server.close();
});
