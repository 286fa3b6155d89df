import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { cutLog } from '../../src/log/cut-log.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let statements = 0;
beforeAll(async () => {
  server = await startServer({ onStatement: () => (statements += 1) });
});
afterAll(() => server.close());

/** A user with sixty events, of three runs in turns. */
async function userOfSixty(): Promise<string> {
  const userId = await server.user();
  await server.record(...Array.from({ length: 60 }, (_, index) => ({ userId, runId: `run_${index % 3}` })));
  return userId;
}

/** Has retention remove all events before this one, once a request has read where the log begins and before it reads a page. */
function cutOnTheWay(userId: string, oldest: number): void {
  const { log, database } = server.app.services;
  const readPages = log.readPages;
  const reading = vi.spyOn(log, 'readPages').mockImplementationOnce(async (requests) => {
    const user = await database.reader.user.findUniqueOrThrow({ where: { id: userId } });
    await cutLog(database, user, oldest);
    return readPages(requests);
  });
  onTestFinished(() => reading.mockRestore());
}

const selected = '{ edges { node { sequence } } pageInfo { hasNextPage hasPreviousPage } }';

/** A page of the log that is overtaken. */
async function pageOf(args: string, oldest: number, field = 'syncEvents') {
  const userId = await userOfSixty();
  cutOnTheWay(userId, oldest);
  const { data, errors } = await server.graphql(`{ user(id: "${userId}") { page: ${field}(${args}) ${selected} } }`);
  if (errors[0]) return errors[0].extensions;
  const { edges, pageInfo } = data.user.page as {
    edges: { node: { sequence: number } }[];
    pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean };
  };
  const sequences = edges.map(({ node }) => node.sequence);
  return { first: sequences[0], last: sequences.at(-1), count: sequences.length, ...pageInfo };
}

const expired = (oldest: number) => ({ code: 'BAD_USER_INPUT', reason: 'CURSOR_EXPIRED', oldestCursor: `${oldest}` });

describe('a page of a log that retention overtakes while it is read', () => {
  test('begins with the oldest event that is kept, is as long as it may be, and knows what follows', async () => {
    const page = { first: 31, last: 40, count: 10, hasNextPage: true };
    expect(await pageOf('first: 10', 31)).toMatchObject(page);
    expect(await pageOf('first: 10', 6)).toMatchObject({ ...page, first: 6, last: 15 });
    expect(await pageOf('first: 10', 11)).toMatchObject({ ...page, first: 11, last: 20 });
    expect(await pageOf('first: 30', 31)).toMatchObject({ ...page, last: 60, count: 30, hasNextPage: false });
    expect(await pageOf('first: 29', 31)).toMatchObject({ ...page, last: 59, count: 29, hasNextPage: true });
    expect(await pageOf('first: 10, before: "36"', 31)).toMatchObject({
      ...page,
      last: 35,
      count: 5,
      hasNextPage: false,
    });
    expect(await pageOf('first: 10, before: "31"', 31)).toMatchObject({ count: 0, hasNextPage: false });
    expect(await pageOf('first: 10', 61)).toMatchObject({ count: 0, hasNextPage: false });
    const since = 'filter: { recordedSince: "2020-01-01T00:00:00Z" }';
    expect(await pageOf(`first: 10, ${since}`, 31)).toMatchObject(page);
    expect(await pageOf('first: 10, filter: { providers: ["garmin", "oura", "fitbit"] }', 31)).toMatchObject(page);
  });

  test('is refused where it would begin behind a gap, and at its edge is not', async () => {
    const filter = 'filter: { statuses: [IN_PROGRESS] }';
    for (const args of ['first: 10', 'last: 50', `first: 10, ${filter}`, `last: 50, ${filter}`]) {
      expect(await pageOf(`${args}, after: "5"`, 31)).toMatchObject(expired(31));
      expect(await pageOf(`${args}, after: "29"`, 31)).toMatchObject(expired(31));
      expect(await pageOf(`${args}, after: "30"`, 31)).toMatchObject({ first: 31 });
    }
    expect(await pageOf('last: 10, after: "5"', 31)).toMatchObject({ first: 51, last: 60, count: 10 });
  });

  test('with a filter is refused as well where all that is left after its cursor fits on it', async () => {
    const filter = 'filter: { statuses: [IN_PROGRESS] }';
    for (const page of ['first', 'last']) {
      const args = `${page}: 60, after: "40", ${filter}`;
      expect(await pageOf(args, 43)).toMatchObject(expired(43));
      expect(await pageOf(args, 42)).toMatchObject(expired(42));
      expect(await pageOf(args, 41)).toMatchObject({ first: 41, last: 60, count: 20 });
      expect(await pageOf(`${args.slice(0, -1)}, runId: "run_0" }`, 41)).toMatchObject({
        first: 43,
        last: 58,
        count: 6,
      });
    }
  });

  test('from the end ends with what is kept', async () => {
    expect(await pageOf('last: 50', 31)).toMatchObject({ first: 31, last: 60, count: 30, hasPreviousPage: false });
    expect(await pageOf('last: 10', 31)).toMatchObject({ first: 51, last: 60, count: 10, hasPreviousPage: true });
    expect(await pageOf('last: 10, before: "36"', 31)).toMatchObject({ first: 31, last: 35, hasPreviousPage: false });
  });

  test('of a run is as long as it may be', async () => {
    const ofRun = 'syncRun(runId: "run_0") { events';
    const userId = await userOfSixty();
    cutOnTheWay(userId, 31);
    const query = `{ user(id: "${userId}") { ${ofRun}(first: 5) ${selected} } } }`;
    const { edges, pageInfo } = (await server.graphql(query)).data.user.syncRun.events;
    expect(edges.map(({ node }: { node: { sequence: number } }) => node.sequence)).toEqual([31, 34, 37, 40, 43]);
    expect(pageInfo.hasNextPage).toBe(true);
  });

  test('of the newest events over REST has those that are kept', async () => {
    const userId = await userOfSixty();
    cutOnTheWay(userId, 31);
    const { body } = await rest(`${server.url}/api/v1/users/${userId}/sync/recent?limit=50`, { headers: server.admin });
    expect(body).toHaveLength(30);
  });
});

test('a filtered page of what is new costs the same statements as one without a filter', async () => {
  const userId = await userOfSixty();
  const costOf = async (filter: string) => {
    statements = 0;
    const query = `{ user(id: "${userId}") { syncEvents(after: "50" ${filter}) ${selected} } }`;
    const { errors } = await server.graphql(query);
    expect(errors).toEqual([]);
    return statements;
  };
  const open = await costOf('');
  expect(await costOf('filter: { statuses: [IN_PROGRESS] }')).toBe(open);
  expect(await costOf('filter: { statuses: [FAILED] }')).toBe(open);
});
