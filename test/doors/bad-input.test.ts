import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { DocumentCache } from '../../src/operations/document-cache.ts';
import { transports } from '../support/graphql-transports.ts';
import { initMessage, openRawSocket, send, sendBytes } from '../support/raw-requests.ts';
import { type Answer, anEvent, startServer, type TestServer } from '../support/server.ts';
import { openWebSocketStream } from '../support/streams.ts';

let server: TestServer;
let userId: string;
let stored: unknown;

const count = async () => {
  const { reader } = server.app.services.database;
  return [
    await reader.user.count(),
    await reader.syncEvent.count(),
    await reader.syncRun.count(),
    await reader.apiKey.count(),
  ];
};

beforeAll(async () => {
  server = await startServer();
  userId = await server.user();
  await server.record({ userId }, { userId, runId: 'run_2' });
});
afterAll(() => server.close());

beforeEach(async () => {
  stored = await count();
});
afterEach(async () => {
  expect(await count()).toEqual(stored);
  const { status, data } = await server.graphql('{ viewer { kind } }');
  expect({ status, data }).toEqual({ status: 200, data: { viewer: { kind: 'SERVICE' } } });
});

const codes = ({ errors }: Answer) => errors.map(({ extensions }) => extensions.code);

const recordMutation =
  'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }';
const record = (special: object) => server.graphql(recordMutation, { events: [{ ...anEvent, userId, ...special }] });

/** What stands in a document instead of variables; `fields` join or replace those of a usual event. */
const recordLiteral = (fields: string) =>
  `mutation { recordSyncEvents(input: { events: [{ userId: "${userId}" runId: "r" provider: "p" source: PULL
    stage: QUEUED status: IN_PROGRESS ${fields} }] }) { results { duplicate } } }`;

/** Sends an operation whose variables are JSON that no JavaScript value would write. */
const sendJson = (query: string, variables: string) =>
  send(server.url, {
    headers: { 'content-type': 'application/json', ...server.admin },
    body: `{"query":${JSON.stringify(query)},"variables":${variables}}`,
  });

const deepList = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const deepObject = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('an event is refused, and the field is named, for', () => {
  const long = (length: number) => 'x'.repeat(length);
  const bad: readonly [field: string, what: string, value: unknown][] = [
    ...['runId', 'provider'].flatMap((field): [string, string, unknown][] => [[field, 'no text', '']]),
    ...['runId', 'provider', 'message', 'error'].flatMap((field): [string, string, unknown][] => [
      [field, 'a NUL', 'a\0b'],
      [field, 'half of a surrogate pair', 'a\ud83c'],
      [field, 'the other half', '\udfc3b'],
    ]),
    ['runId', '256 characters', long(256)],
    ['provider', '65 characters', long(65)],
    ['message', '4,097 characters', long(4_097)],
    ['error', '16,385 characters', long(16_385)],
    ['progress', 'more than 1', 1.1],
    ['progress', 'less than 0', -0.1],
    ['progress', 'hardly more than 1', 1 + Number.EPSILON],
    ...['itemsProcessed', 'itemsTotal'].map((field): [string, string, unknown] => [field, 'a negative count', -1]),
    ...['timestamp', 'startedAt', 'endedAt'].flatMap((field): [string, string, unknown][] => [
      [field, 'a time before 2000', '1999-12-31T23:59:59.999Z'],
      [field, 'a time after 2099', '2100-01-01T00:00:00Z'],
      [field, 'a time that its offset moves out of range', '2100-01-01T00:00:00-01:00'],
    ]),
    ['metadata', 'a NUL in a value', { a: ['x\0'] }],
    ['metadata', 'a NUL in a key', { 'a\0': 1 }],
    ['metadata', 'half a surrogate pair in a value', { a: { b: '\ud83c' } }],
    ['metadata', 'half a surrogate pair in a key', { a: [{ '\udfc3': 1 }] }],
    ['metadata', 'more than 64 KiB', { a: long(65_536 - '{"a":""}'.length + 1) }],
    ['metadata', 'more than 64 KiB of few characters', { a: '\u{1f3c3}'.repeat(16_384) }],
    ['metadata', 'more than 32 levels', { a: JSON.parse(deepList(32)) }],
  ];
  for (const [field, what, value] of bad)
    test(`${field}: ${what}`, async () => {
      const answer = await record({ [field]: value });
      expect(answer.status).toBe(200);
      expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors[0]?.extensions.problems).toMatchObject([{ index: 0, field }]);
    });

  test('each of many fields at once', async () => {
    const { errors } = await record({ runId: '', progress: 2, itemsTotal: -1, metadata: { a: '\0' } });
    expect(errors[0]?.extensions.problems).toMatchObject(
      ['runId', 'progress', 'itemsTotal', 'metadata'].map((field) => ({ index: 0, field })),
    );
  });

  test('metadata: numbers that are not finite', async () => {
    const events = `[${JSON.stringify({ ...anEvent, userId, metadata: { a: 9 } }).replace('9', '1e999')}]`;
    expect(await sendJson(recordMutation, `{"events":${events}}`)).toMatchObject({ codes: ['BAD_USER_INPUT'] });
    for (const literal of ['metadata: { a: 1e999 }', 'metadata: { a: [-1e999] }'])
      expect(codes(await server.graphql(recordLiteral(literal)))).toEqual(['BAD_USER_INPUT']);
  });

  test('progress: an infinity in the document', async () => {
    for (const literal of ['progress: 1e999', 'progress: -1e999', 'progress: 1.1', 'progress: -0.1'])
      expect(codes(await server.graphql(recordLiteral(literal)))).toEqual(['BAD_USER_INPUT']);
  });

  test('metadata: 33 levels in the document, and 100,000 in the variables', async () => {
    const literal = `metadata: { a: ${deepList(32)} }`;
    expect(codes(await server.graphql(recordLiteral(literal)))).toEqual(['BAD_USER_INPUT']);
    for (const deep of [`{"a":${deepList(100_000)}}`, deepObject(100_000)]) {
      const event = JSON.stringify({ ...anEvent, userId, metadata: 'here' }).replace('"here"', deep);
      expect(await sendJson(recordMutation, `{"events":[${event}]}`)).toMatchObject({
        status: 200,
        codes: ['BAD_USER_INPUT'],
      });
    }
  });
});

