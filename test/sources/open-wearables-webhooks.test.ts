import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { formerDeliveryId } from '../../src/sources/open-wearables/derived-id.ts';
import { createDatabase } from '../support/database.ts';
import { type RestAnswer, rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const path = '/api/v1/webhooks/open-wearables';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    settings: { OPEN_WEARABLES_WEBHOOK_SECRET: secret },
    limits: { sourceRenewMs: 50, webhookBytes: 10_000 },
  });
});
afterAll(() => server.close());

/** Headers of a delivery as Svix signs it. */
function signed(body: string | Buffer, at = new Date(), key = secret): Headers {
  const id = `msg_${randomUUID()}`;
  return {
    'content-type': 'application/json',
    'svix-id': id,
    'svix-timestamp': String(Math.floor(at.getTime() / 1000)),
    'svix-signature': new Webhook(key).sign(id, at, body),
  };
}

const post = (body: string | Buffer, headers: Headers, to = server): Promise<RestAnswer> =>
  rest(to.url + path, { method: 'POST', headers, body });

const deliver = (delivery: unknown, at?: Date, to = server) => {
  const body = JSON.stringify(delivery);
  return post(body, signed(body, at), to);
};

/** `data` of a run's delivery. */
const run = (data: object = {}) => ({
  user_id: randomUUID(),
  provider: 'oura',
  source: 'pull',
  run_id: `pull_${randomUUID().slice(0, 16)}`,
  ...data,
});
const started = (data: object) => ({ type: 'sync.started', data: { message: 'started', metadata: {}, ...data } });
const completed = (data: object) => ({
  type: 'sync.completed',
  data: { status: 'success', message: 'completed', items_processed: 42, metadata: { a: 1 }, ...data },
});
const recorded = { status: 200, body: { status: 'recorded' } };
const duplicate = { status: 200, body: { status: 'duplicate' } };
const ignored = { status: 200, body: { status: 'ignored' } };
const quarantined = { status: 200, body: { status: 'quarantined' } };

async function log(userId: string) {
  const { data } = await server.graphql(
    `query ($id: UUID!) { user(id: $id) {
      recentSyncEvents { id runId provider sourceRaw stageRaw statusRaw message itemsProcessed error metadata startedAt endedAt timestamp late }
      syncRuns { edges { node { runId status startedAt endedAt durationMs eventCount } } }
    } }`,
    { id: userId },
  );
  return data.user && { events: data.user.recentSyncEvents.reverse(), runs: data.user.syncRuns.edges };
}

async function source() {
  const { data } = await server.graphql(
    '{ sources { name state isHolder recorded duplicates ignored quarantined quarantine { edges { node { reason detail place payload } } } } }',
  );
  return data.sources[0];
}

describe('run ids', () => {
  test('may be the same for two users: each has events of its own', async () => {
    const one = run();
    const other = { ...one, user_id: randomUUID() };
    for (const delivery of [started(one), started(other), completed(one), completed({ ...other, message: 'mine' })])
      expect(await deliver(delivery)).toMatchObject(recorded);
    for (const { user_id } of [one, other])
      expect((await log(user_id)).events).toMatchObject([{ stageRaw: 'started' }, { stageRaw: 'completed' }]);
    expect(await deliver(completed(one))).toMatchObject(duplicate);
    expect(await deliver(completed({ ...other, message: 'mine' }))).toMatchObject(duplicate);
    expect(await deliver(completed(other))).toMatchObject(quarantined);
  });

  test('and an event that an earlier release recorded, under an id of the run alone, is the same when it comes again', async () => {
    const data = run();
    const other = { ...data, user_id: randomUUID() };
    const former = formerDeliveryId({ userId: data.user_id, runId: data.run_id, stage: 'started' });
    await server.app.services.users.ensure(new Map([[data.user_id, undefined]]));
    const { user_id: userId, run_id: runId, provider, source } = data;
    await server.app.services.log.record([
      {
        ...{ id: former, userId, runId, provider, source, stage: 'started', status: 'in_progress', message: 'started' },
        ...{ metadata: {}, startedAt: new Date('2026-03-14'), timestamp: new Date('2026-03-14') },
      },
    ]);
    expect(await deliver(started(data))).toMatchObject(duplicate);
    expect(await deliver(started({ ...data, message: 'other' }))).toMatchObject(quarantined);
    expect(await deliver(started(other))).toMatchObject(recorded);
    expect((await log(userId)).events).toMatchObject([{ id: former }]);
  });
});

