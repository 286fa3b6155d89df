import { type GraphQLNamedType, type GraphQLSchema, getNamedType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { fieldsOfOthers, fieldsOfTexts } from '../../src/graphql/hide-texts.ts';
import { buildSchema } from '../../src/schema.ts';
import { transports } from '../support/graphql-transports.ts';
import { type PlantedUser, planted, plantUser } from '../support/planted-user.ts';
import { rest } from '../support/rest-client.ts';
import { openRestLogStream } from '../support/rest-log-stream.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

/** What producers write freely, and user tokens are not shown: by default `error` and `metadata`; and ids of other users. */

const word = 'zebra';
const [message, error, metadata] = (['message', 'error', 'metadata'] as const).map((text) => planted(word, text));

/** So that one operation may ask for everything. */
const limits = { operationItems: { user: 100_000, service: 100_000 } };

let server: TestServer;
/** The log of `user` names `primary`, whose sync brought the data. */
let primary: string;
let user: PlantedUser;
let token: Headers;

beforeAll(async () => {
  server = await startServer({ limits });
  primary = await server.user();
  user = await plantUser(server, word, primary);
  token = await server.userToken(user.id);
});
afterAll(() => server.close());

const typesOfRow =
  'dataTypes { dataType error errorCode nativeType reason { class text event { id error metadata } } }';
const event = `id primaryUserId message error metadata extra reason { class text } ${typesOfRow}`;
const run = `runId primaryUserId newestPrimaryUserId message error milestoneError traceId reason { text event { error } } ${typesOfRow}`;
const link = `provider problem reason { text class } explain { verdict evidence { error metadata } } ${typesOfRow}`;
const everything = `{
  users(first: 5) { edges { node {
    recentSyncEvents(limit: 5) { ${event} run { ${run} } }
    syncEvents(first: 5) { edges { node { ${event} } } }
    syncRuns(first: 5) { edges { node { ${run} } } }
    syncHistory(first: 5) { edges { node { ${run} } } }
    connections { ${link} }
  } } }
  syncRuns(first: 5) { edges { node { ${run} } } }
  connections(first: 5) { edges { node { ${link} } } }
}`;

/** The hidden ones among the texts that an answer holds. */
const hiddenIn = (answer: unknown) => {
  const text = JSON.stringify(answer);
  return [error, metadata, primary].filter((each) => text.includes(String(each)));
};

describe('a user token is shown no error, no metadata and no id of another', () => {
  test.each(Object.entries(transports))('over %s, and a service is, though it asks the same', async (_name, ask) => {
    for (let repeated = 0; repeated < 2; repeated += 1) {
      const ofService = await ask(server.url, { query: everything, headers: server.admin });
      expect(ofService.errors).toBeUndefined();
      expect(hiddenIn(ofService)).toEqual([error, metadata, primary]);
      const ofUser = await ask(server.url, { query: everything, headers: token });
      expect(ofUser.errors).toBeUndefined();
      expect(hiddenIn(ofUser)).toEqual([]);
      expect(JSON.stringify(ofUser)).toContain(message);
      const [first] = ofUser.data.users.edges[0].node.recentSyncEvents;
      expect(first).toMatchObject({
        message,
        primaryUserId: null,
        error: null,
        metadata: {},
        extra: null,
        reason: { class: 'OTHER', text: null },
      });
    }
  });

  test('in a plain list, of which the answer is kept', async () => {
    const query = `{ user(id: "${user.id}") { recentSyncEvents(limit: 5) { primaryUserId message error metadata } } }`;
    for (let repeated = 0; repeated < 3; repeated += 1) {
      expect(hiddenIn((await server.graphql(query)).data)).toEqual([error, metadata, primary]);
      expect(hiddenIn((await server.graphql(query, {}, token)).data)).toEqual([]);
    }
  });

  test.each(Object.entries(streamTransports))('in streams over %s, whoever else reads them', async (_name, open) => {
    const queries = [
      `subscription { syncEvents(userId: "${user.id}", after: "0") { events { ${event} } } }`,
      `subscription { syncRunChanges { run { ${run} } } }`,
      `subscription { connectionChanges { connection { ${link} } } }`,
    ];
    for (const query of queries) {
      const streams = await Promise.all(
        [token, server.admin, token, server.admin].map((headers) => open(server.url, { query, headers })),
      );
      onTestFinished(() => Promise.all(streams.map((each) => each.close())).then(() => {}));
      const firsts = await Promise.all(streams.map((each) => each.next()));
      await server.record({
        ...{
          userId: user.id,
          runId: `${word}-live-${query.length}`,
          provider: `${word}-live`,
          stage: 'FAILED',
          status: 'FAILED',
        },
        ...{ primaryUserId: primary, message, error, metadata: { trace_id: metadata, [String(metadata)]: 1 } },
      });
      const seconds = await Promise.all(streams.map((each) => each.next()));
      for (const [index, each] of [...firsts, ...seconds].entries()) {
        expect(each?.errors).toBeUndefined();
        if (index % 2 === 0) expect(hiddenIn(each)).toEqual([]);
      }
      expect(hiddenIn([seconds[1], seconds[3]])).toContain(error);
      if (!query.includes('connectionChanges')) expect(hiddenIn([seconds[1], seconds[3]])).toContain(primary);
    }
  });

  test('over REST, lists and a stream', async () => {
    const base = `${server.url}/api/v1`;
    const ofUser = `${base}/users/${user.id}/sync`;
    const lists = [
      `${ofUser}/recent`,
      `${ofUser}/recent?after=0`,
      `${ofUser}/runs`,
      `${ofUser}/history`,
      `${base}/sync/runs`,
      `${base}/sync/history/${user.runId}`,
    ];
    for (const url of lists)
      for (let repeated = 0; repeated < 2; repeated += 1) {
        const [all, own] = [await rest(url, { headers: server.admin }), await rest(url, { headers: token })];
        expect([url, all.status, own.status]).toEqual([url, 200, 200]);
        expect([url, hiddenIn(all.body).includes(String(error))]).toEqual([url, true]);
        if (!url.includes('/history')) expect([url, hiddenIn(all.body).includes(primary)]).toEqual([url, true]);
        expect([url, hiddenIn(own.body)]).toEqual([url, []]);
      }
    const stream = await openRestLogStream(server.url, { userId: user.id, replay: 5 }, token);
    onTestFinished(() => stream.close());
    const replayed = await stream.next();
    expect(hiddenIn(replayed)).toEqual([]);
  });
});

test('a user token is shown the own id where the log names it as whose sync brought the data', async () => {
  await server.record({ userId: user.id, runId: 'own-linked', primaryUserId: user.id });
  const query = `{ user(id: "${user.id}") {
    syncRun(runId: "own-linked") { primaryUserId newestPrimaryUserId events(last: 1) { edges { node { primaryUserId } } } }
  } }`;
  const { data } = await server.graphql(query, {}, token);
  expect(data.user.syncRun).toEqual({
    ...{ primaryUserId: user.id, newestPrimaryUserId: user.id },
    events: { edges: [{ node: { primaryUserId: user.id } }] },
  });
});

describe('what is hidden is not found by searching', () => {
  const find = async (search: string, headers: Headers) => {
    const filters = { search };
    const { data } = await server.graphql(
      `query ($id: UUID!, $events: SyncEventFilter, $runs: SyncRunFilter) {
        user(id: $id) {
          recentSyncEvents(filter: $events) { id }
          syncEvents(filter: $events) { totalCount edges { node { id } } }
          syncRuns(filter: $runs) { totalCount edges { node { runId } } }
        }
        syncRuns(filter: $runs) { edges { node { runId } } }
      }`,
      { id: user.id, events: filters, runs: filters },
      headers,
    );
    const url = (list: string) => `${server.url}/api/v1/users/${user.id}/sync/${list}?search=${search}`;
    return [
      data.user.recentSyncEvents.length,
      data.user.syncEvents.edges.length,
      data.user.syncRuns.edges.length,
      data.syncRuns.edges.length,
      (await rest(url('recent'), { headers })).body.length,
      (await rest(url('runs'), { headers })).body.length,
    ].map((count) => count > 0);
  };
  const all = Array(6).fill(true);
  const none = Array(6).fill(false);

  test('in a list', async () => {
    expect(await find(String(error), server.admin)).toEqual(all);
    expect(await find(String(error), token)).toEqual(none);
    expect(await find(String(message), token)).toEqual(all);
    expect(await find(user.runId, token)).toEqual(all);
  });

  test('in a stream', async () => {
    const query = `subscription ($search: String) {
      syncEvents(userId: "${user.id}", replayLast: 50, filter: { search: $search }) { events { id } }
    }`;
    for (const [search, headers, isFound] of [
      [error, token, false],
      [message, token, true],
      [error, server.admin, true],
    ] as const) {
      const stream = await streamTransports.websocket(server.url, { query, variables: { search }, headers });
      onTestFinished(() => stream.close());
      expect((await stream.next())?.data.syncEvents.events.length > 0).toBe(isFound);
    }
  });
});

test.each([
  ['none', []],
  ['error', [error]],
  ['metadata, message', [message, metadata]],
  ['message,error,metadata', [message, error, metadata]],
])('with USER_VISIBLE=%s a user token is shown just that', async (setting, shown) => {
  const other = await startServer({ settings: { USER_VISIBLE: setting }, limits });
  onTestFinished(() => other.close());
  const another = await other.user();
  const { id } = await plantUser(other, word, another);
  const { data } = await other.graphql(everything, {}, await other.userToken(id));
  const text = JSON.stringify(data);
  expect([message, error, metadata, another].filter((each) => text.includes(String(each)))).toEqual(shown);
});

/** Texts of fields that are not what a producer writes freely: ids, slugs, words, and what Synclog itself says. */
const notFree: ReadonlySet<string> = new Set([
  ...['SyncEvent.provider', 'SyncEvent.scopeRaw', 'SyncEvent.sourceRaw', 'SyncEvent.stageRaw', 'SyncEvent.statusRaw'],
  ...['SyncRun.provider', 'SyncRun.scopeRaw', 'SyncRun.sourceRaw', 'SyncRun.stageRaw', 'SyncRun.statusRaw'],
  ...['SyncRun.milestoneStatusRaw', 'DataTypeSync.dataType', 'DataTypeSync.kindRaw', 'DataTypeSync.statusRaw'],
  ...['ProviderLink.provider', 'ProviderLink.connectionId', 'Explanation.verdict'],
  ...['User.email', 'User.externalUserId', 'User.firstName', 'User.lastName', 'Viewer.name', 'UserToken.token'],
]);

/** Types that a token for one user is never shown. */
const forOperators: ReadonlySet<string> = new Set([
  'AuditEntry',
  ...[
    'Source',
    'SourceBackfill',
    'IgnoredKind',
    'QuarantinedEntry',
    'ApiKey',
    'CreateApiKeyPayload',
    'RotateApiKeyPayload',
  ],
]);

test('every text of the schema is in the table of what is hidden, or known to be none', () => {
  const schema = buildSchema();
  const texts = ownTypes(schema).flatMap((type) =>
    Object.values(type.getFields())
      .filter((field) => ['String', 'JSONObject'].includes(getNamedType(field.type).name))
      .map((field) => `${type.name}.${field.name}`),
  );
  const undecided = texts.filter(
    (each) => !(each in fieldsOfTexts) && !notFree.has(each) && !forOperators.has(each.split('.')[0] ?? ''),
  );
  expect(undecided).toEqual([]);
});

/** Fields with the id of who or what is shown anyway. */
const ownIds: ReadonlySet<string> = new Set([
  ...[
    'User.id',
    'SyncEvent.id',
    'SyncEvent.userId',
    'SyncRun.userId',
    'Viewer.userId',
    'DeleteUserPayload.deletedUserId',
  ],
]);

test('every UUID of the schema is in the table of what may name another user, or known to be of who is shown', () => {
  const schema = buildSchema();
  const ids = ownTypes(schema).flatMap((type) =>
    Object.values(type.getFields())
      .filter((field) => getNamedType(field.type).name === 'UUID')
      .map((field) => `${type.name}.${field.name}`),
  );
  const decided: ReadonlySet<string> = new Set([...fieldsOfOthers, ...ownIds]);
  expect(ids.filter((each) => !decided.has(each) && !forOperators.has(each.split('.')[0] ?? ''))).toEqual([]);
});

test('the description of a hidden field says so', () => {
  const schema = buildSchema();
  for (const [coordinate, text] of Object.entries(fieldsOfTexts)) {
    const [typeName = '', fieldName = ''] = coordinate.split('.');
    const type: GraphQLNamedType | undefined = schema.getType(typeName);
    const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
    expect(field?.description).toMatch(new RegExp(`for a user token, unless \`USER_VISIBLE\` names \`${text}\``));
  }
});

/** Objects but those of pages and of introspection, which hold no texts but cursors. */
function ownTypes(schema: GraphQLSchema) {
  return Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !name.startsWith('__') && !name.endsWith('Edge') && name !== 'PageInfo');
}