describe('an event at every bound is accepted', () => {
  afterEach(async () => {
    stored = await count();
  });

  test('texts, counts, times and metadata', async () => {
    const most = {
      runId: 'x'.repeat(255),
      provider: 'x'.repeat(64),
      message: 'x'.repeat(4_096),
      error: 'x'.repeat(16_384),
    };
    await server.record(
      { userId, ...most, progress: 1, itemsProcessed: 2_147_483_647, itemsTotal: 0 },
      { userId, message: '', error: '', progress: 0, timestamp: '2000-01-01T00:00:00Z' },
      { userId, metadata: { a: 'x'.repeat(65_536 - '{"a":""}'.length) }, timestamp: '2099-12-31T23:59:59.999Z' },
      { userId, metadata: { a: JSON.parse(deepList(31)) } },
    );
    expect((await server.graphql(recordLiteral(`metadata: { a: ${deepList(31)} }`))).errors).toEqual([]);
  });
});

describe('a value that does not fit its type is refused before anything runs', () => {
  const variables: readonly [type: string, values: readonly unknown[]][] = [
    ['UUID', ['', 'x', 1, true, [], {}, userIdWithout(1), `${userIdWithout(0)}0`, ` ${userIdWithout(0)}`, 'urn:uuid:']],
    [
      'DateTime',
      [
        '',
        'x',
        5,
        true,
        [],
        {},
        '2026-03-14',
        '2026-03-14T07:00:00',
        '2026-03-14 07:00:00Z',
        '2026-02-30T00:00:00Z',
        '2026-03-14T24:00:00Z',
        '2026-03-14T07:00:00+25:00',
        '2026-13-01T00:00:00Z',
        '+275760-09-13T00:00:00Z',
        'now',
      ],
    ],
    ['JSONObject', ['x', 1, true, [], [[]]]],
    ['Int', [1.5, 2_147_483_648, -2_147_483_649, '1', true, [], {}]],
    ['Float', ['0.5', true, [], {}]],
    ['String', [1, true, [], {}]],
    ['SyncSource', ['pull', 'NONE', 1, {}]],
    ['SyncEventFilter', [{ providers: [null] }, { sources: ['pull'] }, { other: 1 }, 'x']],
  ];
  const uses: Readonly<Record<string, string>> = {
    UUID: 'query ($v: UUID!) { user(id: $v) { id } }',
    DateTime:
      'mutation ($v: DateTime!) { createApiKey(input: { name: "x", scopes: [READ], expiresAt: $v }) { secret } }',
    JSONObject: `mutation ($v: JSONObject!) { recordSyncEvents(input: { events: [{ userId: "${randomUUID()}", runId: "r",
      provider: "p", source: PULL, stage: QUEUED, status: IN_PROGRESS, metadata: $v }] }) { results { duplicate } } }`,
    Int: 'query ($v: Int!) { users(first: $v) { edges { cursor } } }',
    Float: `mutation ($v: Float!) { recordSyncEvents(input: { events: [{ userId: "${randomUUID()}", runId: "r",
      provider: "p", source: PULL, stage: QUEUED, status: IN_PROGRESS, progress: $v }] }) { results { duplicate } } }`,
    String: 'query ($v: String!) { users(search: $v) { edges { cursor } } }',
    SyncSource: 'query ($v: SyncSource!) { syncRuns(filter: { sources: [$v] }) { edges { cursor } } }',
    SyncEventFilter: `query ($v: SyncEventFilter!) { user(id: "${randomUUID()}") { recentSyncEvents(filter: $v) { id } } }`,
  };

  for (const [type, values] of variables)
    test(type, async () => {
      for (const value of values) {
        const answer = await server.graphql(uses[type] as string, { v: value });
        expect({ value, data: answer.data, codes: codes(answer) }).toEqual({
          value,
          data: undefined,
          codes: ['BAD_USER_INPUT'],
        });
        expect(answer.status).toBe(400);
      }
    });

  for (const [type] of variables)
    test(`${type}: lists and objects, 100,000 deep`, async () => {
      for (const deep of [deepList(100_000), deepObject(100_000), '[{"toString":1,"valueOf":1}]', '1e999']) {
        const { status, codes } = await sendJson(uses[type] as string, `{"v":${deep}}`);
        // A JSON object may be of any shape; that one is for the log to refuse.
        const ran = type === 'JSONObject' && deep.startsWith('{');
        expect({ status, codes }).toEqual(
          ran
            ? { status: 200, codes: ['NOT_FOUND'].map(() => 'BAD_USER_INPUT') }
            : { status: 400, codes: ['BAD_USER_INPUT'] },
        );
      }
    });

  test('in the document as well', async () => {
    const literals: readonly string[] = [
      ...['"x"', '1', 'true', '[]', '{}', 'X'].map((value) => `{ user(id: ${value}) { id } }`),
      ...['1.5', '2147483648', '"1"', '1e1'].map((value) => `{ users(first: ${value}) { edges { cursor } } }`),
      ...['"2026-03-14"', '5', '[["x"]]'].map((value) => recordLiteral(`timestamp: ${value}`)),
      ...['"PULL"', 'pull', 'NONE'].map(
        (value) => `{ syncRuns(filter: { sources: [${value}] }) { edges { cursor } } }`,
      ),
      ...['"x"', '1', '[]'].map((value) => recordLiteral(`metadata: ${value}`)),
      recordLiteral('progress: NaN'),
      recordLiteral('message: "\\uD83C"'),
    ];
    for (const query of literals) {
      const answer = await server.graphql(query);
      expect({ query, codes: [...new Set(codes(answer))] }).toEqual({ query, codes: ['BAD_USER_INPUT'] });
      expect(answer.data).toBeUndefined();
    }
  });
});

