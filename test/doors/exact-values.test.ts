import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { recordLiteral, recordMutation, sendJson } from '../support/extreme-input.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { type RawAnswer, send } from '../support/raw-requests.ts';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { rest } from '../support/rest-client.ts';
import type { TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
const accept = shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

/** What is special about an event, as JSON text; the fields are those of GraphQL. */
type Fields = string;

const eventText = (fields: Fields, id = randomUUID()) =>
  `{"id":"${id}","userId":"${userId}","runId":"r","provider":"p","source":"PULL","stage":"QUEUED","status":"IN_PROGRESS",${fields}}`;
const bodyText = (fields: Fields) =>
  `{"query":${JSON.stringify(recordMutation)},"variables":{"events":[${eventText(fields)}]}}`;
const json = { 'content-type': 'application/json' };
const problemsOf = ({ body }: RawAnswer) => JSON.parse(body).errors?.[0].extensions.problems ?? body;

/** Every way to send an event as JSON through GraphQL; each answers the problems of a refused recording. */
const doors: Readonly<Record<string, (fields: Fields) => Promise<unknown>>> = {
  async post(fields) {
    return problemsOf(await sendJson(server, recordMutation, `{"events":[${eventText(fields)}]}`));
  },
  async 'post in chunks'(fields) {
    const headers = { ...json, ...server.admin };
    return problemsOf(await send(server.url, { headers, body: [bodyText(fields)] }));
  },
  async websocket(fields) {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ ...server.admin }));
    await socket.next();
    socket.send(`{"type":"subscribe","id":"1","payload":${bodyText(fields)}}`);
    const { payload } = (await socket.next()) as { payload: { errors?: { extensions: { problems: unknown } }[] } };
    socket.close();
    return payload.errors?.[0]?.extensions.problems ?? payload;
  },
};

const bad: readonly [what: string, metadata: string, reason: string][] = [
  ['an integer beyond 2^53', '{"n":9007199254740993}', '9007199254740993'],
  ['one in a list', '{"a":[1,{"b":[-9007199254740993]}]}', '-9007199254740993'],
  ['a number beyond the largest', '{"n":1e400}', '1e400'],
  ['a number below the smallest', '{"n":1e-400}', '1e-400'],
  ['a long fraction', '{"n":0.1000000000000000055511}', '0.1000000000000000055511'],
  ['a key that stands twice', '{"a":{"n":1,"n":2}}', 'stands twice'],
];

for (const [door, problemsBy] of Object.entries(doors))
  describe(`metadata by ${door} is refused, with field and reason, for`, () => {
    test.each(bad)('%s', async (_, metadata, reason) => {
      expect(await problemsBy(`"metadata":${metadata}`)).toEqual([
        { index: 0, field: 'metadata', message: expect.stringContaining(reason) },
      ]);
    });
  });

describe('metadata in REST is refused, with field and reason, for', () => {
  test.each(bad)('%s', async (_, metadata, reason) => {
    const { status, body } = await post(`"metadata":${metadata}`);
    expect({ status, detail: body.detail }).toEqual({ status: 400, detail: expect.stringMatching(/^metadata: /) });
    expect(body.detail).toContain(reason);
  });

  test('metadata that stands twice', async () => {
    const { status, body } = await post('"metadata":{"a":1},"metadata":{}');
    expect([status, body.detail]).toEqual([400, 'metadata: the key metadata stands twice in its object']);
  });
});

