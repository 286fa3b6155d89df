import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codesOf, type Operation, type OperationAnswer, transports } from '../support/graphql-transports.ts';
import { anEvent, type Headers, startServer, type TestServer } from '../support/server.ts';

/** What the operations below are about: one user with a log of two runs, one without. */
interface World {
  readonly server: TestServer;
  readonly ada: string;
  readonly bob: string;
  readonly reader: Headers;
  readonly writer: Headers;
}

const eventIds = Array.from({ length: 7 }, () => randomUUID());
const at = (second: number) => `2026-03-14T07:00:0${second}.000Z`;

async function createWorld(): Promise<World> {
  const server = await startServer();
  const ada = await server.user({ externalUserId: 'ext-ada', email: 'ada@example.org', firstName: 'Ada' });
  const bob = await server.user({ externalUserId: 'ext-bob', lastName: 'Babbage' });
  const finished = { runId: 'run_2', provider: 'garmin', source: 'WEBHOOK' };
  await server.record(
    ...Array.from({ length: 4 }, (_, n) => ({ userId: ada, id: eventIds[n], timestamp: at(n), itemsProcessed: n })),
    { userId: ada, id: eventIds[4], timestamp: at(4), ...finished, startedAt: at(4), stage: 'STARTED' },
    {
      userId: ada,
      id: eventIds[5],
      timestamp: at(6),
      ...finished,
      endedAt: at(6),
      stage: 'COMPLETED',
      status: 'SUCCESS',
    },
    { userId: ada, id: eventIds[6], timestamp: at(5), ...finished, message: 'too late' },
  );
  return { server, ada, bob, reader: await server.key('read'), writer: await server.key('write') };
}

interface Example {
  readonly name: string;
  /** The operation; for a mutation with new ids each time, as every transport runs it. */
  readonly ask: (world: World) => Operation;
  /** `data` when the operation succeeds; its errors' codes, with the path where there is one, when it does not. */
  readonly answer: (world: World) => { data?: unknown; codes?: readonly string[]; path?: readonly (string | number)[] };
}

const eventFields = 'id sequence cursor runId provider source stage status statusRaw itemsProcessed timestamp late';
const run2 = { runId: 'run_2', provider: 'garmin', source: 'WEBHOOK' };
const anyTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

