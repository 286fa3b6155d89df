import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { protectiveHeaders } from '../../src/transports/server-response.ts';
import { claimsWith, secondsFromNow, signWithSecret } from '../support/identity-provider.ts';
import { exchange, type RestAnswer, type RestRequest, rest } from '../support/rest-client.ts';
import { type Headers, jwtSecret, startServer, type TestServer } from '../support/server.ts';

const authenticationRequired = { detail: 'Authentication required: provide JWT token or API key' };
const invalidKey = { detail: 'Invalid or missing API key' };
const noUser = { detail: 'User not found' };
const notPermitted = { detail: 'The credential does not permit this: it lacks the scope read' };
const notAnInteger = 'Input should be a valid integer, unable to parse string as an integer';
const page = 'https://app.example';

/** The fields of an event, in their order. */
const eventFields = [
  'event_id',
  'run_id',
  'user_id',
  'provider',
  'source',
  'stage',
  'status',
  'message',
  'progress',
  'items_processed',
  'items_total',
  'error',
  'primary_user_id',
  'metadata',
  'started_at',
  'ended_at',
  'timestamp',
];

let server: TestServer;
let read: Headers;
let write: Headers;
/** While true, every statement fails with a message that must not be shown. */
let databaseIsBroken = false;

beforeAll(async () => {
  server = await startServer({
    settings: { CORS_ORIGINS: page },
    onStatement: () => {
      if (databaseIsBroken) throw new Error('secret of the database');
    },
  });
  read = await server.key('read');
  write = await server.key('write');
});
afterAll(() => server.close());

const get = (path: string, headers: Headers = read) => rest(server.url + path, { headers });
const recentPath = (userId: string, query = '') => `/api/v1/users/${userId}/sync/recent${query}`;
const recent = (userId: string, query = '', headers: Headers = read) => get(recentPath(userId, query), headers);
const bearer = async (claims: Record<string, unknown>, secret = jwtSecret): Promise<Headers> => ({
  authorization: `Bearer ${await signWithSecret(secret, claimsWith(claims))}`,
});

async function whileBroken<T>(work: () => Promise<T>): Promise<T> {
  databaseIsBroken = true;
  try {
    return await work();
  } finally {
    databaseIsBroken = false;
  }
}