describe('metadata in a document is refused, with field and reason, for', () => {
  test.each([
    ['an integer beyond 2^53', '{n: 9007199254740993}', '9007199254740993 at n'],
    ['one in a list', '{a: [1, {b: [-9007199254740993]}]}', '-9007199254740993 at a[1].b[0]'],
    ['a number beyond the largest', '{n: 1e400}', '1e400'],
    ['a long fraction', '{n: 0.1000000000000000055511}', '0.1000000000000000055511'],
  ])('%s', async (_, metadata, reason) => {
    const { errors } = await server.graphql(recordLiteral(userId, `metadata: ${metadata}`));
    expect(errors[0]?.extensions.problems).toEqual([
      { index: 0, field: 'metadata', message: expect.stringContaining(reason) },
    ]);
  });

  test('a word without quotes, which JSON does not have', async () => {
    const { errors } = await server.graphql(recordLiteral(userId, 'metadata: {a: [FAST]}'));
    expect(errors[0]?.message).toContain('JSONObject cannot hold FAST at a[0]');
  });

  test('a number in a variable, through whatever type it comes', async () => {
    for (const type of ['JSONObject', 'Float', 'ID', 'Int']) {
      const query = recordLiteral(userId, 'metadata: {a: $v}').replace('mutation', `mutation ($v: ${type}!)`);
      const value = type === 'JSONObject' ? '{"b":9007199254740993}' : '9007199254740993';
      const answer = await sendJson(server, query, `{"v":${value}}`);
      expect(answer.codes).toEqual(['BAD_USER_INPUT']);
      expect(answer.body).toContain('9007199254740993 at variables.v');
    }
  });
});

test('a run id that is a number beyond 2^53 becomes no other one', async () => {
  const { codes, body } = await sendJson(
    server,
    recordMutation,
    `{"events":[${eventText('"runId":1').replace('"runId":"r",', '').replace('"runId":1', '"runId":9007199254740993')}]}`,
  );
  expect(codes).toEqual(['BAD_USER_INPUT']);
  expect(body).toContain('the number 9007199254740993 at variables.events[0].runId would become 9007199254740992');
});

test('of an argument that stands twice neither is taken', async () => {
  const query = 'mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { id } }';
  const { codes } = await sendJson(server, query, '{"input":{"email":"a@b.example"},"input":{"email":"c@d.example"}}');
  expect(codes).toEqual(['BAD_USER_INPUT']);
  const { codes: twice } = await send(server.url, {
    headers: { ...json, ...server.admin },
    body: `{"query":${JSON.stringify(query)},"variables":{"input":{}},"variables":{"input":{"firstName":"B"}}}`,
  });
  expect(twice).toEqual(['BAD_USER_INPUT']);
});

test('every other number comes out with the value that it came in with, and is a duplicate when it comes again', async () => {
  const numbers =
    '[0,-0,1.0,1e0,-1,0.1,72.30000000000001,0.30000000000000004,9007199254740991,-9007199254740992,1e21,123456789012345680000,1e308,1.7976931348623157e308,2.2250738585072014e-308,5e-324,1e-7]';
  const id = randomUUID();
  const send = () => sendJson(server, recordMutation, `{"events":[${eventText(`"metadata":{"n":${numbers}}`, id)}]}`);
  expect(JSON.parse((await send()).body).data.recordSyncEvents.results).toEqual([{ duplicate: false }]);
  const { data } = await server.graphql(
    'query ($id: UUID!) { user(id: $id) { recentSyncEvents(limit: 1) { metadata } } }',
    { id: userId },
  );
  const positiveZero = JSON.parse(numbers).map((number: number) => number + 0);
  expect(data.user.recentSyncEvents).toEqual([{ metadata: { n: positiveZero } }]);
  expect(JSON.parse((await send()).body).data.recordSyncEvents.results).toEqual([{ duplicate: true }]);
  const other = `{"events":[${eventText(`"metadata":{"n":${numbers.replace('991', '990')}}`, id)}]}`;
  expect((await sendJson(server, recordMutation, other)).codes).toEqual(['EVENT_ID_CONFLICT']);
  const literal = recordLiteral(userId, `id: "${id}" metadata: {n: ${numbers}}`);
  expect((await server.graphql(literal)).data.recordSyncEvents.results).toEqual([{ duplicate: true }]);
  await accept();
});

function post(fields: Fields) {
  return rest(`${server.url}/api/v1/users/${userId}/sync/events`, {
    method: 'POST',
    headers: { ...json, ...server.admin },
    body: `{"run_id":"r","provider":"p","source":"pull","stage":"queued","status":"in_progress",${fields}}`,
  });
}
