import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectionHealths } from '../../src/connections/connection-health.ts';
import { judgeDue } from '../../src/connections/keep-judged.ts';
import { linkStates } from '../../src/connections/link-state.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { inPieces } from '../../src/lib/in-pieces.ts';
import { scopeWords } from '../../src/log/words.ts';
import { reasonClasses } from '../../src/reasons/reason-rules.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { expectBoundedWalks } from '../support/walked-rows.ts';

const providers = ['fitbit', 'garmin', 'oura', 'whoop'];
/** Users with a connection to each provider. */
const USERS = 5_001;

let server: TestServer;
let statements: StatementReport[] | undefined;
const links: { userId: string; provider: string; state: string; health: string; reasonClass: string; scope: string }[] =
  [];

beforeAll(async () => {
  server = await startServer({
    onStatement: (report) => statements?.push(report),
    limits: { judgingPauseMs: 3_600_000 },
  });
  const database = await openDatabase(server.databaseUrl);
  const users = Array.from({ length: USERS }, () => randomUUID());
  for (const [n, userId] of users.entries())
    for (const [at, provider] of providers.entries()) {
      const isOdd = n % 100 === 0;
      links.push({
        ...{ userId, provider, state: linkStates[(n * 7 + at) % (isOdd ? 4 : 1)] ?? 'unknown' },
        health: connectionHealths[(n / 100 + at) % (isOdd ? 6 : 1)] ?? 'healthy',
        reasonClass: (isOdd && reasonClasses[(n / 100 + at * 3) % 11]) || '',
        scope: (isOdd && scopeWords[(n / 100) % 3]) || 'live',
      });
    }
  for (const some of inPieces(users, 1000))
    await database.transaction((transaction) => transaction.user.createMany({ data: some.map((id) => ({ id })) }));
  for (const some of inPieces(links, 1000)) {
    const data = some.map((link) => ({ ...link, consecutiveFailures: 0, emptySuccesses: 0 }));
    await database.transaction((transaction) => transaction.providerLink.createMany({ data }));
  }
  if (database.kind === 'postgresql') await database.reader.$executeRaw`ANALYZE provider_connection`;
  await database.close();
});
afterAll(() => server.close());

interface Filter {
  readonly state?: string | readonly string[];
  readonly health?: string | readonly string[];
  readonly reason?: string | readonly string[];
  readonly scope?: string | readonly string[];
  readonly provider?: string | readonly string[];
}

async function pageOf(args: string, filter: Filter | null = null, headers = server.admin) {
  const { data, errors } = await server.graphql(
    `query ($filter: ProviderLinkFilter) { connections(${args}, filter: $filter) {
      edges { cursor node { provider state user { id } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    } }`,
    { filter },
    headers,
  );
  expect(errors).toEqual([]);
  return data.connections as {
    edges: { cursor: string; node: { provider: string; state: string; user: { id: string } } }[];
    pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
  };
}

const keyOf = ({ provider, userId, state }: (typeof links)[number]) => `${provider} ${userId} ${state.toUpperCase()}`;
const keysOf = ({ edges }: Awaited<ReturnType<typeof pageOf>>) =>
  edges.map(({ node: { provider, state, user } }) => `${provider} ${user.id} ${state}`);
const listOf = (filter: Filter) => {
  const has = (wanted: string | readonly string[] | undefined, value: string) =>
    wanted === undefined || [wanted].flat().includes(value);
  return links
    .filter(
      ({ state, provider, health, reasonClass, scope }) =>
        has(filter.state, state.toUpperCase()) &&
        has(filter.provider, provider) &&
        has(filter.health, health.toUpperCase()) &&
        has(filter.reason, reasonClass) &&
        has(filter.scope, scope.toUpperCase()),
    )
    .map(keyOf)
    .sort();
};

