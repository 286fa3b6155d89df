import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Limits } from '../../src/limits.ts';
import { type EventStream, openEventStream } from '../support/event-stream.ts';
import { claimsWith, signWithSecret } from '../support/identity-provider.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, jwtSecret, startServer, type TestServer } from '../support/server.ts';

/** What REST has beyond Open Wearables: cursors, filters, tokens in the query, and reasons for the end. */

const authenticationRequired = { detail: 'Authentication required: provide JWT token or API key' };
const logged: string[] = [];
/** While true, every statement fails. */
let isBroken = false;
let server: TestServer;

beforeAll(async () => {
  const logger = pino({ level: 'trace' }, { write: (line) => logged.push(line) });
  server = await startServer({
    logger,
    limits: { checkpointMs: 300 },
    onStatement: () => {
      if (isBroken) throw new Error('something unexpected');
    },
  });
});
afterAll(() => server.close());

const path = (userId: string, endpoint: string, query: string) => `/api/v1/users/${userId}/sync/${endpoint}${query}`;
const recent = (userId: string, query = '') =>
  rest(server.url + path(userId, 'recent', query), { headers: server.admin });

async function follow(userId: string, query = '', headers: Headers = server.admin, { url } = server) {
  const stream = await openEventStream(url + path(userId, 'stream', query), headers);
  onTestFinished(() => stream.close());
  return stream;
}

async function userWith(count: number, event: object = {}, on = server): Promise<string> {
  const userId = await on.user();
  const events = Array.from({ length: count }, (_, index) => ({ userId, message: String(index + 1), ...event }));
  if (count > 0) await on.record(...events);
  return userId;
}

const messages = (events: { message: string }[]) => events.map(({ message }) => Number(message));
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** What retention does: removes all events before `oldest`. */
async function expireBefore(userId: string, oldest: number): Promise<void> {
  await server.app.services.database.transaction(async (transaction) => {
    await transaction.user.update({ where: { id: userId }, data: { tailSequence: oldest } });
    await transaction.syncEvent.deleteMany({ where: { userId, sequence: { lt: oldest } } });
  });
}

/** All frames up to the end that have an event which is not a sync event. */
async function ending(stream: EventStream) {
  const frames = [];
  for (let frame = await stream.next(); frame; frame = await stream.next())
    if (frame.event !== undefined && frame.event !== 'sync.status') frames.push([frame.event, frame.data]);
  return frames;
}

describe('a stream', () => {
  it('numbers its events with their cursors, and goes on after the one it is given', async () => {
    const userId = await userWith(6);
    const first = await follow(userId, '?replay=3');
    for (const id of ['4', '5', '6']) expect(await first.event()).toMatchObject({ id, data: { message: id } });
    for (const [query, headers] of [
      ['?after=4', {}],
      ['?after=4&replay=6', {}],
      ['', { 'last-event-id': '4' }],
      ['?after=0', { 'last-event-id': '4' }],
      ['?replay=1', { 'last-event-id': '4' }],
    ] as const) {
      const resumed = await follow(userId, query, { ...server.admin, ...headers });
      expect(messages(await resumed.take(2))).toEqual([5, 6]);
    }
    expect(messages(await (await follow(userId, '?after=0')).take(6))).toEqual(upTo(6));
  });

  it('that is cut and resumed again and again, while events are recorded, shows each once', async () => {
    const userId = await userWith(1);
    const total = 150;
    const recording = (async () => {
      for (let number = 2; number <= total; number += 1) await server.record({ userId, message: String(number) });
    })();
    const seen: string[] = [];
    for (let turn = 0; seen.at(-1) !== String(total); turn += 1) {
      const lastId = seen.at(-1);
      const stream = await follow(userId, '', { ...server.admin, ...(lastId && { 'last-event-id': lastId }) });
      for (let step = 0; step <= turn % 4 && seen.at(-1) !== String(total); step += 1) {
        const { id = '' } = await stream.event();
        seen.push(id);
      }
      stream.close();
    }
    await recording;
    expect(seen.map(Number)).toEqual(upTo(total));
  });

  it('says where it stands when nothing was replayed, and after events that do not match', async () => {
    const userId = await userWith(0);
    const stream = await follow(userId, '?provider=garmin');
    expect((await stream.next())?.text).toBe(': connected');
    expect((await stream.next())?.text).toBe('retry: 2000\nid: 0');
    await server.record({ userId }, { userId, provider: 'garmin' }, { userId });
    expect(await stream.next()).toMatchObject({ id: '2', event: 'sync.status', retry: undefined });
    expect((await stream.next())?.text).toBe('id: 3');
  });

  it('tells of a cursor that cannot be honoured, and then goes on', async () => {
    const userId = await userWith(8);
    await expireBefore(userId, 6);
    const expired = await follow(userId, '?after=2');
    expect(await expired.event()).toMatchObject({
      event: 'sync.reset',
      data: { reason: 'CURSOR_EXPIRED', oldest_cursor: '6', head_cursor: '8' },
    });
    expect(messages(await expired.take(3))).toEqual([6, 7, 8]);

    const ahead = await follow(userId, '', { ...server.admin, 'last-event-id': '99' });
    expect(await ahead.event()).toMatchObject({ event: 'sync.reset', data: { reason: 'CURSOR_AHEAD' } });
    expect((await ahead.next())?.id).toBe('8');
    await server.record({ userId, message: '9' });
    expect(await ahead.event()).toMatchObject({ id: '9', data: { message: '9' } });
  });

  it('refuses what is no cursor', async () => {
    const userId = await userWith(1);
    for (const [query, headers] of [
      ['?after=x', {}],
      ['?after=-1', {}],
      ['?after=2147483648', {}],
      ['', { 'last-event-id': 'x' }],
    ] as const) {
      const stream = await rest(server.url + path(userId, 'stream', query), {
        headers: { ...server.admin, ...headers },
      });
      expect([query, stream.status]).toEqual([query, 400]);
    }
  });

  it('leaves nothing behind when its client leaves, at whatever moment', async () => {
    const userId = await userWith(30);
    for (let turns = 0; turns < 30; turns += 1) {
      const opening = follow(userId, '?replay=200').catch(() => undefined);
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      (await opening)?.close();
    }
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
  });
});