describe('GET /api/v1/users/{user_id}/sync/recent', () => {
  let user: string;

  beforeAll(async () => {
    user = await server.user();
  });

  describe('asks who is there', () => {
    it('and refuses nobody in particular: no credential, or an empty one', async () => {
      for (const headers of [
        {},
        { 'x-open-wearables-api-key': '' },
        { authorization: 'Bearer ' },
        { authorization: 'Basic YTpi' },
      ]) {
        const { status, body } = await recent(user, '', headers);
        expect([status, body]).toEqual([401, authenticationRequired]);
      }
    });

    it('and refuses a bearer token that is broken, expired or of another secret', async () => {
      for (const headers of [
        { authorization: 'Bearer nonsense' },
        { authorization: 'Bearer sk-nonsense' },
        await bearer({ exp: secondsFromNow(-10) }),
        await bearer({ sub: undefined }),
        await bearer({}, 'another secret, also long enough'),
      ]) {
        const { status, body } = await recent(user, '', headers);
        expect([status, body]).toEqual([401, authenticationRequired]);
      }
    });

    it('and refuses an unknown API key in words of its own, whatever token stands beside it', async () => {
      for (const headers of [{}, { authorization: 'Bearer nonsense' }, await bearer({ sub: user, scope: 'sdk' })]) {
        const { status, body } = await recent(user, '', { ...headers, 'x-open-wearables-api-key': 'sk-unknown' });
        expect([status, body]).toEqual([401, invalidKey]);
      }
    });

    it('and sends no WWW-Authenticate', async () => {
      expect((await recent(user, '', {})).headers).not.toHaveProperty('www-authenticate');
    });

    it('and serves an API key under either header, and a developer', async () => {
      const [secret = ''] = Object.values(read);
      for (const headers of [
        { 'X-API-Key': secret },
        { 'x-open-wearables-api-KEY': secret },
        await bearer({ sub: randomUUID() }),
      ])
        expect((await recent(user, '', headers)).status).toBe(200);
    });

    it('and serves a good API key beside a broken bearer token', async () => {
      expect((await recent(user, '', { ...read, authorization: 'Bearer nonsense' })).status).toBe(200);
    });

    it('and takes an SDK token for none, even for its own log, unless a good API key stands beside it', async () => {
      const sdk = await bearer({ sub: user, scope: 'sdk' });
      expect(await recent(user, '', sdk)).toMatchObject({ status: 401, body: authenticationRequired });
      expect((await recent(user, '', { ...sdk, ...read })).status).toBe(200);
    });

    it('and lets a user token read its own log, while another one looks like none', async () => {
      const own = await server.userToken(user);
      expect((await recent(user, '', own)).status).toBe(200);
      expect(await recent(await server.user(), '', own)).toMatchObject({ status: 404, body: noUser });
    });

    it('and forbids an API key that may only write', async () => {
      expect(await recent(user, '', write)).toMatchObject({ status: 403, body: notPermitted });
    });
  });

  it('answers with an empty list for a user without events', async () => {
    expect(await recent(user)).toMatchObject({ status: 200, text: '[]' });
  });

  it('answers 404 for a user who does not exist', async () => {
    expect(await recent(randomUUID())).toMatchObject({ status: 404, body: noUser });
  });

  it('lists the newest event first, `limit` of them, 50 by default and 200 at most', async () => {
    const busy = await server.user();
    await server.record(...Array.from({ length: 210 }, (_, index) => ({ userId: busy, runId: `run_${index}` })));
    const runs = async (query: string) =>
      (await recent(busy, query)).body.map(({ run_id }: { run_id: string }) => run_id);
    expect(await runs('?limit=10')).toEqual(Array.from({ length: 10 }, (_, index) => `run_${209 - index}`));
    expect(await runs('')).toHaveLength(50);
    expect(await runs('?limit=200')).toHaveLength(200);
    expect(await runs('?limit=1')).toEqual(['run_209']);
  });

  it('refuses first who is nobody, then a bad parameter (path before query), then an unknown user', async () => {
    expect((await recent('not-a-uuid', '?limit=0', {})).status).toBe(401);
    expect((await recent('not-a-uuid', '?limit=0')).body.detail).toMatch(/valid UUID/);
    expect((await recent(randomUUID(), '?limit=0')).status).toBe(400);
    expect((await recent(randomUUID(), '?limit=1')).status).toBe(404);
  });

  it.each<[query: string, detail: string]>([
    ['?limit=0', 'Input should be greater than or equal to 1'],
    ['?limit=-1', 'Input should be greater than or equal to 1'],
    ['?limit=201', 'Input should be less than or equal to 200'],
    [`?limit=${'9'.repeat(400)}`, 'Input should be less than or equal to 200'],
    ...['abc', '', '5.5', '1e2', 'true', 'null', '1__0', '_1', '0x10', '５', 'NaN'].map((text): [string, string] => [
      `?limit=${encodeURIComponent(text)}`,
      notAnInteger,
    ]),
    ['?limit', notAnInteger],
  ])('refuses %s', async (query, detail) => {
    expect(await recent(user, query)).toMatchObject({ status: 400, body: { detail } });
  });

  it('reads a limit leniently; the last one counts, and unknown parameters do not', async () => {
    const busy = await server.user();
    await server.record(...Array.from({ length: 11 }, () => ({ userId: busy })));
    const lengthOf = async (query: string) => (await recent(busy, query)).body.length;
    for (const text of ['5', '007', ' 5', '5 ', '+5', '5.0', '1_0'])
      expect(await lengthOf(`?limit=${encodeURIComponent(text)}`)).toBe(Number(text.replace('_', '')));
    expect(await lengthOf('?limit=abc&limit=3')).toBe(3);
    expect((await recent(busy, '?limit=3&limit=abc')).status).toBe(400);
    expect(await lengthOf('?limits=0&offset=x')).toBe(11);
  });

  it('reads a user id in upper case, without hyphens, in braces and as a URN', async () => {
    await server.record({ userId: user });
    for (const form of [
      user.toUpperCase(),
      user.replaceAll('-', ''),
      `{${user}}`,
      `%7B${user}%7D`,
      `urn:uuid:${user}`,
    ]) {
      const { status, body } = await recent(form);
      expect([form, status, body?.[0]?.user_id]).toEqual([form, 200, user]);
    }
  });

  it.each([
    ['not-a-uuid', 'invalid character: found `n` at 1'],
    ['1234', 'invalid length: expected length 32 for simple format, found 4'],
    ['6cc27051-eff5-4cff-9003-48d0c55ce5e', 'invalid group length in group 4: expected 12, found 11'],
    ['6cc27051-eff5-4cff-900-348d0c55ce5ec', 'invalid group length in group 3: expected 4, found 3'],
    ['6cc27051-eff5-4cff-900348d0c55ce5ec', 'invalid group count: expected 5, found 4'],
    ['{6cc27051eff54cff900348d0c55ce5ec}', 'invalid group count: expected 5, found 1'],
    ['{6cc27051-x}', 'invalid character: found `x` at 11'],
    ['6cc%F0%9F%8C%99', 'invalid character: found `🌙` at 4'],
  ])('refuses the user id %s', async (id, reason) => {
    expect(await recent(id)).toMatchObject({
      status: 400,
      body: { detail: `Input should be a valid UUID, ${reason} - ${reason}` },
    });
  });

  it('shows all fields of an event in their order, the empty ones as null', async () => {
    const quiet = await server.user();
    await server.record({ userId: quiet, timestamp: '2026-03-14T07:00:00Z' });
    const { text } = await recent(quiet);
    expect(Object.keys(JSON.parse(text)[0])).toEqual(eventFields);
    expect(text.slice(text.indexOf('"run_id"'))).toBe(
      `"run_id":"run_1","user_id":"${quiet}","provider":"oura","source":"pull","stage":"fetching",` +
        '"status":"in_progress","message":null,"progress":null,"items_processed":null,"items_total":null,' +
        '"error":null,"primary_user_id":null,"metadata":{},"started_at":null,"ended_at":null,' +
        '"timestamp":"2026-03-14T07:00:00Z"}]',
    );
  });

  it('prints times in UTC with six digits of a fraction or none, and progress as a float', async () => {
    const busy = await server.user();
    await server.record({
      userId: busy,
      timestamp: '2026-03-14T09:00:00.412999+02:00',
      startedAt: '2026-03-14T07:00:00.0004Z',
      endedAt: '2026-03-14T07:00:00.12Z',
      progress: 1,
    });
    await server.record({ userId: busy, progress: 0 }, { userId: busy, progress: 1 / 3 });
    const { text } = await recent(busy);
    expect(text).toContain(
      '"started_at":"2026-03-14T07:00:00Z","ended_at":"2026-03-14T07:00:00.120000Z","timestamp":"2026-03-14T07:00:00.412000Z"',
    );
    expect([...text.matchAll(/"progress":([^,]*)/g)].map(([, progress]) => progress)).toEqual([
      '0.3333333333333333',
      '0.0',
      '1.0',
    ]);
  });

  it('leaves text beyond ASCII as it is', async () => {
    const busy = await server.user();
    await server.record({
      userId: busy,
      message: '3 neu · Größe 🌙 \u2028 "progress":1',
      metadata: { 'schlüssel"': 1 },
    });
    const { text, headers, body } = await recent(busy);
    expect(text).toContain('"message":"3 neu · Größe 🌙 \u2028 \\"progress\\":1"');
    expect(headers['content-length']).toBe(String(Buffer.byteLength(text)));
    expect(body[0].metadata).toEqual({ 'schlüssel"': 1 });
  });

  it('sends JSON with a length, and an entity tag with a list alone', async () => {
    const list = await recent(user);
    expect(list.headers).toMatchObject({ etag: expect.any(String), 'cache-control': 'private, no-store' });
    for (const answer of [list, await recent(user, '', {}), await recent('x'), await get('/nowhere')]) {
      const { 'content-type': type, 'content-length': length, ...others } = answer.headers;
      expect([type, length]).toEqual(['application/json', String(Buffer.byteLength(answer.text))]);
      const ofList = answer === list ? ['etag', 'synclog-cursor'] : [];
      expect(Object.keys(others).sort()).toEqual(
        [...Object.keys(protectiveHeaders), 'connection', 'date', 'keep-alive', ...ofList].sort(),
      );
    }
  });

  it('costs as many statements for 200 events as for none', async () => {
    const statements: string[] = [];
    const onStatement = ({ sql }: StatementReport) => statements.push(sql);
    const counted = await startServer({ onStatement, settings: { CACHE: 'off' } });
    try {
      const owner = await counted.user();
      const countFor = async () => {
        statements.length = 0;
        await rest(counted.url + recentPath(owner, '?limit=200'), { headers: counted.admin });
        return statements.length;
      };
      await countFor();
      const forNone = await countFor();
      await counted.record(...Array.from({ length: 200 }, () => ({ userId: owner })));
      expect(await countFor()).toBeLessThanOrEqual(forNone + 1);
    } finally {
      await counted.close();
    }
  });

  it('answers 500 in plain text when something unexpected happens, without a word about it', async () => {
    const developer = await bearer({});
    const answer = await whileBroken(() => recent(user, '', developer));
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([
      500,
      'text/plain; charset=utf-8',
      'Internal Server Error',
    ]);
    const unchecked = await whileBroken(() => recent(user));
    expect([unchecked.status, unchecked.text]).toEqual([500, 'Internal Server Error']);
  });
});

