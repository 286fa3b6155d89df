import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { AppOptions } from '../../src/app.ts';
import { AppError } from '../../src/errors.ts';
import { defaultLimits, type Limits } from '../../src/limits.ts';
import type { Services } from '../../src/services.ts';
import { openSources } from '../../src/sources/open-sources.ts';
import { openWearablesRedis } from '../../src/sources/open-wearables/bridge.ts';
import { readEntry } from '../../src/sources/open-wearables/read-entry.ts';
import { EntryRecorder } from '../../src/sources/record-entries.ts';
import { createDatabase } from '../support/database.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/faulty-proxy.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import {
  addBridgeUser,
  createEmitter,
  type Emitter,
  layouts,
  sampleEvents,
  type WireEvent,
  wireEvent,
} from '../support/open-wearables-emitter.ts';
import { expectedRuns, samples, toKeptTimes } from '../support/open-wearables-samples.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const quick: Partial<Limits> = { sourceRenewMs: 100, sourceTryMs: 50, bridgeRetryMs: 200, databaseRetryMs: 50 };

const sources = `{ sources {
  name state isHolder connectedAt lastEventAt lagMs recorded duplicates ignored quarantined lastError lastErrorAt
  backfill { startedAt endedAt users entries }
} }`;
const quarantine = `query ($first: Int, $after: String) { sources { quarantine(first: $first, after: $after) {
  edges { node { id reason detail place payload payloadBytes firstSeenAt } } pageInfo { hasNextPage endCursor }
} } }`;