describe('a stream says why it ends', () => {
  it('when its token expires', async () => {
    const stream = await follow(await userWith(2), '', await bearerFor(1_500));
    expect(await ending(stream)).toEqual([
      ['sync.end', { code: 'TOKEN_EXPIRED', message: expect.any(String), cursor: '2' }],
    ]);
  });

  it('when its key is revoked', async () => {
    const key = await server.key('read');
    const stream = await follow(await userWith(1), '', key);
    await stream.event();
    const viewer = await server.app.services.keys.verify(key['x-api-key'] ?? '');
    await server.app.services.keys.revoke(viewer?.keyId ?? '');
    expect(await ending(stream)).toMatchObject([['sync.end', { code: 'UNAUTHENTICATED', cursor: '1' }]]);
  });

  it('when the server shuts down, and goes on with another', async () => {
    const leaving = await startServer();
    onTestFinished(() => leaving.close());
    const userId = await userWith(3, {}, leaving);
    const stream = await follow(userId, '?replay=1', leaving.admin, leaving);
    await stream.event();
    const restarted = leaving.restart();
    expect(await ending(stream)).toMatchObject([['sync.end', { code: 'UNAVAILABLE', cursor: '3' }]]);
    await restarted;
    await leaving.record({ userId, message: '4' });
    const resumed = await follow(userId, '', { ...leaving.admin, 'last-event-id': '3' }, leaving);
    expect(messages(await resumed.take(1))).toEqual([4]);
  });

  it('when its reader stops reading, having held little; a reader that comes back goes on', async () => {
    const read = { rows: 0 };
    const { slow, userId } = await startWithLongLog({ slowConsumerMs: 500 }, read);
    const stream = await follow(userId, '?after=0', slow.admin, slow);
    await stream.event();
    await expect.poll(() => slow.app.services.log.followedLogs).toBe(0);
    expect(read.rows * filler.length).toBeLessThan(20_000_000);
    let count = 1;
    let end: unknown;
    for (let frame = await stream.next(); frame; frame = await stream.next())
      if (frame.event === 'sync.end') end = frame.data;
      else if (frame.event === 'sync.status') count += 1;
    expect(end).toMatchObject({ code: 'SLOW_CONSUMER', cursor: String(count) });
  });

  it('and one that never reads again is cut', async () => {
    const { slow, userId } = await startWithLongLog({ slowConsumerMs: 500, connectionIdleMs: 1_500, heartbeatMs: 300 });
    const stream = await follow(userId, '?after=0', slow.admin, slow);
    await stream.event();
    const connections = () =>
      new Promise((resolve) => {
        const { _getActiveHandles } = process as unknown as { _getActiveHandles(): { localPort?: number }[] };
        const port = Number(new URL(slow.url).port);
        resolve(_getActiveHandles.call(process).filter(({ localPort }) => localPort === port).length);
      });
    expect(await connections()).toBeGreaterThan(0);
    await expect.poll(connections).toBe(0);
  });

  const filler = 'x'.repeat(60_000);

  /** A server with a log that is longer than what sockets hold. */
  async function startWithLongLog(limits: Partial<Limits>, read = { rows: 0 }) {
    const slow = await startServer({
      settings: { KEEP_ALIVE_SECONDS: '1' }, // those that recorded go by themselves
      limits: { pageSize: 20, ...limits },
      onStatement({ sql, rows }) {
        if (/sync_event e/.test(sql)) read.rows += rows;
      },
    });
    onTestFinished(() => slow.close());
    const userId = await slow.user();
    for (let count = 0; count < 500; count += 50)
      await slow.record(...Array.from({ length: 50 }, () => ({ userId, metadata: { filler } })));
    read.rows = 0;
    return { slow, userId };
  }
});