test('the start of a run that is told again and again until it arrives does not open the run that has ended', async () => {
  const data = run();
  expect(await deliver(completed(data))).toMatchObject(recorded);
  expect(await deliver(started(data))).toMatchObject(recorded); // its signature is younger than that of the end
  expect(await deliver(started(data))).toMatchObject(duplicate);
  expect(await log(data.user_id)).toMatchObject({
    events: [{ stageRaw: 'completed' }, { stageRaw: 'started', late: true }],
    runs: [{ node: { status: 'SUCCESS', eventCount: 2 } }],
  });
});

test('a status in other words ends the run that is said to be complete, and is kept', async () => {
  for (const status of ['SUCCESS', 'done']) {
    const data = run({ status });
    expect(await deliver(completed(data))).toMatchObject(recorded);
    expect((await log(data.user_id)).events).toMatchObject([{ statusRaw: status }]);
    const { data: ended } = await server.graphql(
      'query ($id: UUID!, $run: ID!) { user(id: $id) { syncRun(runId: $run) { health } } }',
      { id: data.user_id, run: data.run_id },
    );
    expect(ended.user.syncRun).toEqual({ health: 'ENDED' });
  }
});

describe('a delivery of Open Wearables', () => {
  test('whose metadata cannot be kept as it is keeps all but that, and says why', async () => {
    const data = run();
    const body = JSON.stringify(started({ ...data, metadata: { n: 0 } })).replace('"n":0', '"n":9007199254740993');
    expect(await post(body, signed(body))).toMatchObject(recorded);
    expect((await log(data.user_id)).events).toMatchObject([
      { metadata: { metadata_left_out: expect.stringContaining('the number 9007199254740993 at data.metadata.n') } },
    ]);
    const other = body.replace('0993', '0995');
    expect(await post(other, signed(other))).toMatchObject(quarantined);
  });

  test('becomes an event with what it does not say made up from its type and its time', async () => {
    const data = run();
    const begin = new Date(Math.floor(Date.now() / 1_000) * 1_000 - 60_000);
    const end = new Date(begin.getTime() + 30_000);
    expect(await deliver(started(data), begin)).toMatchObject(recorded);
    expect(await deliver(completed(data), end)).toMatchObject(recorded);
    const { events, runs } = await log(data.user_id);
    expect(events).toMatchObject([
      {
        runId: data.run_id,
        provider: 'oura',
        sourceRaw: 'pull',
        stageRaw: 'started',
        statusRaw: 'in_progress',
        message: 'started',
        startedAt: begin.toISOString(),
        endedAt: null,
        timestamp: begin.toISOString(),
      },
      {
        stageRaw: 'completed',
        statusRaw: 'success',
        itemsProcessed: 42,
        metadata: { a: 1 },
        startedAt: null,
        endedAt: end.toISOString(),
        timestamp: end.toISOString(),
        late: false,
      },
    ]);
    expect(runs).toEqual([
      {
        node: {
          runId: data.run_id,
          status: 'SUCCESS',
          durationMs: 30_000,
          eventCount: 2,
          startedAt: begin.toISOString(),
          endedAt: end.toISOString(),
        },
      },
    ]);
  });

  test.each([
    ['sync.completed', { status: 'partial' }, { stageRaw: 'completed', statusRaw: 'partial' }],
    ['sync.completed', { status: 'skipped' }, { stageRaw: 'completed', statusRaw: 'skipped' }],
    ['sync.completed', {}, { stageRaw: 'completed', statusRaw: 'success' }],
    ['sync.failed', { error: 'boom' }, { stageRaw: 'failed', statusRaw: 'failed', error: 'boom' }],
  ])('of the type %s with %j shows as %j', async (type, more, shown) => {
    const data = run(more);
    expect(await deliver({ type, data })).toMatchObject(recorded);
    expect((await log(data.user_id)).events).toMatchObject([shown]);
  });

  test('counts once, however often and whenever Svix sends it', async () => {
    const data = run();
    const begin = new Date(Date.now() - 200_000);
    expect(await deliver(started(data), begin)).toMatchObject(recorded);
    expect(await deliver(started(data))).toMatchObject(duplicate);
    const atOnce = await Promise.all(
      Array.from({ length: 5 }, (_, s) => deliver(completed(data), new Date(Date.now() - s * 1_000))),
    );
    expect(atOnce.map(({ body }) => body.status).sort()).toEqual([...Array(4).fill('duplicate'), 'recorded']);
    const { events } = await log(data.user_id);
    expect(events.length).toBe(2);
    expect(Date.parse(events[0].timestamp)).toBe(Math.floor(begin.getTime() / 1000) * 1000);
  });

  test('may end a run before it begins it', async () => {
    const data = run();
    expect(await deliver(completed(data))).toMatchObject(recorded);
    expect(await deliver(started(data))).toMatchObject(recorded);
    const { events, runs } = await log(data.user_id);
    expect(events).toMatchObject([{ late: false }, { stageRaw: 'started', late: true }]);
    expect(runs).toMatchObject([{ node: { status: 'SUCCESS', eventCount: 2 } }]);
  });

  test('adds nothing to what the run has reported by another way', async () => {
    const data = run({ user_id: await server.user() });
    const same = { userId: data.user_id, runId: data.run_id };
    await server.record({ ...same, stage: 'STARTED' }, { ...same, stage: 'FETCHING' });
    expect(await deliver(started(data))).toMatchObject(duplicate);
    expect(await deliver(completed(data))).toMatchObject(recorded);
    expect((await log(data.user_id)).events.map((event: { stageRaw: string }) => event.stageRaw)).toEqual([
      'started',
      'fetching',
      'completed',
    ]);
  });

  test('of a new connection makes its user known, and of one that is over does nothing', async () => {
    for (const [type, outcome, known] of [
      ['connection.created', recorded, { events: [], runs: [] }],
      ['connection.revoked', ignored, null],
    ] as const) {
      const user_id = randomUUID();
      const data = { user_id, provider: 'oura', connection_id: randomUUID() };
      expect(await deliver({ type, data })).toMatchObject(outcome);
      expect(await log(user_id)).toEqual(known);
    }
  });

  test('of a connection tells its state, in any order and as often as it comes', async () => {
    const userId = randomUUID();
    const link = async () => {
      const { data } = await server.graphql(
        `query ($id: UUID!) { user(id: $id) { connections {
          provider state stateSince connectedAt revokedAt problem health lastAttemptAt lastRun { runId }
          reason { class retryable actor text event { id } }
        } } }`,
        { id: userId },
      );
      expect(data.user.connections).toHaveLength(1);
      return data.user.connections[0];
    };
    const at = (minute: number) => `2026-10-02T08:${String(minute).padStart(2, '0')}:00+00:00`;
    const shown = (minute: number) => `2026-10-02T08:${String(minute).padStart(2, '0')}:00.000Z`;
    const data = { user_id: userId, provider: 'oura', connection_id: randomUUID() };
    const created = (minute: number) =>
      deliver({ type: 'connection.created', data: { ...data, connected_at: at(minute) } });
    const revoked = (minute: number, reason: string) =>
      deliver({ type: 'connection.revoked', data: { ...data, reason, revoked_at: at(minute) } });

    expect(await created(1)).toMatchObject(recorded);
    const made = { provider: 'oura', state: 'CONNECTED', stateSince: shown(1), connectedAt: shown(1), problem: null };
    expect(await link()).toMatchObject({ ...made, revokedAt: null, lastAttemptAt: null, lastRun: null });
    expect(await created(1)).toMatchObject(duplicate);

    expect(await revoked(5, 'refresh_failed')).toMatchObject(recorded);
    const broken = { state: 'NEEDS_RECONNECT', stateSince: shown(5), problem: 'refresh_failed', health: 'FAILING' };
    const why = { class: 'RECONNECT_NEEDED', retryable: false, actor: 'USER', text: 'refresh_failed', event: null };
    expect(await link()).toMatchObject({ ...broken, connectedAt: shown(1), revokedAt: shown(5), reason: why });
    expect(await revoked(5, 'refresh_failed')).toMatchObject(duplicate);
    expect(await created(3)).toMatchObject(recorded); // an older one that came late
    expect(await link()).toMatchObject({ ...broken, connectedAt: shown(3) });

    expect(await created(8)).toMatchObject(recorded);
    expect(await link()).toMatchObject({ state: 'CONNECTED', stateSince: shown(8), problem: null });
    expect(await revoked(6, 'refresh_failed')).toMatchObject(recorded); // before it was made again
    expect(await link()).toMatchObject({ state: 'CONNECTED', stateSince: shown(8), problem: null });
    for (const [minute, reason] of [
      [10, 'user_disconnected'],
      [11, 'sdk_sign_out'],
      [12, 'deregistration'],
      [13, 'a new word'],
    ] as const) {
      expect(await revoked(minute, reason)).toMatchObject(recorded);
      expect(await link()).toMatchObject({
        state: 'DISCONNECTED',
        stateSince: shown(10),
        problem: reason,
        health: 'UNKNOWN',
      });
    }
  });

  test('of a connection that is dated ahead hides nothing that is told after it', async () => {
    const data = { user_id: randomUUID(), provider: 'oura', connection_id: randomUUID() };
    const tell = (type: string, more: object) => deliver({ type, data: { ...data, ...more } });
    await tell('connection.created', { connected_at: '2099-01-01T00:00:00+00:00' });
    await tell('connection.revoked', {
      reason: 'refresh_failed',
      revoked_at: new Date(Date.now() + 1000).toISOString(),
    });
    const { data: answer } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { connections { state connectedAt } } }',
      { id: data.user_id },
    );
    expect(answer.user.connections).toEqual([{ state: 'NEEDS_RECONNECT', connectedAt: expect.stringMatching(/^202/) }]);
  });

  test('of a connection that was made before it was revoked does not take back what failed since', async () => {
    const data = run();
    for (let n = 0; n < 3; n += 1)
      await deliver({ type: 'sync.failed', data: { ...data, run_id: `r${n}`, error: '503' } });
    const tell = (type: string, more: object) =>
      deliver({ type, data: { user_id: data.user_id, provider: 'oura', connection_id: null, ...more } });
    await tell('connection.revoked', { reason: 'refresh_failed', revoked_at: '2026-10-02T09:00:00Z' });
    await tell('connection.created', { connected_at: '2026-10-02T08:00:00Z' });
    const { data: answer } = await server.graphql(
      'query ($id: UUID!) { user(id: $id) { connections { state consecutiveFailures } } }',
      { id: data.user_id },
    );
    expect(answer.user.connections).toEqual([{ state: 'NEEDS_RECONNECT', consecutiveFailures: 3 }]);
  });

  test('of a connection shows at once what was kept before it', async () => {
    const data = run();
    await deliver(completed(data));
    const states = async () => {
      const { data: answer } = await server.graphql(
        'query ($id: UUID!) { user(id: $id) { connections { provider state } } }',
        {
          id: data.user_id,
        },
      );
      return answer.user.connections;
    };
    for (let n = 0; n < 2; n += 1) expect(await states()).toEqual([{ provider: 'oura', state: 'CONNECTED' }]);
    const later = new Date(Date.now() + 60_000).toISOString();
    await deliver({
      ...{ type: 'connection.revoked' },
      data: {
        user_id: data.user_id,
        provider: 'oura',
        connection_id: randomUUID(),
        reason: 'refresh_failed',
        revoked_at: later,
      },
    });
    expect(await states()).toEqual([{ provider: 'oura', state: 'NEEDS_RECONNECT' }]);
  });

  test('does not bring back who was deleted, but counts for who was made again', async () => {
    const data = run();
    expect(await deliver(started(data))).toMatchObject(recorded);
    await server.app.services.users.delete(data.user_id);
    const connection = { user_id: data.user_id, provider: 'oura', connection_id: randomUUID() };
    for (const delivery of [
      completed(data),
      started(data),
      { type: 'connection.created', data: connection },
      { type: 'connection.revoked', data: connection },
    ]) {
      expect(await deliver(delivery)).toMatchObject(ignored);
      expect(await log(data.user_id)).toBe(null);
    }
    await server.user({ id: data.user_id });
    expect(await deliver(completed(data))).toMatchObject(recorded);
  });

  test('that a deleted user has connected a device since makes the user again', async () => {
    const user_id = await server.user();
    await server.app.services.users.delete(user_id);
    const connected = (connected_at: string) => ({ type: 'connection.created', data: { user_id, connected_at } });
    await deliver(connected(new Date(Date.now() - 60_000).toISOString()));
    expect(await log(user_id)).toBe(null);
    await deliver(connected(new Date(Date.now() + 60_000).toISOString()));
    expect(await log(user_id)).toEqual({ events: [], runs: [] });
  });

  test('is cut where it is too long, and is the same when it comes again', async () => {
    const error = 'e'.repeat(5_000);
    const data = run({ error, message: `${'m'.repeat(4_094)}😀m` });
    const failed = { type: 'sync.failed', data };
    expect(await deliver(failed)).toMatchObject(recorded);
    expect(await deliver(failed)).toMatchObject(duplicate);
    expect((await log(data.user_id)).events).toMatchObject([
      { statusRaw: 'failed', message: `${'m'.repeat(4_094)}…`, error },
    ]);
  });

  test('that says nothing to the log is acknowledged', async () => {
    for (const delivery of [{}, { type: 'workout.created', data: {} }, { type: 7 }, { type: 'toString', data: {} }])
      expect(await deliver(delivery)).toMatchObject(ignored);
  });

  test('that is ignored is counted by why, and by its type', async () => {
    const fresh = await startServer({ settings: { OPEN_WEARABLES_WEBHOOK_SECRET: secret } });
    onTestFinished(() => fresh.close());
    const deleted = await fresh.user();
    await fresh.app.services.users.delete(deleted);
    const connection = { user_id: randomUUID(), provider: 'oura', connection_id: randomUUID() };
    for (const delivery of [
      { type: 'workout.created', data: {} },
      { type: 'workout.created', data: {} },
      { type: 'sync.data_type.completed', data: {} },
      {},
      { type: 7 },
      { type: 'connection.created', data: { user_id: deleted } },
      { type: 'connection.created', data: { ...connection, user_id: deleted } },
      { type: 'connection.revoked', data: connection },
      completed(run({ user_id: deleted })),
    ])
      expect(await deliver(delivery, undefined, fresh)).toMatchObject(ignored);
    await deliver(started(run()), undefined, fresh);

    const kinds = [
      ['UNKNOWN_TYPE', 'workout.created', 2],
      ['UNKNOWN_TYPE', 'sync.data_type.completed', 1],
      ['UNKNOWN_TYPE', null, 2],
      ['NO_EVENT', 'connection.created', 1],
      ['DELETED_USER', 'connection.created', 1],
      ['UNKNOWN_USER', 'connection.revoked', 1],
      ['DELETED_USER', 'sync.completed', 1],
    ] as const;
    const { data } = await fresh.graphql('{ sources { ignoredKinds { reason type count } } }');
    expect(data.sources[0].ignoredKinds).toEqual(kinds.map(([reason, type, count]) => ({ reason, type, count })));
    const { text } = await rest(`${fresh.url}/metrics`);
    for (const [reason, type, count] of kinds)
      expect(text).toContain(
        `synclog_source_ignored_total{source="open-wearables-webhooks",reason="${reason.toLowerCase()}",type="${type ?? ''}"} ${count}\n`,
      );
  });

  test('that cannot be read goes to quarantine, as it would be the same the next time', async () => {
    const before = await source();
    const data = run();
    expect(await deliver(started(data))).toMatchObject(recorded);
    for (const [delivery, reason, detail] of [
      [{ type: 'sync.started' }, 'BAD_EVENT', /^data\./],
      [started({ ...run(), user_id: 'u' }), 'BAD_EVENT', /^data\.user_id: must be a UUID/],
      [completed(run({ items_processed: -1 })), 'BAD_EVENT', /^itemsProcessed: /],
      [{ type: 'connection.created', data: null }, 'BAD_EVENT', /^data\./],
      [started({ ...data, message: 'other' }), 'EVENT_ID_CONFLICT', /other content/],
    ] as const) {
      expect(await deliver(delivery)).toMatchObject(quarantined);
      expect(await deliver(delivery)).toMatchObject(quarantined);
      expect((await source()).quarantine.edges[0].node).toMatchObject({
        reason,
        detail: expect.stringMatching(detail),
        place: delivery.type,
        payload: JSON.stringify(delivery),
      });
    }
    expect((await source()).quarantined - before.quarantined).toBe(5);
  });

  test('is counted in `sources`', async () => {
    const before = await source();
    const data = run();
    for (const delivery of [started(data), started(data), {}]) await deliver(delivery);
    await expect.poll(source).toMatchObject({
      name: 'open-wearables-webhooks',
      state: 'LIVE',
      isHolder: true,
      recorded: before.recorded + 1,
      duplicates: before.duplicates + 1,
      ignored: before.ignored + 1,
    });
  });
});

