import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { transports } from '../support/graphql-transports.ts';
import { anEvent, startServer, type TestServer } from '../support/server.ts';
import { openWebSocketStream } from '../support/streams.ts';

/** More than the server allows as it is, so that the documents below can be told by eye. */
const limits = { operationItems: { user: 50_000, service: 50_000 }, documentTokens: 10_000 };
const refusal = 'An operation may ask for at most 50000 items in all, and ';

let server: TestServer;
let userId: string;

beforeAll(async () => {
  server = await startServer({ limits });
  userId = await server.user();
});
afterAll(() => server.close());

/** What a mutation that records so many events is refused with; they are its variables `events` and `input`. */
async function refusalOf(count: number, document: string) {
  const events = Array.from({ length: count }, () => ({ ...anEvent, userId }));
  return (await server.graphql(document, { events, input: { events } })).errors[0]?.message;
}

/** So many types of data, as an event tells them. */
const typesOfData = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ dataType: `type_${index}`, state: 'COMPLETE' }));

/** An event as it stands in a document. */
const literal = () =>
  `{ userId: "${userId}", runId: "r", provider: "p", source: PULL, stage: FETCHING, status: IN_PROGRESS }`;

const wide = 'event { user { recentSyncEvents(limit: 200) { id } } }';

describe('an operation that could ask for too much is refused before any of it runs', () => {
  test('by the results of a mutation, of which there is one for each event', async () => {
    const document = `mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { ${wide} } } }`;
    expect(await refusalOf(500, document)).toContain(refusal);
    const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { headCursor } }', { id: userId });
    expect(data.user.headCursor).toBe('0');
    expect(await refusalOf(1, document)).toBeUndefined();
  });

  test('however the events are given', async () => {
    const results = `{ results { ${wide} } }`;
    const document = `mutation ($input: RecordSyncEventsInput!) { recordSyncEvents(input: $input) ${results} }`;
    expect(await refusalOf(500, document)).toContain(refusal);
    const inDocument = (count: number) =>
      `mutation { recordSyncEvents(input: { events: [${Array.from({ length: count }, literal).join()}] }) ${results} }`;
    expect((await server.graphql(inDocument(1))).errors).toEqual([]);
    const wider = inDocument(150).replace('{ id }', '{ user { syncRuns(first: 2) { edges { cursor } } } }');
    expect((await server.graphql(wider)).errors[0]?.message).toContain(refusal);
  });

  test('from the first item that is too many', async () => {
    const most = `users(first: 100) { edges { node { a: recentSyncEvents(limit: 200) { id } b: recentSyncEvents(limit: 200) { id }
      c: recentSyncEvents(limit: 99) { id } } } }`;
    const one = `user(id: "${userId}") { recentSyncEvents(limit: 1) { id } }`;
    expect((await server.graphql(`{ ${most} }`)).errors).toEqual([]);
    expect((await server.graphql(`{ ${most} ${one} }`)).errors[0]?.message).toContain(refusal);
  });

  test.each([
    [
      'by aliases',
      `{ users(first: 100) { edges { node { a: recentSyncEvents(limit: 200) { id } b: recentSyncEvents(limit: 200) { id }
      c: recentSyncEvents(limit: 200) { id } } } } }`,
    ],
    [
      'by a default of a variable',
      `query ($n: Int = 100, $m: Int = 200) { users(first: $n) { edges { node {
      a: recentSyncEvents(limit: $m) { user { recentSyncEvents(limit: 10) { id } } } } } } }`,
    ],
    [
      'by a default of a variable that is called like something every object has',
      `query ($constructor: Int = 100, $__proto__: Int = 200) { users(first: $constructor) { edges { node {
      recentSyncEvents(limit: $__proto__) { user { recentSyncEvents(limit: 10) { id } } } } } } }`,
    ],
    [
      'by `last` beside a variable that is null',
      `query ($none: Int) { users(first: $none, last: 100) { edges { node {
      recentSyncEvents(limit: 200) { user { recentSyncEvents(limit: 10) { id } } } } } } }`,
    ],
    [
      'by fragments on interfaces and on types',
      `query { users(first: 100) { ...page } }
      fragment page on UserConnection { edges { ... { node { ...deep } } } }
      fragment deep on User { recentSyncEvents(limit: 200) { user { ... on User { recentSyncEvents(limit: 10) { id } } } } }`,
    ],
    [
      'by sources and what they refused',
      `{ sources { ${Array.from({ length: 20 }, (_, index) => `q${index}: quarantine(first: 200) { edges { cursor } }`).join(' ')} } }`,
    ],
  ])('%s', async (_way, query) => {
    expect((await server.graphql(query)).errors[0]).toMatchObject({
      message: expect.stringContaining(refusal),
      extensions: { code: 'LIMIT_EXCEEDED' },
    });
  });

  test('in a subscription, whose payloads hold a page of events', async () => {
    const follow = (limit: number) =>
      `subscription { syncEvents(userId: "${userId}") { events { run { events(first: ${limit}) { edges { cursor } } } user { syncRuns(first: 200) { edges { cursor } } } } } }`;
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { ...server.admin, 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: follow(200) }),
    });
    expect(await response.text()).toContain(refusal);
  });

  test('by a list that is the default of a variable, whatever the variable is called', async () => {
    const events = `[${Array.from({ length: 150 }, literal).join()}]`;
    for (const name of ['events', 'valueOf'])
      expect(
        (
          await server.graphql(
            `mutation ($${name}: [SyncEventInput!]! = ${events}) { recordSyncEvents(input: { events: $${name} }) {
            results { event { user { a: recentSyncEvents(limit: 200) { id } b: recentSyncEvents(limit: 200) { id } } } } } }`,
          )
        ).errors[0]?.message,
        name,
      ).toContain(refusal);
  });

  test('but not for what it could ask for with other variables', async () => {
    const query = `query ($n: Int!) { users(first: $n) { edges { node { recentSyncEvents(limit: 200) { user { recentSyncEvents(limit: 10) { id } } } } } } }`;
    expect((await server.graphql(query, { n: 100 })).errors[0]?.message).toContain(refusal);
    expect((await server.graphql(query, { n: 1 })).errors).toEqual([]);
  });
});