/** A developer's token that is good for that long. */
async function bearerFor(ms: number): Promise<Headers> {
  const token = await signWithSecret(jwtSecret, claimsWith({ exp: Math.ceil((Date.now() + ms) / 1000) }));
  return { authorization: `Bearer ${token}` };
}

describe('filters of recent and stream', () => {
  it('are exact, and match together', async () => {
    const userId = await server.user();
    const of = (message: string, event: object) => ({ userId, message, ...event });
    await server.record(
      of('1', { provider: 'garmin', source: 'SDK' }),
      of('2', { provider: 'garmin', stage: 'FAILED', status: 'FAILED' }),
      of('3', { provider: 'Garmin' }),
      of('4', { runId: 'other', stage: 'FAILED', status: 'FAILED' }),
    );
    for (const [query, expected] of [
      ['provider=garmin', [1, 2]],
      ['provider=', [1, 2, 3, 4]],
      ['source=sdk', [1]],
      ['source=&status=&run_id=', [1, 2, 3, 4]],
      ['status=failed', [2, 4]],
      ['status=failed&run_id=other', [4]],
      ['run_id=other', [4]],
    ] as const) {
      expect(messages((await recent(userId, `?${query}`)).body)).toEqual(expected.toReversed());
      expect(messages((await recent(userId, `?after=0&${query}`)).body)).toEqual(expected.toReversed());
      expect(messages(await (await follow(userId, `?${query}`)).take(expected.length))).toEqual(expected);
    }
    for (const query of ['provider=x', 'run_id=x', 'provider=%00', 'run_id=%00'])
      expect((await recent(userId, `?${query}`)).body).toEqual([]);
  });

  it('refuse words that nobody knows, after what is known of old', async () => {
    const userId = await userWith(1);
    for (const endpoint of ['recent', 'stream']) {
      const refused = async (query: string) =>
        (await rest(server.url + path(userId, endpoint, query), { headers: server.admin })).body.detail;
      const sources = "'pull', 'webhook', 'sdk', 'backfill', 'xml_import' or 'linked_account'";
      expect(await refused('?source=PULL')).toBe(`Input should be ${sources}`);
      expect(await refused('?status=done')).toMatch(/^Input should be 'in_progress', .+ or 'stale'$/);
      expect(await refused('?status=done&limit=-1&replay=-1')).toMatch(
        /^Input should be greater than or equal to [01]$/,
      );
    }
  });
});