describe('a request', () => {
  const body = JSON.stringify(started(run()));

  test.each<[string, string | Buffer, Headers]>([
    ['without a signature', body, { 'content-type': 'application/json' }],
    ['signed with another secret', body, signed(body, new Date(), 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD')],
    ['with another body', body.replace('oura', 'whoop'), signed(body)],
    ['whose signature is of another version', body, { ...signed(body), 'svix-signature': 'v2,abc v1' }],
    ['whose time is none', body, { ...signed(body), 'svix-timestamp': 'now' }],
    ['that is more than 5 minutes old', body, signed(body, new Date(Date.now() - 301_000))],
    ['that is more than 5 minutes early', body, signed(body, new Date(Date.now() + 400_000))],
    ['with an API key in place of a signature', body, {}],
  ])('%s is refused', async (what, text, headers) => {
    const answer = await post(text, what.includes('API key') ? server.admin : headers);
    expect(answer).toMatchObject({
      status: 401,
      body: { code: 'UNAUTHENTICATED', detail: expect.any(String) },
    });
  });

  test('may carry several signatures, as while a secret is changed', async () => {
    const text = JSON.stringify(started(run()));
    const headers = signed(text);
    const signature = `v1,${Buffer.from('another').toString('base64')} ${headers['svix-signature']}`;
    expect(await post(text, { ...headers, 'svix-signature': signature })).toMatchObject(recorded);
  });

  test.each([['{"type":'], ['[]'], ['null'], ['7'], ['']])('with the body %j is refused', async (text) => {
    expect(await post(text, signed(text))).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT' } });
  });

  test('with bytes that are no text is refused', async () => {
    const bytes = Buffer.from([0xff, 0xfe, 0x00]);
    expect([400, 401]).toContain((await post(bytes, signed(bytes))).status);
  });

  test('may be as long as the limit, and no longer', async () => {
    const data = run();
    const fill = (size: number) => {
      const text = JSON.stringify({ type: 'other', data, fill: '' });
      return text.replace('"fill":""', `"fill":"${'x'.repeat(size - text.length)}"`);
    };
    expect(await post(fill(10_000), signed(fill(10_000)))).toMatchObject(ignored);
    expect(await post(fill(10_001), signed(fill(10_001)))).toMatchObject({
      status: 413,
      body: { code: 'LIMIT_EXCEEDED' },
    });
  });

  test('must be a POST', async () => {
    expect(await rest(server.url + path)).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  });

  test('finds no door where no secret is set', async () => {
    const closed = await startServer();
    onTestFinished(() => closed.close());
    expect(await rest(closed.url + path, { method: 'POST', headers: signed(body), body })).toMatchObject({
      status: 503,
      body: {
        code: 'UNAVAILABLE',
        detail: 'Webhooks are not set up here: OPEN_WEARABLES_WEBHOOK_SECRET is not set',
      },
    });
  });

  test('is of a source that is not live where nobody takes deliveries', async () => {
    const database = await createDatabase();
    onTestFinished(() => database.drop());
    const shared = { ...database, drop: async () => {} };
    const open = await startServer({ settings: { OPEN_WEARABLES_WEBHOOK_SECRET: secret }, database: shared });
    expect((await open.graphql('{ sources { state } }')).data.sources).toEqual([{ state: 'LIVE' }]);
    await open.close();
    const closed = await startServer({ database: shared });
    onTestFinished(() => closed.close());
    expect((await closed.graphql('{ sources { state } }')).data.sources).toEqual([{ state: 'WAITING' }]);
  });

  test('is answered with success only once it is durable', async () => {
    const database = await createDatabase();
    onTestFinished(() => database.drop());
    const settings = { OPEN_WEARABLES_WEBHOOK_SECRET: secret };
    const first = await startServer({ settings, database: { ...database, drop: async () => {} } });
    const data = run();
    const text = JSON.stringify(started(data));
    const answer = await rest(first.url + path, { method: 'POST', headers: signed(text), body: text });
    expect(answer).toMatchObject(recorded);
    await first.app.services.log.close(); // as when the server closes
    const other = JSON.stringify(started(run()));
    const refused = await rest(first.url + path, { method: 'POST', headers: signed(other), body: other });
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    await first.close();
  });
});

test('a sender who delivers too much at once gets 429, and is taken when it comes back', async () => {
  let now = Date.now();
  const settings = { OPEN_WEARABLES_WEBHOOK_SECRET: secret, RATE_LIMITS: 'on' };
  const limits = { webhookRate: { burst: 2, perSecond: 0.5 } };
  const limited = await startServer({ settings, limits, rateClock: () => now });
  onTestFinished(() => limited.close());
  const deliveries = [run(), run(), run()].map((data) => started(data));
  expect(await deliver(deliveries[0], undefined, limited)).toMatchObject(recorded);
  expect(await deliver(deliveries[1], undefined, limited)).toMatchObject(recorded);
  expect(await deliver(deliveries[2], undefined, limited)).toMatchObject({
    status: 429,
    headers: { 'retry-after': '2' },
    body: { code: 'RATE_LIMITED' },
  });
  now += 2_000;
  expect(await deliver(deliveries[2], undefined, limited)).toMatchObject(recorded);
});