describe('an operation that asks for too much', () => {
  const nested = (levels: number): string =>
    levels === 0 ? 'id' : `recentSyncEvents(limit: 200) { user { ${nested(levels - 1)} } }`;

  test('is refused before it runs: events of users of events', async () => {
    const { errors } = await server.graphql(`{ user(id: "${randomUUID()}") { ${nested(3)} } }`);
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['LIMIT_EXCEEDED']);
  });

  test('counts its variables, fragments and aliases, up to the limit', async () => {
    const query = (
      aliases: number,
    ) => `query ($n: Int!) { ${Array.from({ length: aliases }, (_, index) => `a${index}: users(first: 100) { ...U }`).join(' ')} }
      fragment U on UserConnection { edges { node { recentSyncEvents(limit: $n) { id } } } }`;
    const codes = async (aliases: number) =>
      (await server.graphql(query(aliases), { n: 99 })).errors.map(({ extensions }) => extensions.code);
    expect(await codes(5)).toEqual([]); // 5 * (100 + 100 * 99) = 50,000
    expect(await codes(6)).toEqual(['LIMIT_EXCEEDED']);
  });

  test('is refused as a subscription, too, and the connection stays', async () => {
    const subscription = `subscription { syncEvents(userId: "${userId}") { events { user { ${nested(2)} } } } }`;
    const stream = await openWebSocketStream(server.url, { query: subscription, headers: server.admin });
    expect((await stream.next())?.errors?.map(({ extensions }) => extensions.code)).toEqual(['LIMIT_EXCEEDED']);
    expect(await stream.next()).toBeUndefined();
    await stream.close();
  });
});