const queries: readonly Example[] = [
  {
    name: 'viewer says who asks',
    ask: () => ({ query: '{ viewer { kind name scopes userId expiresAt } }' }),
    answer: () => ({
      data: { viewer: { kind: 'SERVICE', name: 'read', scopes: ['READ'], userId: null, expiresAt: null } },
    }),
  },
  {
    name: 'viewer says so without a credential, too',
    ask: () => ({ query: '{ viewer { kind scopes } }', headers: {} }),
    answer: () => ({ data: { viewer: { kind: 'ANONYMOUS', scopes: [] } } }),
  },
  {
    name: 'user finds a user by id, in upper case as well',
    ask: ({ ada }) => ({
      query: 'query ($id: UUID!) { user(id: $id) { id externalUserId email firstName lastName createdAt headCursor } }',
      variables: { id: ada.toUpperCase() },
    }),
    answer: ({ ada }) => ({
      data: {
        user: {
          id: ada,
          externalUserId: 'ext-ada',
          email: 'ada@example.org',
          firstName: 'Ada',
          lastName: null,
          createdAt: anyTime,
          headCursor: '7',
        },
      },
    }),
  },
  {
    name: 'user is null for an unknown id',
    ask: () => ({ query: 'query ($id: UUID!) { user(id: $id) { id } }', variables: { id: randomUUID() } }),
    answer: () => ({ data: { user: null } }),
  },
  {
    name: 'users pages through the users, newest first',
    ask: () => ({
      query: `{
        users(first: 1) { edges { node { externalUserId } } pageInfo { hasNextPage hasPreviousPage } }
        found: users(search: "ADA@example") { edges { node { firstName } } }
      }`,
    }),
    answer: () => ({
      data: {
        users: {
          edges: [{ node: { externalUserId: 'ext-bob' } }],
          pageInfo: { hasNextPage: true, hasPreviousPage: false },
        },
        found: { edges: [{ node: { firstName: 'Ada' } }] },
      },
    }),
  },
  {
    name: 'recentSyncEvents shows the newest events, newest first',
    ask: ({ ada }) => ({
      query: `query ($id: UUID!) { user(id: $id) { recentSyncEvents(limit: 2) { ${eventFields} message } } }`,
      variables: { id: ada },
    }),
    answer: () => ({
      data: {
        user: {
          recentSyncEvents: [
            {
              ...{ id: eventIds[6], sequence: 7, cursor: '7', timestamp: at(5), message: 'too late', late: true },
              ...{ ...run2, stage: 'FETCHING', status: 'IN_PROGRESS', statusRaw: 'in_progress', itemsProcessed: null },
            },
            {
              ...{ id: eventIds[5], sequence: 6, cursor: '6', timestamp: at(6), message: null, late: false },
              ...{ ...run2, stage: 'COMPLETED', status: 'SUCCESS', statusRaw: 'success', itemsProcessed: null },
            },
          ],
        },
      },
    }),
  },
  {
    name: 'recentSyncEvents filters',
    ask: ({ ada }) => ({
      query: `query ($id: UUID!, $filter: SyncEventFilter) {
        user(id: $id) { recentSyncEvents(filter: $filter) { sequence } }
      }`,
      variables: { id: ada, filter: { sources: ['PULL'], statuses: ['IN_PROGRESS'], providers: ['oura', 'garmin'] } },
    }),
    answer: () => ({
      data: { user: { recentSyncEvents: [4, 3, 2, 1].map((sequence) => ({ sequence })) } },
    }),
  },
  {
    name: 'syncEvents pages through the log, oldest first',
    ask: ({ ada }) => ({
      query: `query ($id: UUID!) { user(id: $id) { syncEvents(first: 2, after: "3") {
        edges { cursor node { sequence } } pageInfo { hasPreviousPage hasNextPage startCursor endCursor }
      } } }`,
      variables: { id: ada },
    }),
    answer: () => ({
      data: {
        user: {
          syncEvents: {
            edges: [
              { cursor: '4', node: { sequence: 4 } },
              { cursor: '5', node: { sequence: 5 } },
            ],
            pageInfo: { hasPreviousPage: true, hasNextPage: true, startCursor: '4', endCursor: '5' },
          },
        },
      },
    }),
  },
  {
    name: 'syncRuns lists runs, newest activity first',
    ask: () => ({
      query: '{ syncRuns { edges { node { runId status isTerminal eventCount durationMs lastEventAt } } } }',
    }),
    answer: () => ({
      data: {
        syncRuns: {
          edges: [
            {
              node: {
                ...{ runId: 'run_2', status: 'SUCCESS', isTerminal: true },
                ...{ eventCount: 3, durationMs: 2000, lastEventAt: at(6) },
              },
            },
            {
              node: {
                ...{ runId: 'run_1', status: 'IN_PROGRESS', isTerminal: false },
                ...{ eventCount: 4, durationMs: null, lastEventAt: at(3) },
              },
            },
          ],
        },
      },
    }),
  },
  {
    name: 'syncRun finds a run of a user, with its events',
    ask: ({ ada }) => ({
      query: `query ($id: UUID!, $runId: ID!) { user(id: $id) {
        syncRun(runId: $runId) { source events(last: 1) { edges { node { sequence run { runId } } } } }
        none: syncRun(runId: "another") { runId }
      } }`,
      variables: { id: ada, runId: 'run_2' },
    }),
    answer: () => ({
      data: {
        user: {
          syncRun: { source: 'WEBHOOK', events: { edges: [{ node: { sequence: 7, run: { runId: 'run_2' } } }] } },
          none: null,
        },
      },
    }),
  },
  {
    name: 'operationName chooses among several operations',
    ask: () => ({ query: 'query A { viewer { kind } } query B { __typename }', operationName: 'B' }),
    answer: () => ({ data: { __typename: 'Query' } }),
  },
];