describe('the connections of all users', () => {
  test.each<Filter>([
    {},
    { state: 'NEEDS_RECONNECT' },
    { state: ['DISCONNECTED', 'UNKNOWN'], provider: ['oura', 'whoop'] },
    { provider: 'fitbit', state: 'NEEDS_RECONNECT' },
    { provider: 'nobody' },
    { state: [] },
    { health: ['DELAYED', 'NO_PROGRESS'] },
    { reason: 'RATE_LIMITED' },
    { reason: ['RECONNECT_NEEDED', 'SCOPE_DENIED'], state: ['CONNECTED', 'NEEDS_RECONNECT'], provider: 'oura' },
    { scope: 'HISTORICAL', health: ['SYNCING', 'FAILING'] },
    { scope: ['HISTORICAL', 'LIVE'], reason: [] },
  ])('are read in pages, each once, by provider and user: %j', async (filter) => {
    const expected = listOf(filter);
    const forwards: string[] = [];
    for (let after = ''; ; ) {
      const page = await pageOf(`first: 200${after}`, filter);
      forwards.push(...keysOf(page));
      if (!page.pageInfo.hasNextPage) break;
      after = `, after: "${page.pageInfo.endCursor}"`;
    }
    expect(forwards).toEqual(expected);
    const last = await pageOf('last: 3', filter);
    expect(keysOf(last)).toEqual(expected.slice(-3));
    if (last.pageInfo.hasPreviousPage)
      expect(keysOf(await pageOf(`last: 3, before: "${last.pageInfo.startCursor}"`, filter))).toEqual(
        expected.slice(-6, -3),
      );
  });

  test('cost as much wherever the page begins, and whatever is asked for', async () => {
    const ran: StatementReport[] = [];
    const middle = (await pageOf('first: 200', { provider: 'oura' })).pageInfo.endCursor;
    for (const args of ['first: 20', `first: 20, after: "${middle}"`, `last: 20, before: "${middle}"`])
      for (const filter of [
        null,
        { state: 'NEEDS_RECONNECT' },
        { provider: 'whoop' },
        { state: 'UNKNOWN', provider: 'oura' },
        { health: 'DELAYED' },
        { reason: 'TIMEOUT', scope: 'HISTORICAL', provider: 'garmin' },
        { provider: ['garmin', 'oura'] },
      ]) {
        statements = [];
        await pageOf(args, filter);
        const lists = statements.filter(({ sql }) => sql.includes('FROM provider_connection'));
        statements = undefined;
        expect(lists).toHaveLength(1);
        ran.push(...lists);
      }
    statements = [];
    await pageOf(`first: 20, after: "${middle}"`, { provider: ['oura', 'fitbit', 'whoop', 'oura'] });
    ran.push(...statements.filter(({ sql }) => sql.includes('FROM provider_connection')));
    statements = undefined;
    const many = Array.from({ length: 50 }, (_, n) => (n ? `p${n}` : 'oura'));
    expect(keysOf(await pageOf('first: 200', { provider: many, state: 'UNKNOWN' }))).toEqual(
      listOf({ provider: 'oura', state: 'UNKNOWN' }),
    );
    const kinds = new Set(links.map((link) => [link.health, link.state, link.reasonClass, link.scope].join())).size;
    expect(kinds).toBeGreaterThan(30);
    await expectBoundedWalks(server.app.services.database, server.databaseUrl, ran, kinds * 23);
  });

  test('that are to be judged anew are found at the cost of those alone', async () => {
    const { database, clock, log } = server.app.services;
    statements = [];
    expect(await judgeDue({ database, clock, wakeUps: log.wakeUps })).toBe(false);
    const looks = statements;
    statements = undefined;
    await expectBoundedWalks(database, server.databaseUrl, looks, 0);
  });

  test('are those that the viewer may see', async () => {
    const own = links.slice(0, 4);
    const token = await server.userToken(own[0]?.userId ?? '');
    expect(keysOf(await pageOf('first: 200', null, token))).toEqual(own.map(keyOf));
    expect(keysOf(await pageOf('first: 200', { provider: 'oura' }, token))).toEqual(own.slice(2, 3).map(keyOf));
    const { errors } = await server.graphql('{ connections(first: 1) { edges { cursor } } }', {}, {});
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  test('refuse a cursor of another list, and lists that are too long', async () => {
    const ask = async (args: string) => (await server.graphql(`{ connections(${args}) { edges { cursor } } }`)).errors;
    expect(await ask('after: "MQ"')).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    const many = Array.from({ length: 101 }, (_, n) => `"p${n}"`).join();
    expect(await ask(`filter: { provider: [${many}] }`)).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(await ask('first: 201')).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });
});
