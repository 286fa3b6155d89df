import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withDemoDefaults } from '../../src/demo/demo-settings.ts';
import { defaultLimits } from '../../src/limits.ts';
import { buildSchema } from '../../src/schema.ts';
import { type OperationAnswer, transports } from '../support/graphql-transports.ts';
import { anEvent, startServer, type TestServer } from '../support/server.ts';

let open: TestServer;
let production: TestServer;
beforeAll(async () => {
  open = await startServer({ settings: { NODE_ENV: 'production', INTROSPECTION: 'on' } });
  production = await startServer({ settings: { NODE_ENV: 'production' } });
});
afterAll(async () => {
  await open.close();
  await production.close();
});

/** A server's answers by all doors, which are all the same. */
async function answerOf(server: TestServer, operation: { query: string; variables?: Record<string, unknown> }) {
  const answers: OperationAnswer[] = [];
  for (const ask of Object.values(transports))
    answers.push(await ask(server.url, { ...operation, headers: server.admin }));
  const [first] = answers;
  for (const answer of answers) expect(answer).toEqual(first);
  return first ?? {};
}

const messages = ({ errors = [] }: OperationAnswer) => errors.map(({ message }) => message);

const mistyped = [
  { query: '{ viewer { kimd } }' },
  { query: '{ uzer(id: "x") { id } }' },
  { query: '{ syncRuns(frst: 1) { edges { cursor } } }' },
  { query: '{ syncRuns(filter: { statuses: [FAILD] }) { edges { cursor } } }' },
  { query: '{ viewer }' },
  {
    query: 'query ($filter: SyncRunFilter) { syncRuns(filter: $filter) { edges { cursor } } }',
    variables: { filter: { statuses: ['FAILD'] } },
  },
  {
    query: 'query ($filter: SyncRunFilter) { syncRuns(filter: $filter) { edges { cursor } } }',
    variables: { filter: { status: ['FAILED'] } },
  },
];

test('the schema is the one that clients know, whatever else is asked with it, and by a fragment', async () => {
  const own = Object.keys(buildSchema().getQueryType()?.getFields() ?? {}).map((name) => ({ name }));
  for (const query of [
    '{ viewer { kind } __type(name: "Query") { fields { name } } }',
    '{ viewer { kind } ...F } fragment F on Query { __type(name: "Query") { fields { name } } }',
  ])
    for (const repeated of [query, `${query} # again`]) {
      const { data } = await answerOf(open, { query: repeated });
      expect(data?.__type).toEqual({ fields: own });
    }
});

describe('in production', () => {
  test('the schema is not shown, on any door, and `__typename` is', async () => {
    for (const query of [getIntrospectionQuery(), '{ a: __type(name: "User") { name } }']) {
      const answer = await answerOf(production, { query });
      expect(answer.data).toBeUndefined();
      expect(answer.errors?.[0]).toMatchObject({
        message: expect.stringMatching(/^Introspection is off on this server, so `__(schema|type)` is not answered/),
        extensions: { code: 'BAD_USER_INPUT' },
      });
    }
    expect(await answerOf(production, { query: '{ __typename viewer { __typename } }' })).toMatchObject({
      data: { __typename: 'Query', viewer: { __typename: 'Viewer' } },
    });
  });

  test.each(mistyped)('no name is suggested: %j', async (operation) => {
    const withHints = messages(await answerOf(open, operation));
    const without = messages(await answerOf(production, operation));
    expect(withHints.join()).toContain('Did you mean');
    expect(without.join()).not.toContain('Did you mean');
    expect(without).toEqual(withHints.map((message) => message.replace(/ Did you mean.*\?$/, '')));
  });

  test('no name is suggested in the problems of a recording', async () => {
    const query =
      'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }';
    const body = { query, variables: { events: [{ ...anEvent, userId: await production.user(), stage: 'FETCHIN' }] } };
    for (const [server, hints] of [
      [open, true],
      [production, false],
    ] as const) {
      const { errors } = await transports.post(server.url, { ...body, headers: server.admin });
      expect(errors?.[0]?.extensions.problems).toMatchObject([{ index: 0, field: 'stage' }]);
      expect(JSON.stringify(errors).includes('Did you mean')).toBe(hints);
    }
  });

  test('GraphiQL says why it completes nothing', async () => {
    const page = async ({ url }: TestServer) =>
      (await fetch(`${url}/graphql`, { headers: { accept: 'text/html' } })).text();
    expect(await page(production)).toContain('This server does not show its schema');
    expect(await page(open)).not.toContain('This server does not show its schema');
  });
});