const refusedQueries: readonly Example[] = [
  {
    name: 'a query without a credential',
    ask: () => ({ query: '{ users { edges { cursor } } }', headers: {} }),
    answer: () => ({ data: null, codes: ['UNAUTHENTICATED'], path: ['users'] }),
  },
  {
    name: 'a query with a key that may not read',
    ask: ({ writer }) => ({ query: '{ users { edges { cursor } } }', headers: writer }),
    answer: () => ({ data: null, codes: ['FORBIDDEN'], path: ['users'] }),
  },
  {
    name: 'a text that is no GraphQL',
    ask: () => ({ query: '{ users(' }),
    answer: () => ({ codes: ['BAD_USER_INPUT'] }),
  },
  {
    name: 'a field that does not exist',
    ask: () => ({ query: '{ viewer { kind password } }' }),
    answer: () => ({ codes: ['BAD_USER_INPUT'] }),
  },
  {
    name: 'a variable of the wrong type',
    ask: () => ({ query: 'query ($id: UUID!) { user(id: $id) { id } }', variables: { id: 'ada' } }),
    answer: () => ({ codes: ['BAD_USER_INPUT'] }),
  },
  {
    name: 'an operationName that is not in the document',
    ask: () => ({ query: 'query A { __typename } query B { __typename }', operationName: 'C' }),
    answer: () => ({ codes: ['BAD_USER_INPUT'] }),
  },
  {
    name: 'a limit past the bound',
    ask: ({ ada }) => ({ query: `{ user(id: "${ada}") { recentSyncEvents(limit: 201) { id } } }` }),
    answer: () => ({ data: { user: null }, codes: ['BAD_USER_INPUT'], path: ['user', 'recentSyncEvents'] }),
  },
  {
    name: 'a document that is nested too deep',
    ask: () => ({ query: `${'{ user '.repeat(17)}${'}'.repeat(17)}` }),
    answer: () => ({ codes: ['LIMIT_EXCEEDED'] }),
  },
];

const mutations: readonly Example[] = [
  {
    name: 'upsertUser makes a user',
    ask: () => ({
      query: 'mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { firstName lastName headCursor } }',
      variables: { input: { externalUserId: randomUUID(), firstName: 'Grace' } },
    }),
    answer: () => ({ data: { upsertUser: { firstName: 'Grace', lastName: null, headCursor: '0' } } }),
  },
  {
    name: 'recordSyncEvents appends to a log',
    ask: ({ bob }) => ({
      query: `mutation ($input: RecordSyncEventsInput!) { recordSyncEvents(input: $input) { results {
        duplicate event { userId runId progress metadata timestamp recordedAt user { externalUserId } }
      } } }`,
      variables: {
        input: { events: [{ ...anEvent, userId: bob, progress: 0.5, timestamp: at(1), metadata: { a: [1, null] } }] },
      },
    }),
    answer: ({ bob }) => ({
      data: {
        recordSyncEvents: {
          results: [
            {
              duplicate: false,
              event: {
                ...{ userId: bob, runId: 'run_1', progress: 0.5, metadata: { a: [1, null] }, timestamp: at(1) },
                ...{ recordedAt: anyTime, user: { externalUserId: 'ext-bob' } },
              },
            },
          ],
        },
      },
    }),
  },
  {
    name: 'recordSyncEvents knows a retry',
    ask: ({ ada }) => ({
      query: `mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) {
        results { duplicate event { id sequence } }
      } }`,
      variables: { events: [{ ...anEvent, userId: ada, id: eventIds[0], itemsProcessed: 0 }] },
    }),
    answer: () => ({
      data: { recordSyncEvents: { results: [{ duplicate: true, event: { id: eventIds[0], sequence: 1 } }] } },
    }),
  },
  {
    name: 'createUserToken makes a token',
    ask: ({ ada }) => ({
      query: 'mutation ($id: UUID!) { createUserToken(userId: $id, expiresInSeconds: 60) { token expiresAt } }',
      variables: { id: ada },
    }),
    answer: () => ({
      data: { createUserToken: { token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/), expiresAt: anyTime } },
    }),
  },
];