/** A UUID that lacks so many of its last digits. */
function userIdWithout(digits: number): string {
  return '01234567-89ab-cdef-0123-456789abcdef'.slice(0, 36 - digits);
}

describe('what is not there', () => {
  test('is null or empty for a reader, and NOT_FOUND for who wants to change it', async () => {
    const stranger = randomUUID();
    const { data, errors } = await server.graphql(
      `query ($id: UUID!) {
        user(id: $id) { id }
        syncRuns(filter: { userId: $id }) { edges { cursor } }
        users(search: "nobody at all") { edges { cursor } }
      }`,
      { id: stranger },
    );
    expect(errors).toEqual([]);
    expect(data).toEqual({ user: null, syncRuns: { edges: [] }, users: { edges: [] } });
    for (const mutation of [
      'mutation ($id: UUID!) { createUserToken(userId: $id) { token } }',
      'mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }',
    ])
      expect(codes(await server.graphql(mutation, { id: stranger }))).toEqual(['NOT_FOUND']);
    expect(codes(await server.graphql('mutation { revokeApiKey(id: "nothing") { id } }'))).toEqual(['NOT_FOUND']);
    expect(codes(await record({ userId: stranger }))).toEqual(['NOT_FOUND']);
  });

  test('is not found by a text with a NUL or half a surrogate pair in it, either', async () => {
    for (const text of ['run_1\0', 'run_1\0x', '\0', 'run_1\ud83c', '\udfc3']) {
      const { data, errors } = await server.graphql(
        `query ($id: UUID!, $run: ID!, $text: String!) {
          user(id: $id) {
            syncRun(runId: $run) { runId }
            ofRun: recentSyncEvents(filter: { runId: $run }) { id }
            ofProvider: recentSyncEvents(filter: { providers: [$text] }) { id }
            syncRuns(filter: { providers: [$text] }) { edges { cursor } }
          }
        }`,
        { id: userId, run: text, text },
      );
      expect(errors).toEqual([]);
      expect(data.user).toEqual({ syncRun: null, ofRun: [], ofProvider: [], syncRuns: { edges: [] } });
    }
  });

  test('is not searched for with such a text, nor with one of more than 100 characters', async () => {
    const search = (text: string) =>
      server.graphql('query ($text: String) { users(search: $text) { edges { cursor } } }', { text });
    for (const text of ['\0', 'a\0b', '\ud83c', 'x'.repeat(101)])
      expect(codes(await search(text))).toEqual(['BAD_USER_INPUT']);
    expect((await search('x'.repeat(100))).data.users.edges).toEqual([]);
  });
});

