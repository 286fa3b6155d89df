import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connectionHealths } from '../../src/connections/connection-health.ts';
import { createConnectionProjection } from '../../src/connections/connection-projection.ts';
import { Connections } from '../../src/connections/connections.ts';
import { judgeDue } from '../../src/connections/keep-judged.ts';
import { type LinkFilter, matchesLink } from '../../src/connections/link-filter.ts';
import { linkStates } from '../../src/connections/link-state.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import type { ProviderLink } from '../../src/db/rows.ts';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { inPieces } from '../../src/lib/in-pieces.ts';
import { defaultLimits, type Limits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { scopeWords } from '../../src/log/words.ts';
import { reasonClasses } from '../../src/reasons/reason-rules.ts';
import { mulberry32 } from '../support/seeded.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { plainSql } from '../support/sql.ts';
import { type StreamResult, streamTransports } from '../support/streams.ts';
import { expectBoundedWalks } from '../support/walked-rows.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const linkFields = 'provider user { id } state health consecutiveFailures';
const watchLinks = `subscription ($filter: ProviderLinkFilter) {
  connectionChanges(filter: $filter) { began connection { ${linkFields} } }
}`;
const watchLinksOnly = `subscription ($filter: ProviderLinkFilter) { connections(filter: $filter) { ${linkFields} } }`;
const theSign = { data: { connectionChanges: { began: true, connection: null } } };

let now = Date.now();
/** Looks by itself as good as never: what is shown at once was told. */
let server: TestServer;
/** Looks often. */
let looking: TestServer;
let statements: StatementReport[] = [];
const waitingRows = 1_500;

beforeAll(async () => {
  const limits = { judgingPauseMs: 3_600_000, waitingRows };
  server = await startServer({ clock: () => now, limits: { ...limits, slowPollMs: 3_600_000 } });
  looking = await startServer({ limits: { ...limits, slowPollMs: 50 }, onStatement: (ran) => statements.push(ran) });
});
afterAll(() => Promise.all([server.close(), looking.close()]));
beforeEach(() => {
  now = Date.now();
});

/** One look for those that are due, at once. */
const judge = () => judgeDue({ ...server.app.services, wakeUps: server.app.services.log.wakeUps, clock: () => now });

const link = { provider: 'oura', connectionId: null };
const revoked = (userId: string, reason = 'user_disconnected') =>
  ({ ...link, kind: 'revoked', userId, reason, at: new Date(now) }) as const;
const created = (userId: string) => ({ ...link, kind: 'created', userId, at: new Date(now) }) as const;

describe.each(Object.entries(streamTransports))('connections watched over %s', (_, openStream) => {
  /** Watches connections, from the sign that the stream has begun. */
  async function watch(filter: object = {}, headers = server.admin) {
    const stream = await openStream(server.url, { query: watchLinks, variables: { filter }, headers });
    onTestFinished(() => stream.close());
    expect(await stream.next()).toMatchObject(theSign);
    return {
      async next() {
        const result = await stream.next();
        if (!result?.data) throw new Error(result?.errors?.[0]?.message ?? 'The stream is complete');
        expect(result.data.connectionChanges.began).toBe(false);
        return result.data.connectionChanges.connection;
      },
      result: () => stream.next(),
    };
  }

  test('each change is shown at once, whatever has told of it; progress changes nothing', async () => {
    const userId = await server.user();
    const { connections } = server.app.services;
    const provider = `provider ${randomUUID()}`;
    const stream = await watch({ provider });
    const shown = { provider, user: { id: userId }, consecutiveFailures: 0 };
    await server.record({ userId, provider, runId: 'a', stage: 'STARTED' });
    expect(await stream.next()).toEqual({ ...shown, state: 'UNKNOWN', health: 'SYNCING' });
    for (const progress of [0.3, 0.6]) await server.record({ userId, provider, runId: 'a', progress });
    await server.record({ userId, provider, runId: 'a', stage: 'COMPLETED', status: 'SUCCESS' });
    expect(await stream.next()).toEqual({ ...shown, state: 'CONNECTED', health: 'HEALTHY' });
    now += minute;
    await connections.tell({ ...revoked(userId), provider });
    expect(await stream.next()).toEqual({ ...shown, state: 'DISCONNECTED', health: 'UNKNOWN' });
    now += minute;
    await connections.tell({ ...created(userId), provider });
    expect(await stream.next()).toMatchObject({ ...shown, state: 'CONNECTED', health: 'HEALTHY' });
    now += 30 * day;
    await judge();
    expect(await stream.next()).toMatchObject({ ...shown, state: 'CONNECTED', health: 'UNKNOWN' });
  });

  test('`connections` shows the same connections, without the sign', async () => {
    const userId = await server.user();
    const signed = await watch();
    const stream = await openStream(server.url, { query: watchLinksOnly, headers: server.admin });
    onTestFinished(() => stream.close());
    let heard: StreamResult | undefined;
    const first = stream.next().then((result) => {
      heard = result;
    });
    let failures = 0;
    for (; !heard; failures += 1) await server.record({ userId, runId: `f${failures}`, status: 'FAILED' }); // nothing tells when it has begun
    await first;
    let last = heard.data.connections;
    while (last.consecutiveFailures < failures) last = (await stream.next())?.data.connections;
    let same = await signed.next();
    while (same.consecutiveFailures < failures) same = await signed.next();
    expect(last).toEqual(same);
  });

  test('a filter lets through the states that match all of its parts, and nothing tells of one that matches no more', async () => {
    const userId = await server.user();
    const broken = await watch({
      state: ['NEEDS_RECONNECT'],
      provider: ['oura', 'polar'],
      reason: ['RECONNECT_NEEDED'],
    });
    const none = await watch({ state: [] });
    const { connections } = server.app.services;
    await connections.tell({ ...revoked(userId, 'refresh_failed'), provider: 'garmin' });
    await connections.tell(revoked(userId, 'refresh_failed'));
    expect(await broken.next()).toMatchObject({ provider: 'oura', state: 'NEEDS_RECONNECT', health: 'FAILING' });
    now += minute;
    await connections.tell(created(userId));
    await connections.tell({ ...revoked(userId, 'refresh_failed'), provider: 'polar' });
    expect(await broken.next()).toMatchObject({ provider: 'polar', state: 'NEEDS_RECONNECT' });
    await server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }', { id: userId });
    expect(none).toBeDefined();
  });

  test("a user's token shows the connections of its user, until that user is deleted", async () => {
    const [userId, other] = [await server.user(), await server.user()];
    const own = await watch({}, await server.userToken(userId));
    await server.record({ userId: other, runId: 'theirs' });
    await server.record({ userId, runId: 'mine' });
    expect(await own.next()).toMatchObject({ user: { id: userId } });
    await server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }', { id: userId });
    expect(await own.result()).toBeUndefined();
  });

  test('a client without a credential, or without the scope `read`, is refused, and so is a filter that is too long', async () => {
    const many = { filter: { provider: Array.from({ length: 101 }, (_, n) => `p${n}`) } };
    const refusals = [
      [{}, 'UNAUTHENTICATED', {}],
      [await server.key('write'), 'FORBIDDEN', {}],
      [server.admin, 'BAD_USER_INPUT', many],
    ] as const;
    for (const [headers, code, variables] of refusals)
      for (const query of [watchLinks, watchLinksOnly]) {
        const stream = await openStream(server.url, { query, headers, variables });
        expect(await stream.next()).toMatchObject({ errors: [{ extensions: { code } }] });
        await stream.close();
      }
  });
});