const refusedMutations: readonly Example[] = [
  {
    name: 'recording for an unknown user',
    ask: () => ({
      query: 'mutation ($e: [SyncEventInput!]!) { recordSyncEvents(input: { events: $e }) { results { duplicate } } }',
      variables: { e: [{ ...anEvent, userId: randomUUID() }] },
    }),
    answer: () => ({ data: null, codes: ['NOT_FOUND'], path: ['recordSyncEvents'] }),
  },
  {
    name: 'an event id that stands for something else',
    ask: ({ ada }) => ({
      query: 'mutation ($e: [SyncEventInput!]!) { recordSyncEvents(input: { events: $e }) { results { duplicate } } }',
      variables: { e: [{ ...anEvent, userId: ada, id: eventIds[0], message: 'other' }] },
    }),
    answer: () => ({ data: null, codes: ['EVENT_ID_CONFLICT'], path: ['recordSyncEvents'] }),
  },
  {
    name: 'an external id that belongs to another user',
    ask: ({ bob }) => ({
      query: 'mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { id } }',
      variables: { input: { id: bob, externalUserId: 'ext-ada' } },
    }),
    answer: () => ({ data: null, codes: ['BAD_USER_INPUT'], path: ['upsertUser'] }),
  },
  {
    name: 'a token for an unknown user',
    ask: () => ({
      query: 'mutation ($id: UUID!) { createUserToken(userId: $id) { token } }',
      variables: { id: randomUUID() },
    }),
    answer: () => ({ data: null, codes: ['NOT_FOUND'], path: ['createUserToken'] }),
  },
  {
    name: 'a mutation with a key that may only read',
    ask: ({ reader }) => ({ query: 'mutation { upsertUser(input: {}) { id } }', headers: reader }),
    answer: () => ({ data: null, codes: ['FORBIDDEN'], path: ['upsertUser'] }),
  },
];

function check(answer: OperationAnswer, { data, codes = [], path }: ReturnType<Example['answer']>): void {
  expect(codesOf(answer)).toEqual(codes);
  expect(answer.errors?.[0]?.path).toEqual(path);
  expect(answer.data).toEqual(data);
}

describe.each(Object.entries(transports))('over %s', (transport, ask) => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.server.close());

  for (const example of queries)
    test(example.name, async () => {
      const answer = await ask(world.server.url, { headers: world.reader, ...example.ask(world) });
      check(answer, example.answer(world));
    });

  for (const example of refusedQueries)
    test(`refused: ${example.name}`, async () => {
      const answer = await ask(world.server.url, { headers: world.reader, ...example.ask(world) });
      check(answer, example.answer(world));
    });

  if (transport === 'get')
    for (const { name, ask: wish } of [...mutations, ...refusedMutations])
      test(`refused, as GET changes nothing: ${name}`, async () => {
        const answer = await ask(world.server.url, { headers: world.server.admin, ...wish(world) });
        check(answer, { codes: ['BAD_USER_INPUT'] });
      });
  else
    for (const example of [...mutations, ...refusedMutations])
      test(example.name, async () => {
        const answer = await ask(world.server.url, { headers: world.server.admin, ...example.ask(world) });
        check(answer, example.answer(world));
      });
});

describe('every transport gives the same answer', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.server.close());

  /** Messages are for people; everything else is for programs. */
  const withoutMessages = ({ data, errors }: OperationAnswer) => ({
    data,
    errors: errors?.map(({ message: _, ...error }) => error),
  });

  for (const example of [...queries, ...refusedQueries])
    test(example.name, async () => {
      const operation = { headers: world.reader, ...example.ask(world) };
      const { post, ...others } = transports;
      const expected = withoutMessages(await post(world.server.url, operation));
      for (const [transport, ask] of Object.entries(others)) {
        const answer = withoutMessages(await ask(world.server.url, operation));
        expect({ transport, ...answer }).toEqual({ transport, ...expected });
      }
    });
});