describe('recent', () => {
  it('lists what follows a cursor, as much as asked for, and says where it ends', async () => {
    const userId = await userWith(7);
    const listed = async (query: string) => {
      const { body, headers } = await recent(userId, query);
      return [messages(body), headers['synclog-cursor']];
    };
    expect(await listed('')).toEqual([upTo(7).reverse(), '7']);
    expect(await listed('?after=2&limit=3')).toEqual([[5, 4, 3], '5']);
    expect(await listed('?after=5&limit=3')).toEqual([[7, 6], '7']);
    expect(await listed('?after=7')).toEqual([[], '7']);
    expect(await listed('?after=1&provider=garmin')).toEqual([[], '7']);
    const polled: number[] = [];
    for (let cursor = '0'; polled.length < 7; ) {
      const { body, headers } = await recent(userId, `?after=${cursor}&limit=2`);
      polled.push(...messages(body).reverse());
      cursor = String(headers['synclog-cursor']);
    }
    expect(polled).toEqual(upTo(7));
  });

  it('says where a page of what matches ends, and not where the log does, as long as more matches', async () => {
    const userId = await server.user();
    const providers = ['oura', 'garmin', 'oura', 'garmin', 'garmin', 'oura', 'polar'];
    await server.record(...providers.map((provider, index) => ({ userId, provider, message: String(index + 1) })));
    const page = async (after: string | number, limit: number) => {
      const { body, headers } = await recent(userId, `?provider=garmin&after=${after}&limit=${limit}`);
      return [messages(body), headers['synclog-cursor']];
    };
    expect(await page(0, 1)).toEqual([[2], '2']);
    expect(await page(2, 1)).toEqual([[4], '4']);
    expect(await page(0, 2)).toEqual([[4, 2], '4']);
    expect(await page(4, 1)).toEqual([[5], '7']); // nothing else matches: on from the head
    expect(await page(0, 3)).toEqual([[5, 4, 2], '7']);
    expect(await page(7, 1)).toEqual([[], '7']);
  });

  it('loses nothing between two pages, while events are recorded', async () => {
    const userId = await server.user();
    const recording = (async () => {
      for (let sequence = 1; sequence <= 60; sequence += 1) await server.record({ userId, message: String(sequence) });
    })();
    const polled: number[] = [];
    for (let cursor = '0'; polled.length < 60; ) {
      const { body, headers } = await recent(userId, `?after=${cursor}&limit=5`);
      polled.push(...messages(body).reverse());
      cursor = String(headers['synclog-cursor']);
      expect(Number(cursor)).toBe(polled.at(-1) ?? 0);
    }
    await recording;
    expect(polled).toEqual(upTo(60));
  });

  it('refuses a cursor behind which events are gone, or that is past the head', async () => {
    const userId = await userWith(8);
    await expireBefore(userId, 6);
    expect((await recent(userId, '?after=3')).body.detail).toContain('no longer kept; the oldest one kept is 6');
    expect((await recent(userId, '?after=9')).body.detail).toContain('past the newest event');
    expect((await recent(userId, '?after=9')).status).toBe(400);
    expect((await recent(randomUUID(), '?after=9')).status).toBe(404);
  });

  it('is what a stream goes on from, without a hole', async () => {
    const userId = await userWith(3);
    const { headers } = await recent(userId);
    await server.record({ userId, message: '4' });
    const stream = await follow(userId, `?after=${headers['synclog-cursor']}`);
    expect(messages(await stream.take(1))).toEqual([4]);
  });
});

describe('a stream with replay=0', () => {
  it('begins with what comes from now on, and is resumed like any other', async () => {
    const userId = await userWith(3);
    const stream = await follow(userId, '?replay=0');
    await server.record({ userId, message: '4' }, { userId, message: '5' });
    expect(messages(await stream.take(2))).toEqual([4, 5]);
    const resumed = await follow(userId, '?replay=0', { ...server.admin, 'last-event-id': '2' });
    expect(messages(await resumed.take(3))).toEqual([3, 4, 5]);
    const after = await follow(userId, '?replay=0&after=1');
    expect(messages(await after.take(1))).toEqual([2]);
    const empty = await follow(await server.user(), '?replay=0');
    expect((await empty.next())?.text).toBe(': connected');
  });
});

describe('a request that names no number', () => {
  it.each([
    ['recent', 50],
    ['runs', 20],
  ])('of %s lists %i', async (endpoint, count) => {
    const userId = await server.user();
    await server.record(...upTo(55).map((number) => ({ userId, runId: `run_${number}` })));
    const { body } = await rest(server.url + path(userId, endpoint, ''), { headers: server.admin });
    expect(body).toHaveLength(count);
  });
});