/** What an instance does of which no wake-up comes. */
async function openElsewhere(limits: Partial<Limits> = {}) {
  const database = await openDatabase(looking.databaseUrl);
  const onError = (error: unknown) => expect.unreachable(String(error));
  const parts = { database, limits: { ...defaultLimits, ...limits }, clock: Date.now, wakeUps: new WakeUps() };
  const log = openEventLog({ ...parts, projections: [createConnectionProjection(database)], onError });
  onTestFinished(async () => {
    await log.close();
    await database.close();
  });
  return {
    database,
    log,
    connections: new Connections(parts),
    judge: (at: number) => judgeDue({ ...parts, clock: () => at }),
  };
}

/** The rows that are shown from now on, as they are stored. */
async function follow({ app }: TestServer, wants: (row: ProviderLink) => boolean = () => true) {
  const leaving = new AbortController();
  const changes = app.services.connectionChanges.follow({ wants }, leaving.signal);
  onTestFinished(async () => {
    leaving.abort();
    await changes.return();
  });
  expect((await changes.next()).value).toEqual({ kind: 'began' });
  return async () => {
    const { value } = await changes.next();
    if (value?.kind !== 'changed') throw new Error('The stream is over');
    return value.row;
  };
}

const success = { provider: 'oura', source: 'pull', stage: 'completed', status: 'success' };