describe('a search takes no character for a wildcard', () => {
  test('neither % nor _ nor \\', async () => {
    const { data } = await server.graphql(
      '{ p: users(search: "%") { edges { cursor } } u: users(search: "_") { edges { cursor } } }',
    );
    expect(data).toEqual({ p: { edges: [] }, u: { edges: [] } });
    const other = await startServer();
    for (const email of ['a%b', 'a_b', 'a\\b', 'axb']) await other.user({ email });
    for (const text of ['%', '_', '\\', 'A_B', 'a%b', 'x']) {
      const { data } = await other.graphql(
        'query ($text: String) { users(search: $text) { edges { node { email } } } }',
        { text },
      );
      const found = data.users.edges.map(({ node }: { node: { email: string } }) => node.email);
      expect(found).toEqual(['a%b', 'a_b', 'a\\b', 'axb'].filter((email) => email.includes(text.toLowerCase())));
    }
    await other.close();
  });
});

describe('HTTP', () => {
  const json = { 'content-type': 'application/json' };
  const query = JSON.stringify({ query: '{ __typename }' });
  const mutation = JSON.stringify({ query: 'mutation { upsertUser(input: {}) { id } }' });

  test('refuses a body that does not say that it is JSON', async () => {
    const form = new URLSearchParams({ query: 'mutation { upsertUser(input: {}) { id } }' }).toString();
    const part = `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${mutation}\r\n--x--\r\n`;
    const bodies: readonly [type: string | undefined, body: string][] = [
      ['application/x-www-form-urlencoded', form],
      ['multipart/form-data; boundary=x', part],
      ['text/plain', mutation],
      ['text/plain; application/json', mutation],
      ['application/graphql', 'mutation { upsertUser(input: {}) { id } }'],
      ['application/graphql+json', mutation],
      ['', mutation],
      [undefined, mutation],
    ];
    for (const [type, body] of bodies)
      for (const framed of [body, [body]])
        expect(
          await send(server.url, {
            headers: { ...server.admin, ...(type !== undefined && { 'content-type': type }) },
            body: framed,
          }),
        ).toMatchObject({ status: 415, codes: ['BAD_USER_INPUT'] });
  });

  test('takes JSON under its name in any case, with parameters', async () => {
    for (const type of [
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json ;x=y',
    ])
      for (const body of [query, [query.slice(0, 5), query.slice(5)]])
        expect(await send(server.url, { headers: { 'content-type': type }, body })).toMatchObject({ status: 200 });
  });

  test('refuses a body that is no GraphQL request', async () => {
    const malformed = [
      ...[
        '',
        ' ',
        '{',
        '{"query":',
        'nothing',
        'null',
        '1',
        '"{ __typename }"',
        '[]',
        `[${query}]`,
        `[${query},${query}]`,
      ],
      ...['{"query":1}', '{"query":["{ __typename }"]}', '{"query":{}}', '\ufeff', '{"query":"{ __typename }"}}'],
      ...['1', '"{}"', '[]', 'true', '[{}]'].map((value) => `{"query":"{ __typename }","variables":${value}}`),
      ...['1', '"{}"', '[]'].map((value) => `{"query":"{ __typename }","extensions":${value}}`),
      ...['1', '{}', '"Nothing"', 'true'].map((value) => `{"query":"query A { __typename }","operationName":${value}}`),
      '{"query":"{ __typename }","other":1}',
      '{"query":"query A { __typename } query B { __typename }"}',
    ];
    // For these the specification asks for 200 where the client accepts application/json.
    const withoutQuery = ['{}', '{"query":null}', '{"variables":{}}'];
    for (const [status, bodies] of [
      [400, malformed],
      [200, withoutQuery],
    ] as const)
      for (const body of bodies)
        for (const framed of [body, [body]]) {
          const answer = await send(server.url, { headers: json, body: framed });
          expect({ body, status: answer.status, codes: answer.codes }).toEqual({
            body,
            status,
            codes: ['BAD_USER_INPUT'],
          });
        }
  });

  test('does not repeat a broken body in its answer', async () => {
    for (const body of ['{"secret', '{"secret":']) {
      const answer = await send(server.url, { headers: json, body });
      expect(answer.body).not.toContain('secret');
    }
  });

  test('refuses an empty or broken document with the code of its errors', async () => {
    for (const text of [
      '',
      ' ',
      '#',
      '{',
      'query',
      '\0',
      '{ a(b: "\\uD800") }',
      'fragment F on Query { __typename }',
      'type A { b: C }',
    ])
      expect(await send(server.url, { headers: json, body: JSON.stringify({ query: text }) })).toMatchObject({
        codes: ['BAD_USER_INPUT'],
      });
  });

  test('refuses bodies that are too large, with a length and without', async () => {
    const large = JSON.stringify({ query: `# ${'x'.repeat(9 * 1_048_576)}\n{ __typename }` });
    for (const body of [large, [large.slice(0, 5_000_000), large.slice(5_000_000)]])
      expect(await send(server.url, { headers: json, body })).toMatchObject({ status: 413, codes: ['LIMIT_EXCEEDED'] });
  });

  test('takes bodies up to the bound, counted in bytes', async () => {
    const narrow = await startServer({ limits: { requestBytes: 400 } });
    const frame = JSON.stringify({ query: '{ __typename } # ' });
    const padded = (bytes: number) => frame.replace('# ', `# ü${'x'.repeat(bytes - Buffer.byteLength(frame) - 2)}`);
    for (const [bytes, status] of [
      [400, 200],
      [401, 413],
    ] as const)
      for (const body of [padded(bytes), [padded(bytes)], [...padded(bytes)]])
        expect(await send(narrow.url, { headers: json, body })).toMatchObject({ status });
    await narrow.close();
  });

  test('cuts off a body without an end, and serves on', async () => {
    const narrow = await startServer({ limits: { requestBytes: 400 } });
    const head =
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const answer = await sendBytes(narrow.url, `${head}${'5\r\nabcde\r\n'.repeat(200)}`);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect((await narrow.graphql('{ __typename }')).status).toBe(200);
    await narrow.close();
  });

  test('refuses what breaks the rules of HTTP, and does not show its inside', async () => {
    const requests = [
      'GET /graphql?query={__typename} HTTP/1.1\r\nHost: ][\r\n\r\n',
      'GET /graphql?query={__typename} HTTP/1.1\r\nHost: a b\r\n\r\n',
      'POST /graphql HTTP/1.1\r\nHost: [::1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    ];
    for (const request of requests) {
      const answer = await sendBytes(server.url, request, '\r\n0\r\n\r\n');
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer).not.toMatch(/node_modules|\.js|\.ts/);
    }
  });

  test('reads with GET and changes nothing', async () => {
    const get = (parameters: Record<string, string>) =>
      send(server.url, { method: 'GET', path: `/graphql?${new URLSearchParams(parameters)}`, headers: server.admin });
    expect(await get({ query: '{ __typename }' })).toMatchObject({ status: 200 });
    expect(await get({ query: 'mutation { upsertUser(input: {}) { id } }' })).toMatchObject({
      status: 405,
      codes: ['BAD_USER_INPUT'],
    });
    for (const parameters of [
      { query: '{ __typename }', variables: '{' },
      { query: '{ __typename }', variables: '[]' },
    ])
      expect(await get(parameters)).toMatchObject({ status: 400, codes: ['BAD_USER_INPUT'] });
    for (const method of ['PUT', 'DELETE', 'PATCH'])
      expect(await send(server.url, { method, headers: json, body: mutation })).toMatchObject({
        status: 405,
        codes: ['BAD_USER_INPUT'],
      });
  });

  test('outlives clients that leave in the middle of a request', async () => {
    const unexpected: unknown[] = [];
    const listener = (error: unknown) => unexpected.push(error);
    process.on('uncaughtException', listener).on('unhandledRejection', listener);
    const { port } = new URL(server.url);
    const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const upgrade = 'HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    const beginnings = [
      `${head}Content-Length: 50\r\n\r\n{"query"`,
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`,
      `GET /nothing ${upgrade}\r\n`,
      `GET /graphql ${upgrade}Origin: http://foreign.example\r\n\r\n`,
      `GET /graphql ${upgrade}\r\n`,
      `GET /graphql ${upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    ];
    for (const beginning of beginnings)
      for (const leave of ['destroy', 'resetAndDestroy'] as const) {
        const socket = connect(Number(port), '127.0.0.1');
        socket.on('error', () => {});
        await new Promise<void>((resolve) => socket.write(beginning, () => resolve()));
        // A refused upgrade is answered at once; a broken request leaves the server waiting for the rest.
        if (beginning.startsWith('GET')) await new Promise((resolve) => socket.once('data', resolve));
        socket[leave]();
        await server.graphql('{ __typename }');
      }
    process.off('uncaughtException', listener).off('unhandledRejection', listener);
    expect(unexpected).toEqual([]);
  });
});

describe('a document', () => {
  const refusal = async (query: string) => {
    const { status, data, errors } = await server.graphql(query);
    expect({ status, data }).toEqual({ status: 200, data: undefined });
    expect(errors).toHaveLength(1);
    return errors[0]?.extensions.code;
  };
  const inUser = (fields: string) => `{ user(id: "${userId}") { ${fields} } }`;
  /** A query that is so many fields deep, counted from the root. */
  function deep(depth: number): string {
    const isOdd = depth % 2 === 1;
    const pairs = (depth - (isOdd ? 3 : 2)) / 2;
    const leaf = isOdd ? 'recentSyncEvents(limit: 1) { id }' : 'id';
    return inUser(`${'syncRun(runId: "run_1") { user { '.repeat(pairs)}${leaf}${' } }'.repeat(pairs)}`);
  }

  test('may have 5,000 tokens', async () => {
    // Different aliases in groups, as comparing very many fields of one object is refused for its own sake.
    const groups = (tokens: number) => {
      const field = '... { __typename }'; // 4 tokens
      return `{ ${Array.from({ length: (tokens - 2) / 4 }, () => field).join(' ')} }`;
    };
    const most = groups(4_998);
    expect(await refusal(`${most} fragment`)).not.toBe('LIMIT_EXCEEDED');
    expect(await refusal(`${most} fragment F on`)).toBe('LIMIT_EXCEEDED');
    expect(await refusal(`{ ${'a '.repeat(100_000)}}`)).toBe('LIMIT_EXCEEDED');
    expect(await refusal(`{ ${'a: viewer { kind } '.repeat(1_000)}}`)).toBe('LIMIT_EXCEEDED');
  });

  test('is refused for the number of its tokens before anything else is looked at', async () => {
    expect(await refusal(`${'@'.repeat(5_001)} "unterminated`)).toBe('LIMIT_EXCEEDED');
    expect(await refusal(`# ${'x '.repeat(100_000)}\n{`)).toBe('BAD_USER_INPUT');
  });

  test('may be 16 fields deep', async () => {
    for (const depth of [2, 15, 16]) expect((await server.graphql(deep(depth))).errors).toEqual([]);
    for (const depth of [17, 18, 40]) expect(await refusal(deep(depth))).toBe('LIMIT_EXCEEDED');
  });

  test('has the depth of its fragments, wherever they are spread', async () => {
    const chain = (links: number) =>
      Array.from(
        { length: links },
        (_, n) =>
          `fragment F${n} on User { syncRun(runId: "run_1") { user { ${n + 1 < links ? `...F${n + 1}` : 'id'} } } }`,
      ).join(' ');
    expect((await server.graphql(`${inUser('... { ...F0 }')} ${chain(7)}`)).errors).toEqual([]);
    expect(await refusal(`${inUser('...F0')} ${chain(8)}`)).toBe('LIMIT_EXCEEDED');
    // Spread first where it fits, then where it does not.
    const deeper = inUser('...F0 syncRun(runId: "run_1") { user { ...F0 } }');
    expect(await refusal(`${deeper} ${chain(7)}`)).toBe('LIMIT_EXCEEDED');
  });

  test('may spread a fragment so often that following each spread would take for ever', async () => {
    const doubling = Array.from(
      { length: 100 },
      (_, n) => `fragment F${n} on User { ${n < 99 ? `...F${n + 1} ...F${n + 1}` : 'id'} }`,
    );
    expect((await server.graphql(`${inUser('...F0')} ${doubling.join(' ')}`)).data.user).toEqual({ id: userId });
  });

  test('with fragments in a circle, or missing, is refused by validation', async () => {
    for (const fragments of [
      'fragment A on User { ...A }',
      'fragment A on User { ...B } fragment B on User { ...A }',
      'fragment C on User { id }',
    ])
      expect((await server.graphql(`${inUser('...A')} ${fragments}`)).errors[0]?.extensions.code).toBe(
        'BAD_USER_INPUT',
      );
    const circle = 'fragment A on User { syncRun(runId: "x") { user { ...A } } }';
    expect((await server.graphql(`${inUser('...A')} ${circle}`)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  test.each([1_000, 2_400, 5_000, 100_000])('with %i brackets in one another does no harm', async (depth) => {
    const open = (text: string) => text.repeat(depth);
    for (const text of [
      `{ users(search: ${open('[')}${open(']')}) { edges { cursor } } }`,
      `{ users(search: ${open('[')}`,
      `{ users(search: ${open('{a:')}1${open('}')}) { edges { cursor } } }`,
      recordLiteral(`metadata: { a: ${open('[')}${open(']')} }`),
      recordLiteral(`timestamp: ${open('[')}${open(']')}`),
      `${open('{ a ')}${open('}')}`,
      `{ ${open('... { ')}__typename ${open('}')} }`,
      `query ($a: ${open('[')}Int${open(']')}) { __typename }`,
      `{ a${open('(a:')}`,
    ])
      expect(await refusal(text)).toBe('LIMIT_EXCEEDED');
  });

  test('may be the introspection query of GraphiQL and others', async () => {
    const all = {
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    };
    for (const text of [getIntrospectionQuery(), getIntrospectionQuery(all)]) {
      const { data, errors } = await server.graphql(text, {}, {});
      expect(errors).toEqual([]);
      expect(data.__schema.types.length).toBeGreaterThan(20);
    }
  });

  test('is held to the same bounds on every transport', async () => {
    for (const [transport, ask] of Object.entries(transports))
      for (const text of [`{ ${'a '.repeat(5_000)}}`, `${'{ a '.repeat(17)}${'}'.repeat(17)}`]) {
        const { data, errors } = await ask(server.url, { query: text, headers: server.admin });
        expect({ transport, data, errors }).toMatchObject({
          transport,
          errors: [{ extensions: { code: 'LIMIT_EXCEEDED' } }],
        });
      }
  });

  test('is remembered together with others up to half a million characters', () => {
    const cache = new DocumentCache<number>();
    const text = (n: number) => `${n}`.padEnd(50_000, ' ');
    for (let n = 0; n < 10; n++) cache.set(text(n), n);
    expect(cache.get(text(0))).toBe(0); // used last, so it stays
    cache.set(text(10), 10);
    expect(Array.from({ length: 11 }, (_, n) => cache.get(text(n)))).toEqual([
      0,
      undefined,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
    ]);
    cache.set('x'.repeat(500_001), 11);
    expect(cache.get('x'.repeat(500_001))).toBeUndefined();
    expect(cache.get(text(0))).toBe(0);
  });

  test('is refused again when it comes again', async () => {
    const deep = `${'{ a '.repeat(17)}${'}'.repeat(17)}`;
    for (let attempt = 0; attempt < 3; attempt++) expect(await refusal(deep)).toBe('LIMIT_EXCEEDED');
  });
});

describe('a WebSocket', () => {
  const subscribe = (id: string, payload: unknown = { query: '{ __typename }' }) => ({
    type: 'subscribe',
    id,
    payload,
  });

  async function opened() {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ ...server.admin }));
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
    return socket;
  }

  test('answers operations once it was initialised', async () => {
    const socket = await opened();
    socket.send(subscribe('1'));
    expect(await socket.next()).toEqual({ type: 'next', id: '1', payload: { data: { __typename: 'Query' } } });
    expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
    socket.wire.close();
  });

  const broken: readonly [what: string, message: unknown, code?: number][] = [
    ['a text that is no JSON', 'nothing'],
    ['an empty text', ''],
    ['JSON that is no message', '[]'],
    ['null', 'null'],
    ['a message without a type', {}],
    ['an unknown type of message', { type: 'start', id: '1', payload: { query: '{ __typename }' } }],
    ['a type that every object has', { type: 'constructor' }],
    ['a subscription without an id', { type: 'subscribe', payload: { query: '{ __typename }' } }],
    ['a subscription with an empty id', subscribe('')],
    ['a subscription without a payload', { type: 'subscribe', id: '1' }],
    ['a query that is no text', subscribe('1', { query: 1 })],
    ['variables that are a list', subscribe('1', { query: '{ __typename }', variables: [] })],
    ['variables that are a text', subscribe('1', { query: '{ __typename }', variables: '{}' })],
    ['an operationName that is no text', subscribe('1', { query: '{ __typename }', operationName: 1 })],
    ['a binary frame of garbage', Buffer.from([0xff, 0x00, 0x80])],
    ['a message that only the server may send', { type: 'connection_ack' }, 4500],
    ['JSON that is 100,000 lists deep', deepList(100_000)],
  ];
  for (const [what, message, expected = 4400] of broken)
    test(`is closed as the protocol says, and the server serves on, after ${what}`, async () => {
      const error = vi.spyOn(console, 'error').mockImplementation(() => {});
      const socket = await opened();
      socket.send(message);
      const { code } = await socket.closed;
      expect(code).toBe(expected);
      error.mockRestore();
    });

  test('carries on after operations that fail', async () => {
    const socket = await opened();
    const refused: readonly [query: string, code: string][] = [
      ['{', 'BAD_USER_INPUT'],
      ['', 'BAD_USER_INPUT'],
      ['{ nothing }', 'BAD_USER_INPUT'],
      [`{ users(search: ${'['.repeat(5_000)}`, 'LIMIT_EXCEEDED'],
      ['query A { __typename } query B { __typename }', 'BAD_USER_INPUT'],
    ];
    for (const [index, [query, code]] of refused.entries()) {
      socket.send(subscribe(String(index), { query }));
      expect(await socket.next()).toMatchObject({
        type: 'error',
        id: String(index),
        payload: [{ extensions: { code } }],
      });
    }
    socket.send(
      `{"type":"subscribe","id":"deep","payload":{"query":"query ($v: UUID!) { user(id: $v) { id } }","variables":{"v":${deepList(100_000)}}}}`,
    );
    expect(await socket.next()).toMatchObject({
      id: 'deep',
      payload: { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
    });
    expect(await socket.next()).toEqual({ type: 'complete', id: 'deep' });
    socket.wire.close();
  });

  test('is closed with 4429 for a second connection_init', async () => {
    const socket = await opened();
    socket.send(initMessage());
    expect(await socket.closed).toMatchObject({ code: 4429 });
  });

  test('is closed with 4409 for an id that is in use', async () => {
    const socket = await opened();
    const query = `subscription { syncEvents(userId: "${userId}") { cursor } }`;
    for (const id of ['same', 'same']) socket.send(subscribe(id, { query }));
    expect(await socket.closed).toMatchObject({ code: 4409 });
  });

  test('is closed with 4401 for an operation before connection_init', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(subscribe('1'));
    expect(await socket.closed).toMatchObject({ code: 4401 });
  });

  test('is closed with 4408 when connection_init does not come', async () => {
    const impatient = await startServer({ limits: { connectionInitMs: 20 } });
    const socket = await openRawSocket(impatient.url);
    expect(await socket.closed).toMatchObject({ code: 4408 });
    await impatient.close();
  });

  test('is closed with 1009 for a message that is too large', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => {});
    const narrow = await startServer({ limits: { requestBytes: 400 } });
    const frame = JSON.stringify({ type: 'ping', payload: { x: '' } });
    const padded = (bytes: number) => frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
    expect(padded(400)).toHaveLength(400);
    const socket = await openRawSocket(narrow.url);
    socket.send(padded(400));
    expect(await socket.next()).toMatchObject({ type: 'pong' });
    socket.send(padded(401));
    expect(await socket.closed).toMatchObject({ code: 1009 });
    await narrow.close();
    error.mockRestore();
  });

  test('is closed for frames that break the protocol', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => {});
    for (const [frame, code] of [
      [Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002], // an unknown kind of frame
      [Buffer.from([0xf1, 0x80, 0, 0, 0, 0]), 1002], // bits of an extension that was not agreed on
      [Buffer.from([0x81, 0x01, 0x61]), 1002], // a text that is not masked
      [Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), 1007], // a text that is no UTF-8
      [Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), 1009], // a length of 2^64
    ] as const) {
      const socket = await opened();
      // The bytes go past the client's own framing.
      (socket.wire as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(frame);
      expect(await socket.closed).toMatchObject({ code });
    }
    error.mockRestore();
  });

  test('is opened only for pages of this server and of CORS_ORIGINS', async () => {
    const shared = await startServer({ settings: { CORS_ORIGINS: 'https://app.example' } });
    for (const origin of [shared.url, 'https://app.example'])
      (await openRawSocket(shared.url, { origin })).wire.terminate();
    for (const origin of [
      'https://foreign.example',
      'null',
      'https://app.example.foreign.example',
      'http://app.example',
      'x',
    ])
      await expect(openRawSocket(shared.url, { origin })).rejects.toThrow('HTTP 403');
    await shared.close();
    await expect(openRawSocket(server.url, { origin: 'https://app.example' })).rejects.toThrow('HTTP 403');
  });

  test('is opened on the GraphQL path only, in the one protocol there is', async () => {
    const url = server.url;
    await expect(
      sendBytes(url, 'GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    ).resolves.toMatch(/^HTTP\/1.1 404 /);
    const socket = await openRawSocket(url, { protocol: '' });
    expect(await socket.closed).toMatchObject({ code: 4406 });
    await expect(openRawSocket(url, { protocol: 'graphql-ws' })).rejects.toThrow();
  });
});

describe('an operation that asks for too much', () => {
  const nested = (levels: number): string =>
    levels === 0 ? 'id' : `recentSyncEvents(limit: 200) { user { ${nested(levels - 1)} } }`;

  test('is refused before it runs: events of users of events', async () => {
    const { status, errors } = await server.graphql(`{ user(id: "${randomUUID()}") { ${nested(3)} } }`);
    expect(status).toBe(400);
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
