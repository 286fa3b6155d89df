import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withDemoDefaults } from '../../src/demo/demo-settings.ts';
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
