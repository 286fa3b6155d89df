import { describe, expect, test } from 'vitest';
import { recordMutation } from '../support/extreme-input.ts';
import { transports } from '../support/graphql-transports.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { rest } from '../support/rest-client.ts';
import { anEvent, type TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

const problemsOf = async (events: readonly unknown[], query = recordMutation, variables: object = { events }) => {
  const { errors } = await server.graphql(query, variables);
  expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  return errors[0]?.extensions.problems as { index: number; field: string; message: string }[];
};
const placesIn = (problems: readonly { index: number; field: string }[]) =>
  problems.map(({ index, field }) => `${index}.${field}`);

describe('all problems of a batch are listed, whatever kind they are of', () => {
  const event = () => ({ ...anEvent, userId });
  const batch = () => [
    { ...event(), source: 'NONE', status: 'UNRECOGNIZED' },
    event(),
    { ...event(), userId: 'x', timestamp: 'now', progress: 2 },
    { ...event(), provider: undefined, itemsTotal: 2 ** 40, itemsProcessed: -1, metadata: { a: '\0' } },
    { ...event(), colour: 'red', message: 'x\0' },
    'nothing',
    { ...event(), stage: 'UNRECOGNIZED', runId: '' },
  ];
  const expected = [
    ...['0.source', '0.status', '2.userId', '2.timestamp', '2.progress', '3.provider', '3.itemsTotal'],
    ...['3.itemsProcessed', '3.metadata', '4.colour', '4.message', '5.', '6.stage', '6.runId'],
  ].sort();

  test('in a variable of events', async () => {
    expect(placesIn(await problemsOf(batch())).sort()).toEqual(expected);
  });

  test('in a variable of the whole input', async () => {
    const query =
      'mutation ($input: RecordSyncEventsInput!) { recordSyncEvents(input: $input) { results { duplicate } } }';
    expect(placesIn(await problemsOf([], query, { input: { events: batch() } })).sort()).toEqual(expected);
  });

  test('spelled out in the document', async () => {
    const words = new Set(['source', 'stage', 'status']);
    const literal = (value: unknown, name = ''): string => {
      if (words.has(name)) return String(value);
      if (typeof value !== 'object' || value === null) return JSON.stringify(value);
      const fields = Object.entries(value).filter(([, each]) => each !== undefined);
      return `{ ${fields.map(([key, each]) => `${key}: ${literal(each, key)}`).join(', ')} }`;
    };
    const record = (events: readonly string[], declared = '') =>
      `mutation ${declared} { recordSyncEvents(input: { events: [${events.join(', ')}] }) { results { duplicate } } }`;
    const problems = await problemsOf([], record(batch().map((each) => literal(each))));
    expect(placesIn(problems).sort()).toEqual(expected);
    expect(problems[0]?.message).toContain('Value "NONE" does not exist in "SyncSource" enum.');

    // What stands in a variable is looked at when there is one.
    const withVariable = literal({ ...event(), stage: 'NONE', runId: '' }).replace(JSON.stringify(userId), '$id');
    const some = await problemsOf([], record([withVariable, '$event'], '($id: UUID!, $event: SyncEventInput!)'), {});
    expect(placesIn(some)).toEqual(['0.stage', '0.runId']);

    const elsewhere = record([literal(event())]).replace('duplicate', 'nothing');
    expect(await problemsOf([], elsewhere)).toBeUndefined();
  });

  test('with the words of each', async () => {
    const [source, status] = await problemsOf(batch());
    expect(source?.message).toContain('Value "NONE" does not exist in "SyncSource" enum.');
    expect(status).toEqual({ index: 0, field: 'status', message: 'UNRECOGNIZED is for output only' });
  });

  test('where only a word is UNRECOGNIZED, which fits its type', async () => {
    const problems = await problemsOf([
      { ...event(), source: 'UNRECOGNIZED', progress: -1 },
      { ...event(), runId: '' },
    ]);
    expect(placesIn(problems)).toEqual(['0.source', '0.progress', '1.runId']);
  });

  test.each(['post', 'websocket'] as const)(
    'up to the first 20, also of a list that is wrong in tens of thousands of places: %s',
    async (transport) => {
      const variables = { events: Array.from({ length: 60_000 }, () => ({})) };
      const { errors } = await transports[transport](server.url, { query: recordMutation, variables });
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT' });
      expect(errors?.[0]?.extensions?.problems).toHaveLength(20);
    },
  );

  test('up to the first 20', async () => {
    const problems = await problemsOf(Array.from({ length: 30 }, () => ({ ...event(), source: 'NONE' })));
    expect(placesIn(problems)).toEqual(Array.from({ length: 20 }, (_, index) => `${index}.source`));
  });
});

test('REST lists them under its own names', async () => {
  const event = { run_id: 'r', provider: 'p', source: 'pull', stage: 'queued', status: 'in_progress' };
  const post = (body: unknown) =>
    rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...server.admin },
      body,
    });
  const batch = [
    { ...event, source: 'none', progress: 2 },
    { ...event, run_id: undefined, items_total: -1, metadata: { a: '\0' } },
    { ...event, colour: 'red', user_id: server.admin },
    7,
  ];
  const { status, body } = await post(batch);
  expect([status, body.detail]).toEqual([
    400,
    'events[0].source: must be one of pull, webhook, sdk, backfill, xml_import, linked_account',
  ]);
  expect(placesIn(body.problems).sort()).toEqual(
    ['0.source', '0.progress', '1.run_id', '1.items_total', '1.metadata', '2.', '2.user_id', '3.'].sort(),
  );
  const messages = new Map(body.problems.map((one: { message: string }) => [placesIn([one as never])[0], one.message]));
  expect(messages.get('1.run_id')).toBe('is required');
  expect(messages.get('2.')).toBe('unknown fields colour');
  expect(messages.get('3.')).toBe('must be an object');
  const wrongThroughout = await post(Array.from({ length: 60_000 }, () => ({})));
  expect([wrongThroughout.status, wrongThroughout.body.problems.length]).toEqual([400, 20]);
  expect((await post({ ...event, status: 'none' })).body).toMatchObject({
    detail: expect.stringMatching(/^status: must be one of /),
    problems: [{ index: 0, field: 'status' }],
  });
});