describe.runIf(hasRedis())('the bridge from Open Wearables’ Redis', () => {
  let redis: FaultyRedis;
  let emitter: Emitter;
  let proxy: FaultyProxy;
  /** As a user who may only do what the bridge has to, through the proxy. */
  let url: string;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    redis = await startFaultyRedis();
    emitter = createEmitter(redis.url);
    proxy = await startFaultyProxy(redis.url);
    url = await addBridgeUser(emitter, proxy.url);
  });
  afterAll(async () => {
    emitter.close();
    await proxy.close();
    await redis.stop();
  });
  beforeEach(async () => {
    await emitter.redis.flushall();
    await emitter.redis.call('ACL', 'LOG', 'RESET');
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function start(
    limits: Partial<Limits> = {},
    options: Parameters<typeof startServer>[0] & AppOptions = {},
  ): Promise<TestServer> {
    const server = await startServer({
      ...options,
      limits: { ...quick, ...limits },
      settings: { OPEN_WEARABLES_REDIS_URL: url, ...options.settings },
    });
    closing.push(() => server.close());
    return server;
  }

  const source = async (server: TestServer) => (await server.graphql(sources)).data.sources[0];
  const live = async (server: TestServer) => expect.poll(async () => (await source(server)).state).toBe('LIVE');
  const countOf = (server: TestServer, name: string) => expect.poll(async () => (await source(server))[name]);
  const log = async (server: TestServer, userId: string): Promise<WireEvent[]> => {
    const answer = await rest(`${server.url}/api/v1/users/${userId}/sync/recent?limit=200`, { headers: server.admin });
    return answer.status === 200 ? answer.body.reverse() : [];
  };
  const logged = (server: TestServer, userId: string) =>
    expect.poll(async () => (await log(server, userId)).map((event) => event.event_id));
  const quarantined = async (server: TestServer, variables = {}) =>
    (await server.graphql(quarantine, variables)).data.sources[0].quarantine;

  /** As the log keeps it: to the millisecond. */
  const toMilliseconds = (event: WireEvent) =>
    JSON.parse(
      JSON.stringify(event, (key, value) =>
        ['timestamp', 'started_at', 'ended_at', 'window_start', 'window_end'].includes(key) && value
          ? value.replace(/\.(\d{3})\d{3}Z$/, (_: string, ms: string) => (ms === '000' ? 'Z' : `.${ms}000Z`))
          : value,
      ),
    );

  test.each(layouts)(
    'copies what %s has stored and what it publishes, each once, as REST would show it',
    async (layout) => {
      const [before, after] = [sampleEvents(layout), sampleEvents(layout)];
      for (const event of before) await emitter.emit(event, { layout });
      const server = await start();
      await live(server);
      for (const event of after) await emitter.emit(event, { layout });
      for (const events of [before, after])
        for (const userId of new Set(events.map((event) => event.user_id))) {
          const own = events.filter((event) => event.user_id === userId);
          await logged(server, userId).toEqual(own.map((event) => event.event_id));
          expect(await log(server, userId)).toEqual(own.map(toMilliseconds));
        }
      await countOf(server, 'recorded').toBe(before.length + after.length);
      await countOf(server, 'lagMs').toBe(0);
      expect(await source(server)).toMatchObject({
        name: 'open-wearables-redis',
        isHolder: true,
        quarantined: 0,
        lastError: null,
        backfill: { users: new Set(before.map((event) => event.user_id)).size, endedAt: expect.any(String) },
      });
    },
  );

  test.each([
    ['in the layout of 0.9, that were stored', '0.9', 'before'],
    ['in the layout of 0.9, as they come', '0.9', 'after'],
    ['in the layout of 0.6.3', '0.6.3', 'before'],
  ] as const)('makes the runs of 0.9 out of its events, written %s', async (_, layout, when) => {
    const emitAll = async () => {
      for (const event of samples) await emitter.emit(event, { layout });
    };
    if (when === 'before') await emitAll();
    const server = await start();
    await live(server);
    if (when === 'after') await emitAll();
    await countOf(server, 'recorded').toBe(samples.length);
    const get = async (path: string) => (await rest(`${server.url}/api/v1/${path}`, { headers: server.admin })).body;
    for (const { run_key: runId, history, redis_summary: summary } of expectedRuns) {
      expect(await get(`sync/history/${runId}`)).toEqual(toKeptTimes(history));
      expect(await get(`users/${history.user_id}/sync/runs`)).toContainEqual(toKeptTimes(summary));
    }
    expect(await log(server, samples[0]?.user_id)).toEqual(
      samples.filter(({ user_id }) => user_id === samples[0]?.user_id).map((event) => toKeptTimes(event)),
    );
  });

  test('takes an event that an earlier release has recorded without its scope for the same', async () => {
    const event: WireEvent = { ...wireEvent(), scope: 'live', window_start: null, window_end: null };
    await emitter.emit(event, { publish: false });
    const database = await createDatabase();
    closing.push(database.drop);
    const older = await startServer({ database });
    closing.push(() => older.close());
    const read = readEntry({ text: JSON.stringify(event), place: '' }, defaultLimits);
    if (!('draft' in read)) throw new Error(read.detail);
    await older.app.services.users.ensure(new Map([[event.user_id, undefined]]));
    await older.app.services.log.record([{ ...read.draft, scope: null }]);
    const server = await start({}, { database });
    await countOf(server, 'duplicates').toBe(1);
    expect(await source(server)).toMatchObject({ recorded: 0, quarantined: 0 });
  });

  test('needs no more than its guide grants, and asks for nothing else', async () => {
    const event = wireEvent();
    await emitter.emit(event);
    const server = await start({ bridgeCheckMs: 100, bridgePingMs: 50 });
    await logged(server, event.user_id).toEqual([event.event_id]);
    await live(server);
    await emitter.emit(wireEvent({ user_id: event.user_id }));
    await countOf(server, 'recorded').toBe(2);
    expect(await emitter.redis.call('ACL', 'LOG')).toEqual([]);
  });

  test('keeps words and keys that it does not know', async () => {
    const unknown = { requested_start: 'x', ring: { size: 9 } };
    const event = wireEvent({ source: 'ring', stage: 'resting', status: 'stale', scope: 'orbit', ...unknown });
    const server = await start();
    await live(server);
    await emitter.emit(event);
    await logged(server, event.user_id).toEqual([event.event_id]);
    const { data } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { recentSyncEvents { source stage status scope sourceRaw stageRaw statusRaw scopeRaw windowStart extra } } }',
      { id: event.user_id },
    );
    expect(data.user.recentSyncEvents).toEqual([
      {
        source: 'UNRECOGNIZED',
        stage: 'UNRECOGNIZED',
        status: 'STALE',
        scope: 'UNRECOGNIZED',
        sourceRaw: 'ring',
        stageRaw: 'resting',
        statusRaw: 'stale',
        scopeRaw: 'orbit',
        windowStart: null,
        extra: unknown,
      },
    ]);
    const { requested_start, ring, ...known } = event;
    const shown = { ...known, window_start: null, window_end: null };
    expect(await log(server, event.user_id)).toEqual([toMilliseconds(shown)]);
  });

  test('ends a run by words in any case, and keeps them as they are', async () => {
    const event = wireEvent({ stage: 'COMPLETED', status: 'DONE', source: 'Pull' });
    const server = await start();
    await live(server);
    await emitter.emit(event);
    await logged(server, event.user_id).toEqual([event.event_id]);
    const { data } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { syncRuns { edges { node { source stage status stageRaw statusRaw isTerminal } } } } }',
      { id: event.user_id },
    );
    expect(data.user.syncRuns.edges).toEqual([
      {
        node: {
          ...{ source: 'PULL', stage: 'COMPLETED', status: 'UNRECOGNIZED' },
          ...{ stageRaw: 'COMPLETED', statusRaw: 'DONE', isTerminal: true },
        },
      },
    ]);
    expect(await log(server, event.user_id)).toEqual([toMilliseconds(event)]);
  });

  test('takes events without what may be missing, and times of any zone', async () => {
    const userId = randomUUID();
    const least = { run_id: 'r', user_id: userId.toUpperCase(), provider: 'p', source: 's', stage: 's', status: 's' };
    const times = [
      ['2026-03-14T07:00:00', '2026-03-14T07:00:00Z'],
      ['2026-03-14 07:00:00.5', '2026-03-14T07:00:00.500000Z'],
      ['2026-03-14T09:00:00.123456+02:00', '2026-03-14T07:00:00.123000Z'],
      ['2026-03-14T01:30:00-0530', '2026-03-14T07:00:00Z'],
    ];
    const server = await start();
    for (const [timestamp] of times)
      await emitter.emitText(userId, JSON.stringify({ event_id: randomUUID(), ...least, timestamp }));
    const untimed = randomUUID();
    await emitter.emitText(userId, JSON.stringify({ event_id: untimed, ...least }));
    await expect
      .poll(async () => (await log(server, userId)).slice(0, 4).map(({ timestamp }) => timestamp))
      .toEqual(times.map(([, utc]) => utc));
    await live(server);
    proxy.cut(); // and reads all of it again
    await expect.poll(async () => (await source(server)).duplicates).toBeGreaterThanOrEqual(5);
    expect((await log(server, userId)).length).toBe(5);
    expect((await source(server)).quarantined).toBe(0);
  });

  test('puts what it cannot read into quarantine: once, counted, to be listed, and without holding up the rest', async () => {
    const good = [wireEvent(), wireEvent()];
    const userId = randomUUID();
    const server = await start({ quarantinedPayloads: 3 });
    await live(server);
    await emitter.emit(good[0]!);
    const bad: [text: string, reason: string, detail: string | RegExp][] = [
      ['{"event_id"', 'NOT_JSON', 'is not JSON'],
      ['null', 'BAD_EVENT', /^it: /],
      [JSON.stringify(wireEvent({ user_id: undefined })), 'BAD_EVENT', /^user_id: /],
      [JSON.stringify(wireEvent({ event_id: 'evt_01' })), 'BAD_EVENT', 'event_id: must be a UUID'],
      [JSON.stringify(wireEvent({ run_id: '' })), 'BAD_EVENT', 'runId: must not be empty'],
      [JSON.stringify(wireEvent({ run_id: 'x'.repeat(256) })), 'BAD_EVENT', /^runId: must have at most 255/],
      [JSON.stringify(wireEvent({ provider: '\u0000' })), 'BAD_EVENT', 'provider: must not contain a NUL character'],
      [JSON.stringify(wireEvent({ timestamp: '2026-02-30T00:00:00Z' })), 'BAD_EVENT', 'timestamp: must be a date-time'],
      [JSON.stringify({ ...good[0], message: 'other' }), 'EVENT_ID_CONFLICT', /has been recorded with other content$/],
    ];
    await countOf(server, 'recorded').toBe(1);
    for (const [text] of bad) await emitter.emitText(userId, text);
    await emitter.emit(good[1]!);
    await countOf(server, 'quarantined').toBe(bad.length);
    await countOf(server, 'recorded').toBe(2);

    await emitter.redis.set('sync:status:user:x:recent', 'not a list');
    proxy.cut(); // so that everything is met again, in the lists
    await countOf(server, 'quarantined').toBe(bad.length + 1);
    await live(server);
    expect((await source(server)).quarantined).toBe(bad.length + 1);

    const { edges } = await quarantined(server);
    expect(edges.length).toBe(bad.length + 1);
    for (const [text, reason, detail] of bad)
      expect(edges.map(({ node }: { node: object }) => node)).toContainEqual(
        expect.objectContaining({
          reason,
          detail: expect.stringMatching(detail),
          payloadBytes: Buffer.byteLength(text),
        }),
      );
    expect(edges[0].node).toMatchObject({ reason: 'UNREADABLE_KEY', place: 'sync:status:user:x:recent' });
    const payloads = edges.flatMap(({ node: { payload } }: { node: { payload: string | null } }) => payload ?? []);
    expect(payloads.length).toBe(3);
    for (const payload of payloads) expect(payload.length).toBeLessThanOrEqual(2_000);

    const paged: string[] = [];
    for (let after = null, more = true; more; ) {
      const page = await quarantined(server, { first: 4, after });
      paged.push(...page.edges.map(({ node }: { node: { id: string } }) => node.id));
      ({ endCursor: after, hasNextPage: more } = page.pageInfo);
    }
    expect(paged).toEqual(edges.map(({ node }: { node: { id: string } }) => node.id));
  });

  test('keeps so many entries in quarantine and no more, and counts on', async () => {
    const server = await start({ quarantinedEntries: 3, quarantinedPayloads: 2 });
    await live(server);
    for (let count = 1; count <= 5; count += 1) {
      await emitter.emitText(randomUUID(), `entry ${count}`);
      await countOf(server, 'quarantined').toBe(count);
    }
    const { edges } = await quarantined(server);
    expect(edges.map(({ node }: { node: { payload: string | null } }) => node.payload)).toEqual([
      'entry 5',
      'entry 4',
      null,
    ]);
  });

  test('does not bring back who was deleted, but for what happens after that', async () => {
    const event = wireEvent();
    const { user_id: userId } = event;
    const server = await start({ bridgeCheckMs: 100 });
    await live(server);
    await emitter.emit(event);
    await logged(server, userId).toEqual([event.event_id]);
    await server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { __typename } }', { id: userId });
    proxy.cut();
    await countOf(server, 'ignored').toBeGreaterThan(0); // it has met the old event again
    const { data } = await server.graphql('{ sources { ignoredKinds { reason type } } }');
    expect(data.sources[0].ignoredKinds).toEqual([{ reason: 'DELETED_USER', type: null }]);
    expect((await server.graphql('query ($id: UUID!) { user(id: $id) { id } }', { id: userId })).data.user).toBe(null);
    const after = wireEvent({ user_id: userId, timestamp: new Date(Date.now() + 1_000).toISOString() });
    await emitter.emit(after);
    await logged(server, userId).toEqual([after.event_id]);
    proxy.cut();
    await expect.poll(async () => (await source(server)).duplicates).toBeGreaterThan(0);
    expect((await log(server, userId)).length).toBe(1);
  });

  test('puts the newest event of a run that has fallen off its user’s list before the list', async () => {
    const userId = randomUUID();
    const at = (minute: number) => new Date(Date.UTC(2026, 2, 14, 0, minute)).toISOString();
    const of = (runId: string, minute: number) =>
      wireEvent({ user_id: userId, run_id: runId, source: 'backfill', timestamp: at(minute) });
    const lost = [of('first', 0), of('second', 2), of('first', 3)] as const;
    const others = Array.from({ length: 200 }, (_, index) => of(index === 199 ? 'first' : `pull_${index}`, 10 + index));
    others.splice(100, 0, of('third', 110));
    const fallen = [of('fourth', 5), of('fifth', 4)] as const; // read in any order, and told apart by their time
    for (const event of [...lost, ...fallen, ...others]) await emitter.emit(event);
    expect((await emitter.stored(userId)).length).toBe(200);
    const server = await start();
    await live(server);
    const ids = [lost[1], fallen[1], fallen[0], ...others].map((event) => event.event_id);
    expect((await log(server, userId)).map((event) => event.event_id)).toEqual(ids.slice(-200));
    const { data } = await server.graphql(
      `query ($id: UUID!) { user(id: $id) {
        syncEvents(first: 10) { edges { node { id } } }
        syncRun(runId: "first") { eventCount }
      } }`,
      { id: userId },
    );
    expect(data.user.syncEvents.edges.map(({ node }: { node: { id: string } }) => node.id)).toEqual(ids.slice(0, 10));
    expect(data.user.syncRun).toEqual({ eventCount: 1 });
  });

  test('finds runs that cannot be read or whose list is gone, and asks for none that Redis has forgotten', async () => {
    const [event, alone] = [wireEvent({ run_id: 'one' }), wireEvent({ run_id: 'alone' })];
    for (const each of [event, alone]) await emitter.emit(each);
    await emitter.redis.del(`sync:status:user:${alone.user_id}:recent`);
    const forgotten = Array.from({ length: 5_000 }, (_, index) => `pull_${index}`);
    await emitter.redis.sadd(`sync:status:user:${event.user_id}:runs`, ...forgotten);
    await emitter.redis.set('sync:status:run:text', 'no JSON');
    await emitter.redis.set('sync:status:run:nobody', JSON.stringify(wireEvent({ user_id: 'x' })));
    await emitter.redis.hset('sync:status:run:hash', 'a', 'b');
    await emitter.redis.config('RESETSTAT');
    const server = await start();
    await live(server);
    const calls = /cmdstat_get:calls=(\d+)/.exec(await emitter.redis.info('commandstats'))?.[1];
    expect(Number(calls)).toBeLessThan(20);
    await logged(server, alone.user_id).toEqual([alone.event_id]);
    await countOf(server, 'quarantined').toBe(3);
    const { edges } = await quarantined(server);
    expect(
      edges.map(({ node }: { node: { place: string; reason: string } }) => `${node.place} ${node.reason}`).sort(),
    ).toEqual([
      'sync:status:run:hash UNREADABLE_KEY',
      'sync:status:run:nobody BAD_EVENT',
      'sync:status:run:text NOT_JSON',
    ]);
  });

  test('keeps the order of a list that grows while it is read', async () => {
    const userId = randomUUID();
    const emit = async () => {
      const event = wireEvent({ user_id: userId });
      await emitter.emit(event);
      return event.event_id;
    };
    const ids: string[] = [];
    for (let count = 0; count < 40; count += 1) ids.push(await emit());
    const server = await start();
    while (ids.length < 200 && (await source(server)).state !== 'LIVE') ids.push(await emit());
    await logged(server, userId).toEqual(ids);
  });

  test('does not take another user’s event for one that has fallen off, where two share the name of a run', async () => {
    const [here, there] = [wireEvent(), wireEvent()];
    await emitter.emit(here);
    await emitter.emit(there);
    const server = await start();
    await live(server);
    for (const event of [here, there]) await logged(server, event.user_id).toEqual([event.event_id]);
    expect(await source(server)).toMatchObject({ recorded: 2, duplicates: 0 });
  });

  test('takes its time over long lists, and a slow answer for a sign of life', async () => {
    const userId = randomUUID();
    const events = Array.from({ length: 60 }, () =>
      wireEvent({ user_id: userId, metadata: { text: 'x'.repeat(50_000) } }),
    );
    for (const event of events) await emitter.emit(event);
    proxy.throttle(1_500_000);
    onTestFinished(() => proxy.throttle());
    const server = await start({ bridgePingMs: 50, bridgeAnswerMs: 300 });
    await logged(server, userId).toEqual(events.map((event) => event.event_id));
    await live(server);
    expect((await source(server)).lastError).toBe(null);
  });

  test('cuts what is too long and replaces what no database takes, so that no event is lost for it', async () => {
    const [message, error] = [`${'m'.repeat(4_094)}😀m`, 'e'.repeat(16_385)];
    const ended = wireEvent({ stage: 'failed', status: 'failed', message, error, metadata: { a: 'x'.repeat(65_536) } });
    const fitting = wireEvent({ user_id: ended.user_id, message: 'm'.repeat(4_096), error: 'e'.repeat(16_384) });
    const odd = wireEvent({ user_id: ended.user_id, message: 'a\u0000b', error: '\ud83d' });
    const server = await start();
    await live(server);
    await emitter.emit(ended);
    await emitter.emit(fitting);
    await emitter.emit(odd);
    await logged(server, ended.user_id).toEqual([ended.event_id, fitting.event_id, odd.event_id]);
    expect(await log(server, ended.user_id)).toMatchObject([
      {
        message: `${'m'.repeat(4_094)}…`,
        error: `${'e'.repeat(16_383)}…`,
        metadata: { metadata_left_out: 'must take at most 65536 bytes as JSON, it takes 65544' },
      },
      { message: fitting.message, error: fitting.error, metadata: {} },
      { message: 'a\ufffdb', error: '\ufffd' },
    ]);
    proxy.cut(); // and is the same when it comes again
    await countOf(server, 'duplicates').toBe(3);
    expect((await source(server)).quarantined).toBe(0);
  });

  test('loses nothing to a webhook that has told of it before', async () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const server = await start({}, { settings: { OPEN_WEARABLES_WEBHOOK_SECRET: secret } });
    const bridged = async () =>
      (await server.graphql(sources)).data.sources.find(
        ({ name }: { name: string }) => name === 'open-wearables-redis',
      );
    await expect.poll(async () => (await bridged()).state).toBe('LIVE');
    const begun = wireEvent({ stage: 'started', started_at: '2026-03-14T07:00:00.412873Z' });
    const { user_id, run_id, provider, source: word } = begun;
    const body = JSON.stringify({ type: 'sync.started', data: { user_id, run_id, provider, source: word } });
    const at = new Date();
    const headers = {
      'svix-id': 'msg_1',
      'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'svix-signature': new Webhook(secret).sign('msg_1', at, body),
    };
    const delivery = { method: 'POST', headers, body };
    expect((await rest(`${server.url}/api/v1/webhooks/open-wearables`, delivery)).body).toEqual({ status: 'recorded' });
    const [own] = await log(server, user_id);
    const next = wireEvent({ user_id });
    const other = wireEvent({ stage: 'started' }); // the same run of another user
    for (const event of [begun, next, other]) await emitter.emit(event);
    await logged(server, user_id).toEqual([own?.event_id, begun.event_id, next.event_id]);
    await logged(server, other.user_id).toEqual([other.event_id]);
    await expect.poll(bridged).toMatchObject({ recorded: 3, duplicates: 0 });
  });

  test('tells of each time that the log could not take what has come', async () => {
    const server = await start();
    await live(server);
    const { services } = server.app;
    let isAway = false;
    const { log } = services;
    const failing: Pick<Services['log'], 'record' | 'eventsById'> = {
      eventsById: (ids) => log.eventsById(ids),
      async record(drafts) {
        if (isAway) throw new AppError('UNAVAILABLE', 'The database is away');
        return log.record(drafts);
      },
    };
    const told: unknown[] = [];
    const bridges = await openSources(
      [{ ...openWearablesRedis, name: 'another' }],
      { another: { OPEN_WEARABLES_REDIS_URL: url } },
      {
        ...services,
        log: failing as Services['log'],
        onError: (error) => told.push(error),
      },
    );
    bridges.start();
    closing.push(() => bridges.close());
    const another = services.sources.opened.find(({ name }) => name === 'another');
    await expect.poll(() => another?.isLive).toBe(true);
    for (const times of [1, 2]) {
      isAway = true;
      await emitter.emit(wireEvent());
      await expect.poll(() => told.length).toBe(times);
      isAway = false;
      const handled = () => (another ? another.totals.recorded + another.totals.duplicates : 0);
      await expect.poll(handled).toBe(times);
    }
  });

  test('records nothing of a user who is deleted while it does so', async () => {
    const server = await start();
    await live(server);
    const { services } = server.app;
    const userId = await server.user();
    const feed = await services.sources.open('another', { exclusive: false });
    const findDeletions = services.users.deletions.bind(services.users);
    vi.spyOn(services.users, 'deletions').mockImplementation(async (ids) => {
      const deletions = await findDeletions(ids);
      if ((await services.users.byIds([userId])).length > 0) await services.users.delete(userId);
      return deletions;
    });
    const recorder = new EntryRecorder(
      { ...services, source: feed, quarantine: services.sources.quarantine },
      { readEntry: (entry) => readEntry(entry, services.limits), onDelay: () => {}, onRefused: () => {} },
    );
    const entry = { text: JSON.stringify(wireEvent({ user_id: userId })), place: 'here' };
    await recorder.record([entry], new AbortController().signal);
    expect(feed.totals).toMatchObject({ recorded: 0, ignored: 1 });
    expect(await services.users.byIds([userId])).toEqual([]);
  });

  test('takes for settled what is deleted while it looks', async () => {
    const server = await start();
    const { services } = server.app;
    const entry = { text: JSON.stringify(wireEvent()), place: 'here' };
    const feed = await services.sources.open('another', { exclusive: false });
    const { log, users } = services;
    let isDeleted = false;
    const isLookedUp = async (found: Promise<unknown>) => {
      await found;
      if (isDeleted) return;
      isDeleted = true;
      await users.delete(JSON.parse(entry.text).user_id);
    };
    const recorder = new EntryRecorder(
      { ...services, source: feed, quarantine: services.sources.quarantine },
      { readEntry: (entry) => readEntry(entry, services.limits), onDelay: () => {}, onRefused: () => {} },
    );
    await recorder.record([entry], new AbortController().signal);
    const { eventsById, deletions } = { eventsById: log.eventsById.bind(log), deletions: users.deletions.bind(users) };
    vi.spyOn(log, 'eventsById').mockImplementation(async (ids) => {
      const found = eventsById(ids);
      await isLookedUp(found);
      return found;
    });
    vi.spyOn(users, 'deletions').mockImplementation(async (ids) => {
      const found = deletions(ids);
      await isLookedUp(found);
      return found;
    });
    expect(await recorder.areSettled([entry])).toEqual([true]);
    expect(isDeleted).toBe(true);
  });

  test('does not read a list again and again that begins with nothing new', async () => {
    const [gone, good] = [wireEvent(), wireEvent()];
    const server = await start({ bridgeCheckMs: 50 });
    await live(server);
    const counts = async () => {
      const { recorded, duplicates, ignored, quarantined } = await source(server);
      return { recorded, duplicates, ignored, quarantined };
    };
    let recorded = 0;
    /** Waits until it has looked: nobody is told of any event here, so that only looking finds them. */
    const looked = async (event = wireEvent()) => {
      await emitter.emit(event, { publish: false });
      recorded += 1;
      await countOf(server, 'recorded').toBe(recorded);
    };
    await looked(gone);
    await looked(good);
    await emitter.emitText(good.user_id, 'x', { publish: false });
    await countOf(server, 'quarantined').toBe(1);
    await looked();
    await server.graphql('mutation ($id: UUID!) { deleteUser(id: $id) { __typename } }', { id: gone.user_id });
    const before = await counts();
    await looked();
    await looked();
    expect(await counts()).toEqual({ ...before, recorded });
  });

  test('keeps what has come before its connection broke for the next one', async () => {
    const userId = randomUUID();
    const events = Array.from({ length: 201 }, (_, index) =>
      wireEvent({
        user_id: userId,
        run_id: 'long',
        timestamp: new Date(Date.UTC(2026, 2, 14, 0, index)).toISOString(),
      }),
    );
    const stored = wireEvent();
    await emitter.emit(stored);
    const server = await start();
    await live(server);
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let held: Promise<unknown> | undefined;
    await new Promise<void>((begun) => {
      held = server.app.services.database.transaction(async (transaction) => {
        await transaction.user.updateMany({ where: { id: stored.user_id }, data: { lastName: 'held' } });
        begun();
        await released;
      });
    });
    proxy.cut(); // the next connection cannot record what is stored
    const subscribed = async () => Number((await emitter.redis.pubsub('NUMSUB', 'sync:status:all'))[1]);
    await expect.poll(subscribed).toBe(0);
    await expect.poll(subscribed).toBe(1);
    for (const event of events) await emitter.emit(event);
    proxy.cut();
    release();
    await held;
    await countOf(server, 'recorded').toBe(202);
    expect((await log(server, userId)).map((event) => event.event_id)).toEqual(
      events.map((event) => event.event_id).slice(-200),
    );
  });

  test('reads everything once more when too much comes at once', async () => {
    const server = await start({ bridgeMessages: 20, eventsPerRecording: 10 });
    await live(server);
    const events = Array.from({ length: 10 }, () => sampleEvents()).flat();
    await Promise.all(events.map((event) => emitter.emit(event)));
    await countOf(server, 'recorded').toBe(events.length);
    await live(server);
    expect((await source(server)).backfill.entries).toBeGreaterThan(0); // the one at the start found nothing
  });

  test('finds what was stored without a word, by looking now and then', async () => {
    const server = await start({ bridgeCheckMs: 200 });
    await live(server);
    const userId = randomUUID();
    const silent = [wireEvent({ user_id: userId }), wireEvent({ user_id: userId })];
    for (const event of silent) await emitter.emit(event, { publish: false });
    await logged(server, userId).toEqual(silent.map((event) => event.event_id));
  });

  test('notices a connection that is dead without a word, and goes on with another', async () => {
    const server = await start({ bridgePingMs: 100, bridgeAnswerMs: 500 });
    await live(server);
    expect(proxy.blackHole()).toBe(2);
    const event = wireEvent();
    await emitter.emit(event);
    await logged(server, event.user_id).toEqual([event.event_id]);
    expect((await source(server)).lastError).toBe('Redis has not answered for 500 ms');
    await live(server);
  });

  test('reads the database that its URL names', async () => {
    const [here, elsewhere] = [wireEvent(), wireEvent()];
    const other = createEmitter(`${redis.url}/3`);
    closing.push(() => other.close());
    await other.emit(here, { publish: false });
    await emitter.emit(elsewhere, { publish: false });
    const server = await start({}, { settings: { OPEN_WEARABLES_REDIS_URL: `${proxy.url}/3` } });
    await live(server);
    await countOf(server, 'recorded').toBe(1);
    await logged(server, here.user_id).toEqual([here.event_id]);
    expect(await log(server, elsewhere.user_id)).toEqual([]);
  });

  test('says what keeps it from connecting, without the password', async () => {
    const event = wireEvent();
    await emitter.emit(event);
    for (const [bad, text] of [
      [url.replace('s3cret-word', 'wr0ng-word'), /^WRONGPASS/],
      // Refused the database, it would read another one.
      [`${url}/3`, /^NOPERM/],
      ['redis://127.0.0.1:1', /^connect ECONNREFUSED/],
    ] as const) {
      const lines: string[] = [];
      const logger = pino({ level: 'error' }, { write: (line) => lines.push(line) });
      const server = await start({}, { logger, settings: { OPEN_WEARABLES_REDIS_URL: bad } });
      await countOf(server, 'lastError').toMatch(text);
      expect(['CONNECTING', 'DISCONNECTED']).toContain((await source(server)).state);
      expect(JSON.stringify([await source(server), lines])).not.toMatch(/wr0ng-word|s3cret-word/);
      expect(await source(server)).toMatchObject({ recorded: 0, connectedAt: null });
      expect(lines.length).toBe(1); // the same again is not worth another line
    }
  });

  test('does not know how far it is behind while Redis is gone, and says that it is not up', async () => {
    const server = await start(
      { bridgeRetryMs: 100 },
      { settings: { OPEN_WEARABLES_REDIS_URL: 'redis://127.0.0.1:1' } },
    );
    await countOf(server, 'lastError').toMatch(/ECONNREFUSED/);
    expect((await source(server)).lagMs).toBe(null);
    const { text } = await rest(`${server.url}/metrics`);
    expect(text).toContain('synclog_source_live{source="open-wearables-redis"} 0\n');
    expect(text).not.toContain('synclog_source_lag_seconds{');
  });

  test('is done by one instance at a time, and by another at once when that one stops', async () => {
    const database = await createDatabase();
    const shared = { url: database.url, drop: async () => {} };
    closing.push(() => database.drop());
    const first = await start({}, { database: shared });
    await live(first);
    const second = await start({}, { database: shared });
    const event = wireEvent();
    await emitter.emit(event);
    await logged(second, event.user_id).toEqual([event.event_id]);
    await countOf(second, 'recorded').toBe(1);
    expect(await source(second)).toMatchObject({ state: 'LIVE', isHolder: false, duplicates: 0 });
    expect(await source(first)).toMatchObject({ state: 'LIVE', isHolder: true });
    expect(proxy.open).toBe(2);

    const stopped = performance.now();
    await first.app.close();
    await expect.poll(() => source(second)).toMatchObject({ state: 'LIVE', isHolder: true });
    expect(performance.now() - stopped).toBeLessThan(3_000);
    const next = wireEvent();
    await emitter.emit(next);
    await logged(second, next.user_id).toEqual([next.event_id]);
    expect(proxy.open).toBe(2);
  });

  test('waits while it has no instance', async () => {
    const database = await createDatabase();
    closing.push(() => database.drop());
    const shared = { url: database.url, drop: async () => {} };
    const first = await start({}, { database: shared });
    await live(first);
    await first.app.close();
    const other = await startServer({ database: shared });
    onTestFinished(() => other.close());
    expect(await source(other)).toMatchObject({ state: 'WAITING', isHolder: false, lagMs: null });
  });

  test('shows how it stands to those who may read all users, and to nobody else', async () => {
    const server = await start();
    await live(server);
    expect((await server.graphql(sources, {}, await server.key('read'))).errors).toEqual([]);
    const codes = await Promise.all(
      [{}, await server.key('write'), await server.userToken(await server.user())].map(
        async (headers) => (await server.graphql(sources, {}, headers)).errors[0]?.extensions.code,
      ),
    );
    expect(codes).toEqual(['UNAUTHENTICATED', 'FORBIDDEN', 'FORBIDDEN']);
  });

  test('tells in /metrics which instance is live, and that none is when Redis is away', async () => {
    const database = await createDatabase();
    closing.push(() => database.drop());
    const shared = { url: database.url, drop: async () => {} };
    const first = await start({}, { database: shared });
    await live(first);
    const second = await start({}, { database: shared });
    const shown = () =>
      Promise.all(
        [first, second].map(async ({ url }) =>
          Number(
            /^synclog_source_live\{source="open-wearables-redis"\} (\d)$/m.exec(
              (await rest(`${url}/metrics`)).text,
            )?.[1],
          ),
        ),
      );
    expect(await shown()).toEqual([1, 0]);
    await redis.stop();
    await expect.poll(shown).toEqual([0, 0]);
    await redis.start();
    url = await addBridgeUser(emitter, proxy.url);
    await expect.poll(shown).toEqual([1, 0]);
    await first.app.close();
    await expect
      .poll(async () => (await rest(`${second.url}/metrics`)).text)
      .toContain('synclog_source_live{source="open-wearables-redis"} 1\n');
  });

  test('counts in /metrics, naming nobody', async () => {
    const event = wireEvent();
    const server = await start();
    await live(server);
    await emitter.emit(event);
    await emitter.emitText(event.user_id, 'x');
    await countOf(server, 'quarantined').toBe(1);
    await countOf(server, 'recorded').toBe(1);
    const { status, headers, text } = await rest(`${server.url}/metrics`);
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text).toContain('synclog_source_entries_total{source="open-wearables-redis",outcome="recorded"} 1\n');
    expect(text).toContain('synclog_source_entries_total{source="open-wearables-redis",outcome="quarantined"} 1\n');
    expect(text).toContain('synclog_source_lag_seconds{source="open-wearables-redis"} 0\n');
    expect(text).toContain('synclog_source_live{source="open-wearables-redis"} 1\n');
    for (const name of ['open_streams{door="websocket"}', 'followed_logs', 'waiting_recordings'])
      expect(text).toContain(`\nsynclog_${name} 0\n`);
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toContain(event.user_id);
  });
});
