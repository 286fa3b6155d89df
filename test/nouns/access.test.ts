import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codesOf, type OperationAnswer, transports } from '../support/graphql-transports.ts';
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { anEvent, type Headers, startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

let issuer: IdentityProvider;
let server: TestServer;
/** Two users with a log each; tokens for one user are for `own`. */
let own: string;
let foreign: string;

beforeAll(async () => {
  issuer = await startIdentityProvider();
  server = await startServer({ settings: issuer.settings });
  own = await server.user({ externalUserId: 'ext-own', firstName: 'Own' });
  foreign = await server.user({ externalUserId: 'ext-foreign', firstName: 'Foreign' });
  await server.record({ userId: own }, { userId: foreign }, { userId: foreign, runId: 'run_2' });
});
afterAll(async () => {
  await server.close();
  await issuer.close();
});

/** A row of the table of viewers: what a credential sees and may do. */
interface Row {
  readonly name: string;
  readonly credential: () => Promise<Headers>;
  readonly kind: 'SERVICE' | 'DEVELOPER' | 'USER' | 'ANONYMOUS';
  readonly sees: 'all' | 'own' | 'nothing';
  /** Scopes as `viewer` shows them. `READ` is there if anything can be read. */
  readonly scopes: readonly ('READ' | 'WRITE' | 'ADMIN' | 'METRICS')[];
  readonly makesTokens: boolean;
}

const developer = { kind: 'DEVELOPER', sees: 'all', makesTokens: true } as const;
const user = { kind: 'USER', sees: 'own', scopes: ['READ'], makesTokens: false } as const;
const service = { kind: 'SERVICE' } as const;
const blind = { sees: 'nothing', makesTokens: false } as const;
const seeing = { sees: 'all', makesTokens: true } as const;

const table: readonly Row[] = [
  { name: 'an API key with read', credential: () => server.key('read'), ...service, ...seeing, scopes: ['READ'] },
  { name: 'an API key with write', credential: () => server.key('write'), ...service, ...blind, scopes: ['WRITE'] },
  { name: 'an API key with admin', credential: () => server.key('admin'), ...service, ...blind, scopes: ['ADMIN'] },
  {
    name: 'an API key with metrics',
    credential: () => server.key('metrics'),
    ...service,
    ...blind,
    scopes: ['METRICS'],
  },
  {
    name: 'an API key with all scopes',
    credential: () => server.key('read', 'write', 'admin'),
    ...{ ...service, ...seeing, scopes: ['READ', 'WRITE', 'ADMIN'] },
  },
  {
    name: 'an API key as bearer token',
    credential: async () => ({ authorization: `Bearer ${(await server.key('read'))['x-api-key']}` }),
    ...{ ...service, ...seeing, scopes: ['READ'] },
  },
  {
    name: 'an API key under the name of Open Wearables',
    credential: async () => ({ 'X-Open-Wearables-API-Key': (await server.key('write'))['x-api-key'] as string }),
    ...{ ...service, ...blind, scopes: ['WRITE'] },
  },
  ...(['HS256', 'RS256', 'ES256'] as const).flatMap((algorithm): Row[] => [
    {
      name: `a developer's token (${algorithm}) without a scope`,
      credential: () => issuer.bearer(algorithm),
      ...{ ...developer, scopes: ['READ'] },
    },
    {
      name: `a developer's token (${algorithm}) with write`,
      credential: () => issuer.bearer(algorithm, { scope: 'openid write' }),
      ...{ ...developer, scopes: ['READ', 'WRITE'] },
    },
    {
      name: `a developer's token (${algorithm}) with write and admin`,
      credential: () => issuer.bearer(algorithm, { scope: 'write admin' }),
      ...{ ...developer, scopes: ['READ', 'WRITE', 'ADMIN'] },
    },
    {
      name: `a user's token (${algorithm}) with a scope behind the name of an API`,
      credential: () => issuer.bearer(algorithm, { sub: own, scope: 'https://api.example.com/sync:self admin' }),
      ...user,
    },
    {
      name: `a user's token (${algorithm}) with a role`,
      credential: () => issuer.bearer(algorithm, { sub: own, scope: 'write', roles: ['sync:self'] }),
      ...user,
    },
    {
      name: `an SDK's token (${algorithm})`,
      credential: () => issuer.bearer(algorithm, { sub: own, scope: 'sdk' }),
      ...user,
    },
  ]),
  { name: "a user's token", credential: () => server.userToken(own), ...user },
  {
    name: "a user's token that asks for more",
    credential: () => issuer.bearer('HS256', { sub: own.toUpperCase(), scope: 'sync:self read write admin' }),
    ...user,
  },
  { name: 'no credential', credential: async () => ({}), kind: 'ANONYMOUS', ...blind, scopes: [] },
  {
    name: 'another scheme than Bearer',
    credential: async () => ({ authorization: 'Basic dXNlcjpwYXNz' }),
    ...{ kind: 'ANONYMOUS', ...blind, scopes: [] },
  },
];

const stranger = randomUUID();

function visibleTo({ sees }: Row): readonly string[] {
  if (sees === 'nothing') return [];
  return sees === 'all' ? [own, foreign] : [own];
}

const { get: _get, ...both } = transports; // queries and mutations; GET is held to the same by operations.test.ts

for (const [transport, ask] of Object.entries(both))
  describe(`over ${transport}`, () => {
    for (const row of table)
      test(row.name, async () => {
        const headers = await row.credential();
        const run = (query: string, variables: Record<string, unknown> = {}) =>
          ask(server.url, { query, variables, headers });
        const refusal = row.kind === 'ANONYMOUS' ? 'UNAUTHENTICATED' : 'FORBIDDEN';
        const codes = (isAllowed: boolean, otherwise: string[] = []) => (isAllowed ? otherwise : [refusal]);
        const may = (scope: Row['scopes'][number]) => row.scopes.includes(scope);
        const reads = row.sees !== 'nothing';

        const { data } = await run('{ viewer { kind scopes userId } }');
        expect(data.viewer).toEqual({
          ...{ kind: row.kind, scopes: row.scopes, userId: row.kind === 'USER' ? own : null },
        });

        const visible = visibleTo(row);
        for (const id of [own, foreign, stranger]) {
          const answer = await run('query ($id: UUID!) { user(id: $id) { id recentSyncEvents { userId } } }', { id });
          expect(codesOf(answer)).toEqual(codes(reads));
          if (reads) expect(answer.data.user?.id).toBe(visible.includes(id) ? id : undefined);
        }
        const lists = await run(`{
          users(first: 100) { edges { node { id } } }
          syncRuns(first: 200) { edges { node { user { id } } } }
        }`);
        if (reads) {
          const listed = new Set(lists.data.users.edges.map(({ node }: { node: { id: string } }) => node.id));
          const withRuns = new Set(
            lists.data.syncRuns.edges.map(({ node }: { node: { user: { id: string } } }) => node.user.id),
          );
          for (const id of [own, foreign])
            expect([listed.has(id), withRuns.has(id)]).toEqual([visible.includes(id), visible.includes(id)]);
          if (row.sees === 'own') expect([listed.size, withRuns.size]).toEqual([1, 1]);
        } else expect(new Set(codesOf(lists))).toEqual(new Set([refusal]));

        const events = [{ ...anEvent, userId: own, runId: 'access' }];
        expect(
          codesOf(
            await run(
              'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }',
              { events },
            ),
          ),
        ).toEqual(codes(may('WRITE')));
        expect(codesOf(await run('mutation { upsertUser(input: {}) { id } }'))).toEqual(codes(may('WRITE')));
        expect(codesOf(await run(`mutation { deleteUser(id: "${stranger}") { deletedUserId } }`))).toEqual(
          codes(may('ADMIN'), ['NOT_FOUND']),
        );
        expect(
          codesOf(await run('mutation { createApiKey(input: { name: "made", scopes: [READ] }) { secret } }')),
        ).toEqual(codes(may('ADMIN')));
        expect(codesOf(await run('mutation { revokeApiKey(id: "nothing") { id } }'))).toEqual(
          codes(may('ADMIN'), ['NOT_FOUND']),
        );
        for (const [id, outcome] of [
          [own, []],
          [stranger, ['NOT_FOUND']],
        ] as const)
          expect(
            codesOf(await run('mutation ($id: UUID!) { createUserToken(userId: $id) { expiresAt } }', { id })),
          ).toEqual(codes(row.makesTokens, [...outcome]));
      });
  });

for (const [transport, open] of Object.entries(streamTransports))
  describe(`subscriptions over ${transport}`, () => {
    for (const row of table)
      test(row.name, async () => {
        const headers = await row.credential();
        const visible = visibleTo(row);
        for (const userId of [own, foreign, stranger]) {
          const query =
            'subscription ($userId: UUID!) { syncEvents(userId: $userId, replayLast: 1) { events { userId } } }';
          const stream = await open(server.url, { query, variables: { userId }, headers });
          const first = await stream.next();
          if (visible.includes(userId)) expect(first?.data.syncEvents.events).toEqual([{ userId }]);
          else
            expect(first?.errors?.map(({ extensions }) => extensions.code)).toEqual([
              row.sees !== 'nothing' ? 'NOT_FOUND' : row.kind === 'ANONYMOUS' ? 'UNAUTHENTICATED' : 'FORBIDDEN',
            ]);
          await stream.close();
        }
      });
  });

describe('not found and not yours look the same', () => {
  const shown = (answer: OperationAnswer, id: string) => JSON.parse(JSON.stringify(answer).replaceAll(id, 'the user'));

  test.each([
    'query ($id: UUID!) { user(id: $id) { id email syncEvents(first: 1, after: "99") { edges { cursor } } } }',
    'query ($id: UUID!) { syncRuns(filter: { userId: $id }) { edges { cursor } pageInfo { hasNextPage } } }',
    'mutation ($id: UUID!) { createUserToken(userId: $id) { token } }',
    'mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }',
    'mutation ($id: UUID!) { upsertUser(input: { id: $id }) { id } }',
  ])('to a user: %s', async (query) => {
    const headers = await server.userToken(own);
    const answers = [foreign, stranger].map(async (id) =>
      shown(await transports.post(server.url, { query, variables: { id }, headers }), id),
    );
    const [notYours, notFound] = await Promise.all(answers);
    expect(notYours).toEqual(notFound);
  });

  test('to a user who searches, or pages from where a foreign run stands', async () => {
    const headers = await server.userToken(own);
    const run = await server.graphql(`{ user(id: "${foreign}") { syncRuns(first: 1) { edges { cursor } } } }`);
    const [{ cursor }] = run.data.user.syncRuns.edges;
    const { data, errors } = await server.graphql(
      `query ($cursor: String) {
        users(search: "ext-foreign") { edges { cursor } }
        syncRuns(after: $cursor) { edges { node { user { id } } } }
        older: syncRuns(before: $cursor) { edges { node { user { id } } } }
      }`,
      { cursor },
      headers,
    );
    expect(errors).toEqual([]);
    expect(data.users.edges).toEqual([]);
    for (const { node } of [...data.syncRuns.edges, ...data.older.edges]) expect(node.user.id).toBe(own);
  });

  test.each(Object.entries(streamTransports))('to a user who subscribes over %s', async (_, open) => {
    const headers = await server.userToken(own);
    const query = 'subscription ($userId: UUID!) { syncEvents(userId: $userId, after: "1") { cursor } }';
    const refusals = [];
    for (const userId of [foreign, stranger]) {
      const stream = await open(server.url, { query, variables: { userId }, headers });
      refusals.push(shown((await stream.next()) as OperationAnswer, userId));
      await stream.close();
    }
    expect(refusals[0]).toEqual(refusals[1]);
  });
});

describe('a key that may only write', () => {
  const record = (selection: string) =>
    `mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { ${selection} } } }`;

  test('sees what became of its events', async () => {
    const id = randomUUID();
    const { data, errors } = await server.graphql(
      record('duplicate event { id sequence cursor userId runId message metadata late recordedAt }'),
      { events: [{ ...anEvent, userId: own, id, message: 'mine' }] },
      await server.key('write'),
    );
    expect(errors).toEqual([]);
    expect(data.recordSyncEvents.results).toMatchObject([{ duplicate: false, event: { id, message: 'mine' } }]);
  });

  test.each([
    'event { user { id } }',
    'event { user { recentSyncEvents { id } } }',
    'event { run { eventCount } }',
    'event { run { events { edges { cursor } } } }',
  ])('reads nothing through what it has recorded: %s', async (selection) => {
    const { data, errors } = await server.graphql(
      record(selection),
      { events: [{ ...anEvent, userId: foreign }] },
      await server.key('write'),
    );
    expect(data).toBeNull();
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
  });

  test.each([
    'externalUserId',
    'email',
    'firstName',
    'lastName',
    'headCursor',
    'recentSyncEvents { id }',
    'syncEvents { edges { cursor } }',
    'syncRuns { edges { cursor } }',
    'syncRun(runId: "run_1") { runId }',
  ])('reads nothing through a user that it names: %s', async (selection) => {
    const { data, errors } = await server.graphql(
      `mutation ($id: UUID!) { upsertUser(input: { id: $id }) { ${selection} } }`,
      { id: foreign },
      await server.key('write'),
    );
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
    expect(JSON.stringify(data)).not.toMatch(/Foreign|ext-foreign|run_1|"\d+"/);
  });

  test('learns the id of the user', async () => {
    const mutation = 'mutation { upsertUser(input: { externalUserId: "ext-foreign" }) { id } }';
    expect((await server.graphql(mutation, {}, await server.key('write'))).data).toEqual({
      upsertUser: { id: foreign },
    });
  });
});

describe('a bad credential', () => {
  const bad: readonly [name: string, credential: () => Promise<Headers>, detail: string][] = [
    ['an unknown API key', async () => ({ 'x-api-key': 'sk-unknown' }), 'api_key'],
    [
      'an API key that was revoked',
      async () => {
        const { key, secret } = await server.app.services.keys.create({ name: 'x', scopes: ['read'], expiresAt: null });
        await server.app.services.keys.revoke(key.id);
        return { 'x-api-key': secret };
      },
      'api_key',
    ],
    ['a bearer token that is none', async () => ({ authorization: 'Bearer nothing' }), 'bearer'],
    ['an empty bearer token', async () => ({ authorization: 'Bearer' }), 'bearer'],
    ['an expired token', () => issuer.bearer('HS256', { exp: 1 }), 'bearer'],
    ['a token of another issuer', () => issuer.bearer('RS256', { iss: 'https://other.example' }), 'bearer'],
    ['a token for another audience', () => issuer.bearer('ES256', { aud: 'other' }), 'bearer'],
    ["a user's token whose subject is no user id", () => issuer.bearer('HS256', { scope: 'sdk' }), 'bearer'],
  ];

  for (const [name, credential, detail] of bad)
    test(`is refused on every transport: ${name}`, async () => {
      const headers = await credential();
      const expected = { code: 'UNAUTHENTICATED', credential: detail };
      // Even for what needs no credential: who sends one wants it to count.
      const query = '{ viewer { kind } }';
      const answer = await server.graphql(query, {}, headers);
      expect({ status: answer.status, data: answer.data }).toEqual({ status: 401, data: undefined });
      expect(answer.errors.map(({ extensions }) => extensions)).toEqual([expected]);
      for (const ask of [transports.get, transports.sse]) {
        const { data, errors } = await ask(server.url, { query, headers });
        expect({ data, extensions: errors?.map(({ extensions }) => extensions) }).toEqual({ extensions: [expected] });
      }
      const socket = await openRawSocket(server.url);
      socket.send(initMessage(headers));
      expect(await socket.closed).toMatchObject({ code: 4403, reason: answer.errors[0]?.message });
    });

  test('beside a good API key does not matter, on any transport', async () => {
    const headers = { ...(await server.key('read')), authorization: 'Bearer broken' };
    for (const ask of Object.values(transports))
      expect(await ask(server.url, { query: '{ viewer { kind } }', headers })).toMatchObject({
        data: { viewer: { kind: 'SERVICE' } },
      });
  });

  test('ends a WebSocket before it could ask for anything', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ 'x-api-key': 'sk-unknown' }));
    socket.send({ type: 'subscribe', id: '1', payload: { query: '{ viewer { kind } }' } });
    await expect(socket.next()).rejects.toThrow();
  });
});
