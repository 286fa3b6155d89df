import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { anEvent, startServer, type TestServer } from '../support/server.ts';
import { openWebSocketStream } from '../support/streams.ts';

const refusal = `An operation may ask for at most ${defaultLimits.operationItems} list items in all`;

let server: TestServer;
let userId: string;

beforeAll(async () => {
  server = await startServer();
  userId = await server.user();
});
afterAll(() => server.close());

/** What a mutation that records so many events is refused with; they are its variables `events` and `input`. */
async function refusalOf(count: number, document: string) {
  const events = Array.from({ length: count }, () => ({ ...anEvent, userId }));
  return (await server.graphql(document, { events, input: { events } })).errors[0]?.message;
}

/** An event as it stands in a document. */
const literal = () =>
  `{ userId: "${userId}", runId: "r", provider: "p", source: PULL, stage: FETCHING, status: IN_PROGRESS }`;

const wide = 'event { user { recentSyncEvents(limit: 200) { id } } }';

describe('an operation that could ask for too many list items is refused before any of it runs', () => {
  test('by the results of a mutation, of which there is one for each event', async () => {
    const document = `mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { ${wide} } } }`;
    expect(await refusalOf(500, document)).toBe(refusal);
    const { data } = await server.graphql('query ($id: UUID!) { user(id: $id) { headCursor } }', { id: userId });
    expect(data.user.headCursor).toBe('0');
    expect(await refusalOf(1, document)).toBeUndefined();
  });

  test('however the events are given', async () => {
    const results = `{ results { ${wide} } }`;
    const document = `mutation ($input: RecordSyncEventsInput!) { recordSyncEvents(input: $input) ${results} }`;
    expect(await refusalOf(500, document)).toBe(refusal);
    const inDocument = (count: number) =>
      `mutation { recordSyncEvents(input: { events: [${Array.from({ length: count }, literal).join()}] }) ${results} }`;
    expect((await server.graphql(inDocument(1))).errors).toEqual([]);
    const wider = inDocument(150).replace('{ id }', '{ user { syncRuns(first: 2) { edges { cursor } } } }');
    expect((await server.graphql(wider)).errors[0]?.message).toBe(refusal);
  });

  test('from the first item that is too many', async () => {
    const most = `users(first: 100) { edges { node { a: recentSyncEvents(limit: 200) { id } b: recentSyncEvents(limit: 200) { id }
      c: recentSyncEvents(limit: 99) { id } } } }`;
    const one = `user(id: "${userId}") { recentSyncEvents(limit: 1) { id } }`;
    expect((await server.graphql(`{ ${most} }`)).errors).toEqual([]);
    expect((await server.graphql(`{ ${most} ${one} }`)).errors[0]?.message).toBe(refusal);
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
      message: refusal,
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
      ).toBe(refusal);
  });

  test('but not for what it could ask for with other variables', async () => {
    const query = `query ($n: Int!) { users(first: $n) { edges { node { recentSyncEvents(limit: 200) { user { recentSyncEvents(limit: 10) { id } } } } } } }`;
    expect((await server.graphql(query, { n: 100 })).errors[0]?.message).toBe(refusal);
    expect((await server.graphql(query, { n: 1 })).errors).toEqual([]);
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