test('what another instance has changed is shown, although no wake-up tells of it', async () => {
  const userId = await looking.user();
  const { log, connections, judge: judgeElsewhere } = await openElsewhere();
  const next = await follow(looking, (row) => row.userId === userId);
  await log.record([{ ...success, userId, runId: 'a' }]);
  expect(await next()).toMatchObject({ state: 'connected', health: 'healthy' });
  await connections.tell({ ...revoked(userId), at: new Date() });
  expect(await next()).toMatchObject({ state: 'disconnected', health: 'unknown' });
  await connections.tell({ ...created(userId), at: new Date() });
  expect(await next()).toMatchObject({ state: 'connected', health: 'healthy' });
  await judgeElsewhere(Date.now() + 30 * day);
  expect(await next()).toMatchObject({ state: 'connected', health: 'unknown' });
});

test('1,001 connections that one transaction has changed are each shown, by as many statements as a few', async () => {
  const count = 1_001;
  const users: string[] = Array.from({ length: count }, () => randomUUID());
  const { database, log } = await openElsewhere({ eventsPerRecording: count, eventsPerTransaction: count });
  await database.transaction((transaction) => transaction.user.createMany({ data: users.map((id) => ({ id })) }));
  const next = await follow(looking, ({ userId }) => users.includes(userId));
  statements = [];
  await log.record(users.map((userId) => ({ ...success, userId, runId: 'a' })));
  const shown: ProviderLink[] = [];
  while (shown.length < count) shown.push(await next());
  expect(new Set(shown.map(({ userId }) => userId))).toEqual(new Set(users));
  expect(new Set(shown.map(({ change }) => change)).size).toBe(1);
  const reads = statements.filter(({ sql }) => sql.includes('provider_connection c'));
  expect(reads).toHaveLength(2); // a thousand at a time
});

test('to find and read those that have changed costs what has changed, however many there are', async () => {
  const { database, log, connections } = await openElsewhere();
  const users = Array.from({ length: 5_000 }, () => randomUUID());
  for (const ids of inPieces(users, 1_000))
    await database.transaction(async (transaction) => {
      await transaction.user.createMany({ data: ids.map((id) => ({ id })) });
      const data = ids.map((userId) => ({ userId, provider: 'garmin', consecutiveFailures: 0, emptySuccesses: 0 }));
      await transaction.providerLink.createMany({ data });
    });
  if (database.kind === 'postgresql') await database.reader.$executeRaw`ANALYZE provider_connection`;
  const next = await follow(looking);
  statements = [];
  const [userId = '', other = ''] = users;
  await log.record([{ ...success, userId, runId: 'a' }]);
  expect(await next()).toMatchObject({ userId, provider: 'oura' });
  await connections.tell({ ...revoked(other), provider: 'garmin' });
  expect(await next()).toMatchObject({ userId: other, provider: 'garmin' });
  await looking.record({ userId, runId: 'b', provider: 'polar' });
  expect(await next()).toMatchObject({ userId, provider: 'polar' });
  const ofWatch = statements.filter(
    ({ sql }) =>
      /FROM provider_connection WHERE .*change|FROM (json_each|unnest)/s.test(plainSql(sql)) &&
      sql.includes('provider_connection'),
  );
  expect(ofWatch.length).toBeGreaterThan(3);
  await expectBoundedWalks(database, looking.databaseUrl, ofWatch, 10);
});