describe('A path', () => {
  it('that no route has answers 404 to anybody', async () => {
    for (const path of ['/index.html', '/api/v1', '/api/v1/users', '/api/v1/users//sync/recent', '/api/v1/x/'])
      expect(await get(path, {})).toMatchObject({ status: 404, body: { detail: 'Not Found' } });
  });

  it('with a slash too many redirects to the one without it, query included', async () => {
    const path = recentPath('%7Bx%7D');
    const { status, headers, text } = await get(`${path}/?limit=%205&limit=1`, {});
    expect([status, headers.location, headers['content-length'], text]).toEqual([
      307,
      '../recent?limit=%205&limit=1', // behind the prefix of a proxy, too
      '0',
      '',
    ]);
  });

  it('refuses methods that its routes do not have before it asks who is there', async () => {
    const paths = { GET: recentPath(randomUUID()), POST: `/api/v1/users/${randomUUID()}/sync/events` };
    for (const [allow, path] of Object.entries(paths))
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        if (method === allow || (method === 'HEAD' && allow === 'GET')) continue;
        const { status, headers, text } = await rest(server.url + path, { method });
        expect([method, status, headers.allow]).toEqual([method, 405, allow]);
        if (method !== 'HEAD') expect(text).toBe('{"detail":"Method Not Allowed"}');
      }
  });

  it('is served without a Host header, and refused where it is no path', async () => {
    expect(await exchange(server.url, ['GET /healthz HTTP/1.0\r\n\r\n'])).toMatch(/^HTTP\/1\.1 200 /);
    expect(await exchange(server.url, ['GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n'])).toMatch(
      /^HTTP\/1\.1 400 [\s\S]*\{"detail":"Bad Request"\}$/,
    );
  });
});