describe('runs of all users', () => {
  it('are read in pages, as many as are asked for', async () => {
    const many = await startServer();
    onTestFinished(() => many.close());
    const users = [await many.user(), await many.user()];
    for (const userId of users) await many.record(...upTo(350).map((number) => ({ userId, runId: `run_${number}` })));
    const list = async (query: string) =>
      (await rest(`${many.url}/api/v1/sync/runs${query}`, { headers: many.admin })).body;
    const all = await list('?limit=10000');
    expect(new Set(all.map((run: object) => JSON.stringify(run))).size).toBe(700);
    for (const limit of [1, 199, 200, 201, 400, 650])
      expect(await list(`?limit=${limit}`)).toEqual(all.slice(0, limit));
    expect(await list('')).toHaveLength(50);
    expect(await list(`?limit=10000&user_id=${users[0]}`)).toHaveLength(350);
    const times = all.map(({ last_update }: { last_update: string }) => Date.parse(last_update));
    expect(times).toEqual(times.toSorted((a: number, b: number) => b - a));
  });

  it('are all there, each once, while they move to the front', async () => {
    const moving = await startServer();
    onTestFinished(() => moving.close());
    const userId = await moving.user();
    const at = (number: number) => new Date(Date.UTC(2026, 0, 1) + number * 1000).toISOString();
    const ids = upTo(450).map((number) => `run_${number}`);
    await moving.record(...ids.map((runId, index) => ({ userId, runId, timestamp: at(index) })));
    let listing = true;
    const recording = (async () => {
      for (let turn = 0; listing; turn += 1)
        await moving.record({ userId, runId: ids[turn % ids.length], timestamp: at(1000 + turn) });
    })();
    for (let round = 0; round < 20; round += 1) {
      const { body } = await rest(`${moving.url}/api/v1/sync/runs?limit=10000`, { headers: moving.admin });
      expect(body.map(({ run_id }: { run_id: string }) => run_id).toSorted()).toEqual(ids.toSorted());
    }
    listing = false;
    await recording;
  });

  it('are for a user those of that user, and for a key that may only write forbidden', async () => {
    const [userId, other] = [await userWith(1), await userWith(1)];
    const own = await server.userToken(userId);
    const list = (headers: Headers, query = '') => rest(`${server.url}/api/v1/sync/runs${query}`, { headers });
    expect((await list(own)).body).toMatchObject([{ user_id: userId }]);
    expect((await list(own, `?user_id=${other}`)).body).toEqual([]);
    expect((await list(await server.key('write'))).status).toBe(403);
  });
});

describe('a user token in the query', () => {
  const tokenOf = ({ authorization = '' }: Headers) => authorization.replace('Bearer ', '');

  it('opens the stream of its user, and no other door', async () => {
    const [userId, other] = [await userWith(2), await userWith(1)];
    const query = `?access_token=${tokenOf(await server.userToken(userId))}`;
    expect(messages(await (await follow(userId, query, {})).take(2))).toEqual([1, 2]);
    expect((await rest(server.url + path(other, 'stream', query))).status).toBe(404);
    for (const elsewhere of [path(userId, 'recent', query), path(userId, 'runs', query), `/api/v1/sync/runs${query}`])
      expect(await rest(server.url + elsewhere)).toMatchObject({ status: 401, body: authenticationRequired });
  });

  it('is found however its name is encoded', async () => {
    const userId = await userWith(1);
    const query = `?%61ccess%5Ftoke%6e=${tokenOf(await server.userToken(userId))}`;
    expect(messages(await (await follow(userId, query, {})).take(1))).toEqual([1]);
  });

  it('may be no other credential, and none that is bad', async () => {
    const userId = await userWith(1);
    const developer = tokenOf(await bearerFor(60_000));
    const sdk = await signWithSecret(jwtSecret, claimsWith({ sub: userId, scope: 'sdk' }));
    const expired = await signWithSecret(jwtSecret, claimsWith({ sub: userId, scope: 'sync:self', exp: 1 }));
    for (const token of [developer, sdk, expired, server.admin['x-api-key'], 'x', ''])
      expect(await rest(server.url + path(userId, 'stream', `?access_token=${token}`))).toMatchObject({
        status: 401,
        body: authenticationRequired,
      });
  });

  it('counts only where no header has a credential', async () => {
    const [userId, other] = [await userWith(1), await userWith(1)];
    const query = `?access_token=${tokenOf(await server.userToken(userId))}`;
    expect(messages(await (await follow(other, query, server.admin)).take(1))).toEqual([1]);
    const ofProxy = { authorization: 'Basic YTpi' };
    expect(messages(await (await follow(userId, query, ofProxy)).take(1))).toEqual([1]);
    const bad = { authorization: 'Bearer nonsense' };
    expect((await rest(server.url + path(userId, 'stream', query), { headers: bad })).status).toBe(401);
  });

  it('reaches no line of the log, whatever goes wrong', async () => {
    const userId = await userWith(1);
    const token = tokenOf(await server.userToken(userId));
    const query = `?access_token=${token}`;
    const stream = await follow(userId, query, {});
    await stream.event();
    stream.close();
    await rest(server.url + path(userId, 'stream', `${query}&replay=-1`));
    await rest(server.url + path(userId, 'stream', `${query}x`));
    await rest(server.url + path(randomUUID(), 'stream', query));
    isBroken = true;
    const failed = await rest(server.url + path(userId, 'stream', query));
    isBroken = false;
    expect([failed.status, failed.text]).toEqual([500, 'Internal Server Error']);
    expect(logged.join('')).toContain('something unexpected');
    expect(logged.join('')).not.toContain(token);
    expect(failed.text).not.toContain(token);
  });
});
