import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codesOf, transports } from '../support/graphql-transports.ts';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

let server: TestServer;
let userId: string;
/** What the process log got that is an error. */
const written: string[] = [];

beforeAll(async () => {
  server = await startServer({ logger: pino({ level: 'error' }, { write: (line) => void written.push(line) }) });
  userId = await server.user();
  await server.record({ userId });
});
afterAll(() => server.close());

const field = 'syncEvents(userId: $id, replayLast: 1)';
const selection = '{ events { sequence } }';
const fragment = `fragment F on Subscription { ${field} ${selection} }`;

/** Roots with directives, with `$on` where a variable decides. */
const roots: readonly [what: string, root: (directive: string) => string][] = [
  ['a field', (directive) => `{ ${field} ${directive} ${selection} }`],
  ['an inline fragment', (directive) => `{ ... ${directive} { ${field} ${selection} } }`],
  ['an inline fragment with a type', (directive) => `{ ... on Subscription ${directive} { ${field} ${selection} } }`],
  ['a fragment', (directive) => `{ ...F ${directive} } ${fragment}`],
  [
    'a field within fragments',
    (directive) => `{ ...F } fragment F on Subscription { ... { ${field} ${directive} ${selection} } }`,
  ],
];

/** Directives that leave a root out, with the values of variables. */
const leavingOut: readonly [directive: string, definition: string, variables: object][] = [
  ['@skip(if: true)', '', {}],
  ['@include(if: false)', '', {}],
  ['@skip(if: $on)', '$on: Boolean!', { on: true }],
  ['@include(if: $on)', '$on: Boolean!', { on: false }],
  ['@skip(if: $on)', '$on: Boolean! = true', {}],
  ['@include(if: true) @skip(if: $on)', '$on: Boolean = false', { on: true }],
];

describe('a subscription whose directives leave no root field', () => {
  for (const [name, ask] of Object.entries(transports))
    for (const [what, root] of roots)
      test(`is refused as BAD_USER_INPUT: ${what}, by ${name}`, async () => {
        for (const [directive, definition, variables] of leavingOut) {
          const query = `subscription ($id: UUID! ${definition}) ${root(directive)}`;
          const answer = await ask(server.url, {
            query,
            variables: { id: userId, ...variables },
            headers: server.admin,
          });
          expect([query, codesOf(answer), answer.data]).toEqual([query, ['BAD_USER_INPUT'], undefined]);
          expect(answer.errors?.[0]?.message).toContain('root field');
        }
      });

  test('says what is wrong with a variable that does not fit, or is null', async () => {
    for (const [definition, variables, message] of [
      ['$on: Boolean!', {}, '"$on" of required type "Boolean!" was not provided'],
      ['$on: Boolean!', { on: 1 }, '"$on" got invalid value 1'],
      ['$on: Boolean = true', { on: null }, 'must not be null'],
    ] as const) {
      const query = `subscription ($id: UUID! ${definition}) { ${field} @skip(if: $on) ${selection} }`;
      const answer = await transports.sse(server.url, {
        query,
        variables: { id: userId, ...variables },
        headers: server.admin,
      });
      expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors?.[0]?.message).toContain(message);
    }
  });

  test('leaves the other operations of its socket alone', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ ...server.admin }));
    await socket.next();
    const follow = `subscription { syncEvents(userId: "${userId}", replayLast: 1) ${selection} }`;
    socket.send({ type: 'subscribe', id: 'open', payload: { query: follow } });
    const replay = await socket.next();
    socket.send({
      type: 'subscribe',
      id: 'bad',
      payload: { query: 'subscription { syncRuns @skip(if: true) { runId } }' },
    });
    expect(await socket.next()).toMatchObject({
      type: 'next',
      id: 'bad',
      payload: { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
    });
    expect(await socket.next()).toEqual({ type: 'complete', id: 'bad' });
    await server.record({ userId });
    expect(replay).toMatchObject({ type: 'next', id: 'open' });
    expect(await socket.next()).toMatchObject({ type: 'next', id: 'open' });
    socket.close();
  });

  test('is the mistake of its client: the process log says nothing of it', () => {
    expect(written).toEqual([]);
  });
});

describe('a subscription whose directives leave one root field', () => {
  for (const [name, open] of Object.entries(streamTransports))
    test(`streams it, by ${name}`, async () => {
      for (const [, root] of roots)
        for (const [directive, definition, variables] of [
          ['@skip(if: false)', '', {}],
          ['@include(if: $on)', '$on: Boolean!', { on: true }],
          ['@skip(if: $on)', '$on: Boolean! = false', {}],
        ] as const) {
          const query = `subscription ($id: UUID! ${definition}) ${root(directive)}`;
          const stream = await open(server.url, {
            query,
            variables: { id: userId, ...variables },
            headers: server.admin,
          });
          expect(await stream.next()).toMatchObject({
            data: { syncEvents: { events: [{ sequence: expect.any(Number) }] } },
          });
          await stream.close();
        }
    });

  test('may have others that they leave out, and not one more', async () => {
    const query = `subscription ($id: UUID!, $both: Boolean!) {
      ${field} ${selection}
      other: ${field} @include(if: $both) ${selection}
    }`;
    const ask = (both: boolean) => ({ query, variables: { id: userId, both }, headers: server.admin });
    expect(codesOf(await transports.sse(server.url, ask(true)))).toEqual(['BAD_USER_INPUT']);
    const stream = await streamTransports.sse(server.url, ask(false));
    expect(await stream.next()).toMatchObject({ data: { syncEvents: { events: [expect.anything()] } } });
    await stream.close();
  });

  test('may not be one of introspection', async () => {
    for (const query of [
      'subscription { __typename @include(if: true) }',
      'subscription { ... @skip(if: false) { __typename } }',
    ])
      expect(codesOf(await transports.sse(server.url, { query, headers: server.admin }))).toEqual(['BAD_USER_INPUT']);
  });
});