describe('what an operation costs', () => {
  let plain: TestServer;
  let owner: string;
  beforeAll(async () => {
    plain = await startServer();
    owner = await plain.user();
    await plain.record({ userId: owner });
  });
  afterAll(() => plain.close());

  /** A query that asks for so much: a hundred events, with their user a hundred more, pages of a hundred, and a rest of one at least. */
  function asking(items: number) {
    const pages = Math.floor((items - 1) / 100) - 2;
    const query = `query Costly($n: Int!) { user(id: "${owner}") {
      recentSyncEvents(limit: $n) { user { recentSyncEvents(limit: ${pages}) { id } } } rest: recentSyncEvents(limit: ${items - 100 * (pages + 2)}) { id } } }`;
    return { query, variables: { n: 100 } };
  }

  test.each([
    ['a service', 20_000],
    ['a user', 2_000],
  ])('may be, for %s, %i items, and is told with every answer on every door', async (who, limit) => {
    const headers = who === 'a user' ? await plain.userToken(owner) : plain.admin;
    for (const [transport, ask] of Object.entries(transports)) {
      const within = await ask(plain.url, { ...asking(limit), headers });
      expect({ transport, ...within }).toMatchObject({
        transport,
        data: { user: {} },
        extensions: { cost: { items: limit, limit } },
      });
      expect(within.errors).toBeUndefined();
      const past = await ask(plain.url, { ...asking(limit + 1), headers });
      expect({ transport, ...past }).toMatchObject({
        transport,
        errors: [
          {
            message: `An operation may ask for at most ${limit} items in all, and query Costly asks for ${limit + 1}`,
            locations: [{ line: 1, column: 1 }],
            extensions: { code: 'LIMIT_EXCEEDED' },
          },
        ],
        extensions: { cost: { items: limit + 1, limit } },
      });
      expect(past.data).toBeUndefined();
    }
  });

  /** The cost of a query by the test's user, as it is told. */
  async function costOf(query: string, variables: Record<string, unknown> = {}): Promise<number> {
    const { errors, extensions } = await transports.post(plain.url, { query, variables, headers: plain.admin });
    const codes = errors?.map((error) => error.extensions.code) ?? [];
    expect(codes.filter((code) => code !== 'LIMIT_EXCEEDED')).toEqual([]);
    return (extensions as { cost: { items: number } }).cost.items;
  }
  const aliases = (count: number, field: string) =>
    Array.from({ length: count }, (_, index) => `a${index}: ${field}`).join(' ');
  const events = (fields: string) => `{ user(id: "${owner}") { recentSyncEvents(limit: 100) { ${fields} } } }`;
  const runs = (args: string, fields: string) => `{ user(id: "${owner}") { syncRuns${args} { ${fields} } } }`;

  test('counts what is found for an item, however often it is asked for', async () => {
    expect(await costOf(events('id'))).toBe(100);
    expect(await costOf(events('run { runId }'))).toBe(200);
    expect(await costOf(events('run { user { id } } user { id }'))).toBe(400);
    expect(await costOf(events(aliases(10, 'run { runId }')))).toBe(1_100);
    expect(
      await costOf(events(`${aliases(10, 'run { ...Whose }')} } } } fragment Whose on SyncRun { user { ... { id`)),
    ).toBe(2_100);
  });

  test('counts each further 20 fields of an item', async () => {
    expect(await costOf(events(aliases(20, 'metadata')))).toBe(100);
    expect(await costOf(events(aliases(21, 'metadata')))).toBe(200);
    expect(await costOf(events(`${aliases(20, 'id')} ... on SyncEvent { __typename }`))).toBe(200);
    // What comes with an item is of it: here the reason.
    expect(await costOf(events(aliases(10, 'reason { class text }')))).toBe(100);
    expect(await costOf(events(aliases(10, 'reason { class text actor }')))).toBe(200);
    expect(await costOf(events(`run { ${aliases(21, 'message')} }`))).toBe(300);
    expect(await costOf(`{ user(id: "${owner}") { ${aliases(20, 'email')} } }`)).toBe(0);
    expect(await costOf(`{ user(id: "${owner}") { ${aliases(21, 'email')} } }`)).toBe(1);
  });

  test('counts what fragments bring as often as they are spread, and what a directive may leave out', async () => {
    const fragment = `fragment Wide on SyncEvent { ${aliases(11, 'id')} run { runId } }`;
    expect(await costOf(`${events('...Wide')} ${fragment}`)).toBe(200);
    expect(await costOf(`${events('...Wide ...Wide')} ${fragment}`)).toBe(400);
    const switched = `query ($on: Boolean!) ${events('id run @include(if: $on) { runId }')}`;
    expect(await costOf(switched, { on: true })).toBe(200);
    expect(await costOf(switched, { on: false })).toBe(200);
  });

  test('counts a page once, whatever of it is asked for, and what stands on it beside its items once', async () => {
    expect(await costOf(runs('(first: 10)', 'totalCount'))).toBe(10);
    expect(
      await costOf(runs('(first: 10)', 'pageInfo { hasNextPage endCursor } edges { cursor node { runId } }')),
    ).toBe(10);
    expect(await costOf(runs('(first: 10)', 'edges { cursor } edges { node { user { id } } }'))).toBe(20);
    const wide = `${aliases(10, 'edges { node { runId } }')} b: edges { node { ${aliases(11, 'runId').replaceAll('a', 'b')} } }`;
    expect(await costOf(runs('(first: 10)', wide))).toBe(20);
  });

  test('counts what has to be looked for more than what is shown', async () => {
    expect(await costOf(runs('(first: 1)', 'edges { cursor }'))).toBe(1);
    expect(await costOf(runs('(first: 1, filter: {})', 'edges { cursor }'))).toBe(1);
    expect(await costOf(runs('(first: 1, filter: { providers: ["x"] })', 'edges { cursor }'))).toBe(6);
    expect(await costOf(runs('(first: 1, filter: { search: "x" })', 'edges { cursor }'))).toBe(51);
    const asked = `query ($f: SyncRunFilter, $s: String) { user(id: "${owner}") {
      a: syncRuns(first: 1, filter: $f) { edges { cursor } } b: syncRuns(first: 1, filter: { search: $s }) { edges { cursor } } } }`;
    expect(await costOf(asked, { f: { providers: null } })).toBe(7);
    expect(await costOf(asked, { f: { providers: ['x'] }, s: 'x' })).toBe(57);
    expect(await costOf(asked, { f: { search: 'x' }, s: 'x' })).toBe(102);
    expect(await costOf('{ users(first: 1, search: "x") { edges { cursor } } }')).toBe(51);
    expect(await costOf(`{ user(id: "${owner}") { connections { explain { verdict } } } }`)).toBe(200);
  });

  test('refuses lists of little that would be answered with much', async () => {
    const all =
      'fragment F on SyncRun { runId userId provider message progress error attempts reopened batches status stage source }';
    const query = `{ users(first: 4) { edges { node { recentSyncEvents(limit: 200) { ${aliases(30, 'run { ...F }')} } } } } } ${all}`;
    const { errors } = await transports.post(plain.url, { query, headers: plain.admin });
    expect(errors).toMatchObject([{ message: expect.stringContaining('{ users } asks for 25604') }]);
  });

  describe('with types of data', () => {
    let wearer: string;
    beforeAll(async () => {
      wearer = await plain.user();
      // Two runs with as many as there may be, and one with as many as is usual.
      for (const [runId, count] of Object.entries({ a: 200, b: 200, c: 20 }))
        await plain.record({ userId: wearer, runId, dataTypes: typesOfData(count) });
    });
    const types = (of: string) => `${of} { dataTypes { dataType state } }`;
    const ofWearer = (fields: string) => `query Types { user(id: "${wearer}") { ${fields} } }`;

    test('counts those that a list has, where they are more than usual', async () => {
      expect(await costOf(ofWearer(types('syncRun(runId: "c")')))).toBe(21);
      expect(await costOf(ofWearer(types('syncRun(runId: "a")')))).toBe(201);
      expect(await costOf(ofWearer(`syncRuns(first: 3) { edges { ${types('node')} } }`))).toBe(3 + 200 + 200 + 20);
      expect(await costOf(ofWearer(types('recentSyncEvents(limit: 3)')))).toBe(3 + 200 + 200 + 20);
      // Of the connections that there may be, it has one.
      expect(await costOf(ofWearer(types('connections')))).toBe(50 + 50 * 20 + 180);
      expect(await costOf(ofWearer(`${types('x: syncRun(runId: "a")')} ${types('y: syncRun(runId: "a")')}`))).toBe(402);
      const wide = `syncRun(runId: "a") { dataTypes { ${aliases(21, 'dataType')} } }`;
      expect(await costOf(ofWearer(wide))).toBe(401);
      // Each list is charged by what is asked of its own items.
      const deep = `dataTypes { reason { event { user { recentSyncEvents(limit: 100) { id } } } } }`;
      expect(await costOf(ofWearer(`absent: syncRun(runId: "-") { ${deep} }`))).toBe(1 + 20 * 103);
      const both = `absent: syncRun(runId: "-") { ${deep} } ${types('syncRun(runId: "a")')}`;
      expect(await costOf(ofWearer(both))).toBe(1 + 20 * 103 + 201);
      const twice = 'syncRun(runId: "a") { dataTypes { dataType } ... @include(if: true) { dataTypes { state } } }';
      expect(await costOf(ofWearer(twice))).toBe(401);
    });

    test('may be as much as anything else, and one more is refused on every door', async () => {
      const headers = await plain.userToken(wearer);
      // Nine runs with two hundred each, and events.
      const asking = (rest: string) =>
        ofWearer(`${aliases(9, types('syncRun(runId: "a")'))} e: recentSyncEvents(limit: 191) { id } ${rest}`);
      for (const [transport, ask] of Object.entries(transports)) {
        const within = await ask(plain.url, { query: asking(''), headers });
        expect({ transport, ...within }).toMatchObject({
          transport,
          data: { user: { a8: { dataTypes: { length: 200 } } } },
          extensions: { cost: { items: 2_000, limit: 2_000 } },
        });
        expect(within.errors).toBeUndefined();
        const past = await ask(plain.url, { query: asking('f: recentSyncEvents(limit: 1) { id }'), headers });
        expect({ transport, ...past }).toMatchObject({
          transport,
          data: null,
          errors: [
            {
              message: expect.stringContaining('in all, and query Types finds 2001 or more: ask for less at once'),
              extensions: { code: 'LIMIT_EXCEEDED' },
            },
          ],
        });
      }
    });

    test('is no reason to withhold the answer of a mutation, which has been done', async () => {
      const userId = await plain.user();
      const document = `mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) {
        results { duplicate event { dataTypes { dataType } } } } }`;
      const events = Array.from({ length: 120 }, () => ({ ...anEvent, userId, dataTypes: typesOfData(200) }));
      const { data, errors, extensions } = await transports.post(plain.url, {
        query: document,
        variables: { events },
        headers: plain.admin,
      });
      expect({ errors, extensions }).toEqual({ extensions: { cost: { items: 120 + 120 * 200, limit: 20_000 } } });
      expect(data.recordSyncEvents.results[119]).toMatchObject({
        duplicate: false,
        event: { dataTypes: { length: 200 } },
      });
    });

    test('is known before many of them are read', async () => {
      const read: string[] = [];
      const server = await startServer({ onStatement: ({ sql }) => read.push(sql) });
      onTestFinished(() => server.close());
      const userId = await server.user();
      for (let run = 0; run < 11; run += 1)
        await server.record({ userId, runId: `run_${run}`, dataTypes: typesOfData(200) });
      const query = (first: number) =>
        `{ user(id: "${userId}") { syncRuns(first: ${first}) { edges { node { dataTypes { attempts } } } } } }`;
      const asked = async (first: number) => {
        read.length = 0;
        const { errors } = await server.graphql(query(first), {}, await server.userToken(userId));
        const types = read.filter((sql) => sql.includes('FROM sync_run_data_type'));
        return { codes: errors.map(({ extensions }) => extensions.code), read: types.length };
      };
      expect(await asked(2)).toEqual({ codes: [], read: 1 });
      // Once they are found to be more than one statement reads they are counted, and no more are read.
      expect(await asked(11)).toEqual({ codes: ['LIMIT_EXCEEDED'], read: 2 });
      expect(read.filter((sql) => sql.includes('d.attempts'))).toHaveLength(1);
      const { data } = await server.graphql(query(11));
      expect(data.user.syncRuns.edges.map(({ node }: { node: { dataTypes: [] } }) => node.dataTypes.length)).toEqual(
        Array.from({ length: 11 }, () => 200),
      );
    });
  });

  test('is as much for who shows no credential as for a user', async () => {
    const { extensions } = await transports.post(plain.url, { query: '{ viewer { kind } }' });
    expect(extensions).toEqual({ cost: { items: 0, limit: 2_000 } });
  });

  test('is told with answers that are given again, to each viewer with what that viewer may ask for', async () => {
    const query = `{ user(id: "${owner}") { recentSyncEvents(limit: 7) { id } } }`;
    const user = await plain.userToken(owner);
    for (const headers of [plain.admin, user, plain.admin, user, plain.admin, user]) {
      const { extensions } = await transports.post(plain.url, { query, headers });
      expect(extensions).toEqual({ cost: { items: 7, limit: headers === user ? 2_000 : 20_000 } });
    }
  });

  test('is told with errors of fields, of variables, and with mutations', async () => {
    const notAnId = {
      query: 'query ($id: UUID!) { user(id: $id) { syncEvents { edges { cursor } } } }',
      variables: { id: 'x' },
    };
    for (const [transport, ask] of Object.entries(transports)) {
      const { errors, extensions } = await ask(plain.url, { ...notAnId, headers: plain.admin });
      expect({ transport, errors, extensions }).toMatchObject({
        errors: [{ extensions: { code: 'BAD_USER_INPUT' } }],
        extensions: { cost: { items: 50, limit: 20_000 } },
      });
    }
    const refused = await transports.post(plain.url, { query: `{ user(id: "${owner}") { headCursor } }` });
    expect(refused).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
      extensions: { cost: { items: 0 } },
    });
    const recording = {
      query:
        'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }',
      variables: {
        events: [
          { ...anEvent, userId: owner },
          { ...anEvent, userId: owner },
        ],
      },
    };
    const { extensions } = await transports.post(plain.url, { ...recording, headers: plain.admin });
    expect(extensions).toEqual({ cost: { items: 2, limit: 20_000 } });
  });

  test('is not told with each result of a subscription', async () => {
    const query = `subscription { syncEvents(userId: "${owner}", replayLast: 1) { events { cursor } } }`;
    const stream = await openWebSocketStream(plain.url, { query, headers: plain.admin });
    expect(await stream.next()).toEqual({ data: { syncEvents: { events: [{ cursor: expect.any(String) }] } } });
    await stream.close();
  });

  test('counts fragments of fragments in no time, with numbers that JSON can tell', async () => {
    const chain = Array.from(
      { length: 60 },
      (_, n) =>
        `fragment F${n} on User { ${n < 59 ? `...F${n + 1} ...F${n + 1}` : 'recentSyncEvents(limit: $n) { id }'} }`,
    );
    const query = `query ($n: Int!) { user(id: "${owner}") { ...F0 } } ${chain.join(' ')}`;
    const { errors, extensions } = await transports.post(plain.url, {
      query,
      variables: { n: 1 },
      headers: plain.admin,
    });
    expect(errors).toMatchObject([{ extensions: { code: 'LIMIT_EXCEEDED' } }]);
    expect(extensions).toEqual({ cost: { items: Number.MAX_SAFE_INTEGER, limit: 20_000 } });
  });
});
