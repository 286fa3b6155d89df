import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusals, second } from '../support/recording.ts';
import { type ReferenceEvent, type ReferenceFilter, ReferenceLog } from '../support/reference-log.ts';
import { type Answer, startServer, type TestServer } from '../support/server.ts';

const pageInfo = 'pageInfo { hasPreviousPage hasNextPage startCursor endCursor }';
const pageArguments = '$first: Int, $after: String, $last: Int, $before: String';
const passArguments = 'first: $first, after: $after, last: $last, before: $before';

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
  const model = new ReferenceLog();
  /** Where bytes and UTF-16 code units sort differently, and where a separator could be mistaken for text. */
  const runIds = ['run_1', 'run_10', 'RUN', 'rün', '\u{1f3c3}', '\uff21', ' ', '","', "'); --"];

  beforeAll(async () => {
    // A clock that stands makes all users equally old, so that only their ids tell them apart.
    server = await startServer({ clock: () => Date.UTC(2026, 2, 15) });
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

  const runKey = ({ userId, runId }: ReferenceEvent) => `${userId} ${runId}`;
  const runEdges = `edges { cursor node { runId user { id } } } ${pageInfo}`;
  const withRunKeys = ({ edges, ...rest }: Page): Page => ({
    ...rest,
    edges: edges.map(({ cursor, node }) => ({
      cursor,
      node: { key: `${(node.user as { id: string }).id} ${node.runId}` },
    })),
  });

  function allRuns(filter: ReferenceFilter): List {
    const query = `query (${pageArguments}, $filter: SyncRunFilter) {
      syncRuns(${passArguments}, filter: $filter) { ${runEdges} }
    }`;
    return {
      items: model.runs(filter).map(runKey),
      fetch: (args) => page(query, { filter, ...args }, (data) => withRunKeys(data.syncRuns)),
    };
  }

  function runsOfUser(user: number, filter: ReferenceFilter): List {
    const id = userIds[user] as string;
    const query = `query ($id: UUID!, ${pageArguments}, $filter: SyncRunFilter) {
      user(id: $id) { syncRuns(${passArguments}, filter: $filter) { ${runEdges} } }
    }`;
    return {
      items: model.runs(filter, id).map(runKey),
      fetch: (args) => page(query, { id, filter, ...args }, (data) => withRunKeys(data.user.syncRuns)),
    };
  }

  function events(user: number, filter: ReferenceFilter): List {
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
    const { userId, runId } = model.runs({})[run] as ReferenceEvent;
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
        fc.record({ from: fc.nat(60), to: fc.nat(60), size: fc.integer({ min: 0, max: 9 }), backwards: fc.boolean() }),
        async (list, { from, to, size, backwards }) => {
          const { edges } = await list.fetch({ first: 100 });
          const [after, before] = [edges[from]?.cursor, edges[to]?.cursor];
          const found = await list.fetch({ after, before, ...(backwards ? { last: size } : { first: size }) });
          const between = list.items.slice(after ? from + 1 : 0, before ? to : undefined);
          expect(keysOf(found)).toEqual(
            backwards ? between.slice(Math.max(0, between.length - size)) : between.slice(0, size),
          );
          expect(backwards ? found.pageInfo.hasPreviousPage : found.pageInfo.hasNextPage).toBe(between.length > size);
        },
      ),
      { numRuns: 80 },
    );
  });

  test('are empty where none are asked for, and say all the same whether there are any', async () => {
    for (const list of [users(undefined), allRuns({}), runsOfUser(0, {}), events(0, {}), eventsOfRun(0)]) {
      const none = { startCursor: null, endCursor: null };
      const more = list.items.length > 0;
      expect(await list.fetch({ first: 0 })).toEqual({
        edges: [],
        pageInfo: { hasPreviousPage: false, hasNextPage: more, ...none },
      });
      expect(await list.fetch({ last: 0 })).toEqual({
        edges: [],
        pageInfo: { hasPreviousPage: more, hasNextPage: false, ...none },
      });
      const { endCursor } = (await list.fetch({ last: 1 })).pageInfo;
      expect(await list.fetch({ first: 0, after: endCursor })).toEqual({
        edges: [],
        pageInfo: { hasPreviousPage: true, hasNextPage: false, ...none },
      });
    }
    const empty = await users('nobody').fetch({ first: 0 });
    expect(empty.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false });
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
      code: refusals(answer)[0],
      argumentPath: answer.errors[0]?.extensions.argumentPath,
    });

    test.each([
      ['users', 100],
      ['syncRuns', 200],
    ])('a page of %s with less than 0 or more than %i items', async (field, max) => {
      for (const name of ['first', 'last']) {
        for (const size of [-1, max + 1])
          expect(refusal(await ofAll(field, { [name]: size }))).toEqual({
            code: 'BAD_USER_INPUT',
            argumentPath: [name],
          });
        expect((await ofAll(field, { [name]: max })).errors).toEqual([]);
      }
    });

    test.each(['syncEvents', 'syncRuns'])(
      "a page of a user's %s with less than 0 or more than 200 items",
      async (field) => {
        for (const name of ['first', 'last']) {
          for (const size of [-1, 201])
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
        expect(refusals(answer)).toEqual(['BAD_USER_INPUT']);
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
    expect(data.user.recentSyncEvents.map((event: ReferenceEvent) => event.sequence)).toEqual([10, 9, 8, 7, 6, 5]);
    expect(data.user.syncEvents.edges).toEqual([{ cursor: '5' }]);
  });
});