describe('CORS', () => {
  const corsHeaders = ({ headers }: RestAnswer) =>
    Object.fromEntries(
      Object.entries(headers).filter(([name]) => name === 'vary' || name.startsWith('access-control-')),
    );
  const from = (origin: string, request: RestRequest = {}) =>
    rest(server.url + recentPath(randomUUID()), { ...request, headers: { origin, ...request.headers } });
  const preflight = { method: 'OPTIONS', headers: { 'access-control-request-method': 'GET' } };
  const allowed = {
    'access-control-allow-origin': page,
    'access-control-allow-credentials': 'true',
    vary: 'Origin',
  };
  const exposed = { ...allowed, 'access-control-expose-headers': 'synclog-cursor' };

  it('lets a configured page read every answer, refusals too', async () => {
    const answer = await from(page, { headers: read });
    expect([answer.status, corsHeaders(answer)]).toEqual([404, exposed]);
    const refused = await from(page);
    expect([refused.status, corsHeaders(refused)]).toEqual([401, exposed]);
    const developer = await bearer({});
    const failed = await whileBroken(() => from(page, { headers: developer }));
    expect([failed.status, corsHeaders(failed)]).toEqual([500, exposed]);
  });

  it('serves a foreign page without saying that it may read the answer', async () => {
    const answer = await from('https://evil.example', { headers: read });
    expect(answer.status).toBe(404);
    expect(corsHeaders(answer)).toEqual({});
  });

  it('allows the preflight of a configured page, with the headers that it asks for', async () => {
    const answer = await from(page, {
      ...preflight,
      headers: { ...preflight.headers, 'access-control-request-headers': 'authorization, x-open-wearables-api-key' },
    });
    expect([answer.status, answer.text]).toEqual([200, 'OK']);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(corsHeaders(answer)).toEqual({
      ...allowed,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, x-open-wearables-api-key',
      'access-control-max-age': '600',
    });
  });

  it('refuses the preflight of a foreign page', async () => {
    const answer = await from('https://evil.example', preflight);
    expect([answer.status, answer.text]).toEqual([400, 'Disallowed CORS origin']);
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('takes OPTIONS without a wish for a method that no route has', async () => {
    expect((await from(page, { method: 'OPTIONS' })).status).toBe(405);
  });
});

describe('/healthz and /readyz', () => {
  it('say so while all is well', async () => {
    for (const path of ['/healthz', '/readyz'])
      expect(await get(path, {})).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await rest(`${server.url}/readyz`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });

  it('tell a database that does not answer from a process that lives, and do not say why', async () => {
    const [health, ready] = await whileBroken(() => Promise.all([get('/healthz', {}), get('/readyz', {})]));
    expect(health.status).toBe(200);
    expect([ready.status, ready.text]).toEqual([503, '{"status":"unavailable"}']);
    expect((await get('/readyz', {})).status).toBe(200);
  });

  it('are not ready any more once the server shuts down', async () => {
    const leaving = await startServer();
    let closed: Promise<void> | undefined;
    const answer = await exchange(leaving.url, ['GET /readyz HTTP/1.1\r\nHost: x\r\n', '\r\n'], async () => {
      await rest(`${leaving.url}/healthz`); // by now the first half has arrived
      closed = leaving.close();
    });
    expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*\{"status":"unavailable"\}$/);
    await closed;
  });
});