test('FORBIDDEN names the scope that is missing', async () => {
  const record = { query: recordMutation, variables: { events: [{ ...anEvent, userId }] }, scope: 'write' };
  const remove = {
    query: 'mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }',
    variables: { id: userId },
  };
  const cases = [
    record,
    { query: 'mutation { upsertUser(input: {}) { id } }', variables: {}, scope: 'write' },
    { ...remove, scope: 'admin' },
    {
      query: 'mutation { createApiKey(input: { name: "x", scopes: [READ] }) { secret } }',
      variables: {},
      scope: 'admin',
    },
  ];
  const reader = server.app.services.keys;
  const { secret, key } = await reader.create({ name: 'reads', scopes: ['read'], expiresAt: null });
  for (const { query, variables, scope } of cases) {
    const { errors } = await server.graphql(query, variables, { 'x-api-key': secret });
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining(`it lacks the scope ${scope}`),
      extensions: { code: 'FORBIDDEN', missingScope: scope },
    });
  }
  const { status, body } = await rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': secret },
    body: { run_id: 'r', provider: 'p', source: 'pull', stage: 'queued', status: 'in_progress' },
  });
  expect({ status, body }).toEqual({
    status: 403,
    body: { detail: 'The credential does not permit this: it lacks the scope write' },
  });
  const ofUser = await server.graphql(record.query, record.variables, await server.userToken(userId));
  expect(ofUser.errors[0]?.message).toContain('a token for one user may only read their log');
  await server.app.services.database.transaction((transaction) =>
    transaction.apiKey.deleteMany({ where: { id: key.id } }),
  );
});