describe('the schema, where it is shown', () => {
  const itemsOf = ({ extensions }: OperationAnswer) => (extensions as { cost: { items: number } }).cost.items;
  /** All that clients and tools ask for at once: GraphiQL, and what makes code of a schema. */
  const all = getIntrospectionQuery({
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
  });
  const refusal = 'An operation may ask for at most 200 items of the schema itself, and ';

  test('is told to everybody, on every door, at a cost that who shows no credential can pay several times', async () => {
    for (const [transport, ask] of Object.entries(transports)) {
      const answer = await ask(open.url, { query: all });
      expect({ transport, errors: answer.errors }).toEqual({ transport, errors: undefined });
      expect(itemsOf(answer)).toBeGreaterThan(30);
      expect(itemsOf(answer) / defaultLimits.itemsOfOneCharge).toBeLessThan(defaultLimits.anonymousRate.burst / 5);
    }
  });

  test.each([
    [
      'by aliases',
      (times: number) => Array.from({ length: times }, (_, n) => `a${n}: __schema { types { ...Type } }`).join(' '),
    ],
    [
      'by fragments',
      (times: number) =>
        `__schema { ${Array.from({ length: times }, (_, n) => `t${n}: types { ...Type }`).join(' ')} }`,
    ],
  ])('is not told many times at once, %s, on any door and to nobody', async (_, asked) => {
    const query = (times: number) => `{ ${asked(times)} } 
      fragment Type on __Type { kind name description fields { name description args { name type { name } } type { name kind ofType { name kind } } } }`;
    for (const [transport, ask] of Object.entries(transports)) {
      expect(itemsOf(await ask(open.url, { query: query(1), headers: open.admin }))).toBeGreaterThan(5);
      const { data, errors } = await ask(open.url, { query: query(20), headers: open.admin });
      expect({ transport, data, errors }).toMatchObject({
        transport,
        data: undefined,
        errors: [{ message: expect.stringContaining(refusal), extensions: { code: 'LIMIT_EXCEEDED' } }],
      });
    }
  });

  test('costs what the answer has of it, for a type that is named, and at most that for one that a variable names', async () => {
    const fields = 'fields { name type { name fields { name } } }';
    const written = await transports.post(open.url, { query: `{ __type(name: "SyncRun") { ${fields} } }` });
    const named = await transports.post(open.url, {
      query: `query ($name: String!) { __type(name: $name) { ${fields} } }`,
      variables: { name: 'SyncRun' },
    });
    const values = (value: unknown): number =>
      typeof value === 'object' && value !== null
        ? Object.values(value).reduce((sum: number, each) => sum + values(each), 0)
        : 1;
    for (const answer of [written, named])
      expect(itemsOf(answer) * defaultLimits.introspectedFieldsOfOneItem).toBeGreaterThanOrEqual(values(answer.data));
    expect(itemsOf(await transports.post(open.url, { query: '{ __type(name: "Nothing") { name } }' }))).toBe(1);
  });
});

test('a document with many mistakes is told of the first 20', async () => {
  const wrong = (count: number) => `{ viewer { ${Array.from({ length: count }, (_, n) => `kimd${n}`).join(' ')} } }`;
  for (const server of [open, production]) {
    expect((await server.graphql(wrong(20))).errors).toHaveLength(20);
    const { errors } = await server.graphql(wrong(300));
    expect(errors).toHaveLength(21);
    expect(errors.at(-1)?.message).toContain('Too many validation errors');
  }
});

test('a server that is asked to does not show its schema elsewhere either', async () => {
  const server = await startServer({ settings: { INTROSPECTION: 'off' } });
  const { errors } = await server.graphql('{ __schema { queryType { name } } }');
  await server.close();
  expect(errors[0]?.message).toContain('Introspection is off');
});

test('the demo shows its schema, for it is there to be explored', () => {
  expect(withDemoDefaults({ NODE_ENV: 'production' }).INTROSPECTION).toBe('on');
  expect(withDemoDefaults({ INTROSPECTION: 'off' }).INTROSPECTION).toBe('off');
});