test('a reader that too many changed connections wait for is told that it is too slow', async () => {
  const users: string[] = Array.from({ length: waitingRows + 1 }, () => randomUUID());
  const { database, log } = await openElsewhere({
    eventsPerRecording: users.length,
    eventsPerTransaction: users.length,
  });
  await database.transaction((transaction) => transaction.user.createMany({ data: users.map((id) => ({ id })) }));
  let waiting = 0;
  const next = await follow(looking, ({ userId }) => {
    waiting += 1;
    return users.includes(userId);
  });
  await log.record(users.map((userId) => ({ ...success, userId, runId: 'a' })));
  await expect.poll(() => waiting).toBeGreaterThan(waitingRows);
  await expect(next()).rejects.toMatchObject({ code: 'SLOW_CONSUMER' });
});

describe.each([1, 2, 3])('after random events and news of random connections (%i)', (seed) => {
  test('the list is what the stream has shown of each, and a filter means the same in both', async () => {
    const random = mulberry32(seed);
    const some = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)] as T;
    const users = await Promise.all(Array.from({ length: 6 }, () => server.user()));
    const { connections } = server.app.services;
    const next = await follow(server, ({ userId }) => users.includes(userId));
    const shown = new Map<string, ProviderLink>();
    const reading = (async () => {
      for (;;) {
        const row = await next();
        shown.set(`${row.provider} ${row.userId}`, row);
      }
    })().catch(() => {});

    for (let step = 0; step < 150; step += 1) {
      now += Math.floor(random() * (step % 10 === 0 ? day : hour));
      const [userId, provider] = [some(users), some(['fitbit', 'garmin', 'oura'])];
      const kind = random();
      if (kind < 0.1) await connections.tell({ ...created(userId), provider });
      else if (kind < 0.2)
        await connections.tell({ ...revoked(userId, some(['user_disconnected', 'refresh_failed'])), provider });
      else if (kind < 0.3) await judge();
      else
        await server.record(
          ...Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
            ...{ userId, provider, runId: `${provider} ${Math.floor(random() * 5)}` },
            status: some(['IN_PROGRESS', 'SUCCESS', 'SUCCESS', 'FAILED', 'PARTIAL']),
            scope: some(['HISTORICAL', 'LIVE', undefined]),
            error: some([undefined, '401 Unauthorized', 'rate limit', 'invalid_grant: token revoked', 'strange']),
            itemsProcessed: some([undefined, 0, 7]),
            timestamp: new Date(now - Math.floor(random() * 2 * hour)).toISOString(),
          })),
        );
    }
    while (await judge());

    const list = async (filter: LinkFilter | null) => {
      const visible = { kind: 'all' } as const;
      const page = { limit: 10_000, fromEnd: false, after: undefined, before: undefined };
      const [rows = []] = await connections.list([{ ...page, visible, filter }]);
      return rows.filter(({ userId }) => users.includes(userId));
    };
    const inOrder = () => [...shown].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    const expected = await list(null);
    expect(expected.length).toBeGreaterThan(12);
    await expect.poll(inOrder).toEqual(expected);

    const found = new Set<number>();
    for (let each = 0; each < 60; each += 1) {
      const part = <T>(all: readonly T[]) => (random() < 0.6 ? undefined : all.filter(() => random() < 0.5));
      const filter: LinkFilter = {
        state: part(linkStates),
        health: part(connectionHealths),
        reason: part(reasonClasses),
        scope: part(scopeWords) as LinkFilter['scope'],
        provider: part(['fitbit', 'garmin', 'oura', 'no\0body']),
      };
      const listed = await list(filter);
      expect(listed, JSON.stringify(filter)).toEqual(inOrder().filter((row) => matchesLink(row, filter)));
      found.add(listed.length);
    }
    expect(found.size).toBeGreaterThan(4);
    expect(reading).toBeInstanceOf(Promise);
  });
});
