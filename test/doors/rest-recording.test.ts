import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectTo } from '../support/connection.ts';
import { provider } from '../support/database.ts';
import { claimsWith, signWithSecret } from '../support/identity-provider.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, jwtSecret, startServer, type TestServer } from '../support/server.ts';

const requestBytes = 1_048_576;
/** An event's least content, on the wire. */
const anEvent = { run_id: 'run_1', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
const json = { 'content-type': 'application/json' };

let server: TestServer;
let write: Headers;
let user: string;
const logged: string[] = [];

beforeAll(async () => {
  const logger = pino({ level: 'error' }, { write: (line) => logged.push(line) });
  server = await startServer({ limits: { requestBytes }, logger });
  write = { ...json, ...(await server.key('write')) };
});
beforeEach(async () => {
  user = await server.user();
});
afterAll(() => server.close());

const pathOf = (userId: string) => `${server.url}/api/v1/users/${userId}/sync/events`;
const post = (body: unknown, headers: Headers = write, userId = user) =>
  rest(pathOf(userId), { method: 'POST', headers, body });
const stored = async () =>
  (await rest(`${server.url}/api/v1/users/${user}/sync/recent?limit=200`, { headers: server.admin })).body;

describe('POST /api/v1/users/{user_id}/sync/events', () => {
  describe('asks who is there', () => {
    it('and refuses nobody, an unknown key and an SDK token, before it looks at the rest', async () => {
      const sdk = await signWithSecret(jwtSecret, claimsWith({ sub: user, scope: 'sdk' }));
      const required = 'Authentication required: provide JWT token or API key';
      expect(await post(anEvent, json)).toMatchObject({ status: 401, body: { detail: required } });
      expect(await post(anEvent, { ...json, authorization: `Bearer ${sdk}` })).toMatchObject({
        status: 401,
        body: { detail: required },
      });
      expect(await post(anEvent, { ...json, 'x-api-key': 'sk-unknown' })).toMatchObject({
        status: 401,
        body: { detail: 'Invalid or missing API key' },
      });
      expect((await post('{', {}, 'not-a-uuid')).status).toBe(401);
      expect(await stored()).toEqual([]);
    });

    it('and forbids recording to a key that reads, a developer without the scope and the user', async () => {
      const developer = await signWithSecret(jwtSecret, claimsWith());
      for (const headers of [
        await server.key('read', 'admin'),
        await server.userToken(user),
        { authorization: `Bearer ${developer}` },
      ])
        expect(await post(anEvent, { ...json, ...headers })).toMatchObject({
          status: 403,
          body: { detail: expect.stringMatching(/^The credential does not permit this: /) },
        });
      expect(await stored()).toEqual([]);
    });
  });

  it('records one event and answers with its id and its number in the log', async () => {
    const { status, body, headers } = await post(anEvent);
    expect([status, headers['content-type']]).toEqual([201, 'application/json']);
    expect(body).toEqual([{ event_id: expect.stringMatching(/^[0-9a-f-]{36}$/), sequence: 1, duplicate: false }]);
    expect(await stored()).toMatchObject([{ ...anEvent, event_id: body[0].event_id, user_id: user }]);
  });

  it('records several events in their order', async () => {
    const { status, body } = await post([anEvent, { ...anEvent, run_id: 'run_2' }, { ...anEvent, run_id: 'run_3' }]);
    expect(status).toBe(201);
    expect(body).toMatchObject([{ sequence: 1 }, { sequence: 2 }, { sequence: 3 }]);
    expect(await stored()).toMatchObject([{ run_id: 'run_3' }, { run_id: 'run_2' }, { run_id: 'run_1' }]);
  });

  it('takes an event as it would be shown, in every field', async () => {
    const event = {
      event_id: randomUUID(),
      run_id: 'garmin_backfill_1',
      user_id: user,
      provider: 'garmin',
      source: 'linked_account',
      stage: 'completed',
      status: 'partial',
      message: 'Größe · 🌙 \u2028',
      progress: 0.25,
      items_processed: 0,
      items_total: 2_147_483_647,
      error: '',
      primary_user_id: randomUUID(),
      metadata: { nested: [{ deep: null }], __typename: 'x', 'a b': 1e-7 },
      started_at: '2026-03-14T07:00:00Z',
      ended_at: '2026-03-14T07:00:00.001000Z',
      timestamp: '2026-03-14T07:00:00.412000Z',
    };
    expect((await post(event)).status).toBe(201);
    expect(await stored()).toEqual([event]);
  });

  it('keeps metadata keys that mean something to JavaScript', async () => {
    const event = `{"run_id":"r","provider":"p","source":"pull","stage":"started","status":"in_progress",
      "metadata":{"__proto__":{"a":1},"constructor":2}}`;
    expect((await post(event)).status).toBe(201);
    expect(JSON.stringify((await stored())[0].metadata)).toBe('{"__proto__":{"a":1},"constructor":2}');
  });

  it('takes null for a field that is left out', async () => {
    const empty = Object.fromEntries(
      ['event_id', 'user_id', 'message', 'progress', 'items_processed', 'metadata', 'started_at', 'timestamp'].map(
        (name) => [name, null],
      ),
    );
    expect((await post({ ...anEvent, ...empty })).status).toBe(201);
  });

  it('takes ids of users and events in every form of a UUID', async () => {
    const id = randomUUID();
    const event = { ...anEvent, event_id: id.toUpperCase(), user_id: user.replaceAll('-', '') };
    expect(await post(event, write, `{${user.toUpperCase()}}`)).toMatchObject({
      status: 201,
      body: [{ event_id: id }],
    });
  });

  it.each([
    ['2026-03-14T07:00:00.412999Z', '2026-03-14T07:00:00.412000Z'],
    ['2026-03-14T07:00:00.4Z', '2026-03-14T07:00:00.400000Z'],
    ['2026-03-14t07:00:00z', '2026-03-14T07:00:00Z'],
    ['2026-03-14T23:30:00.000001-01:30', '2026-03-15T01:00:00Z'],
    ['2024-02-29T00:00:00+00:00', '2024-02-29T00:00:00Z'],
  ])('takes the time %s for %s', async (timestamp, shown) => {
    expect((await post({ ...anEvent, timestamp })).status).toBe(201);
    expect(await stored()).toMatchObject([{ timestamp: shown }]);
  });

  it('stores a repeated event once', async () => {
    const event = { ...anEvent, event_id: randomUUID(), timestamp: '2026-03-14T07:00:00.412999Z' };
    expect((await post(event)).body).toEqual([{ event_id: event.event_id, sequence: 1, duplicate: false }]);
    expect(await post([event, anEvent, event])).toMatchObject({
      status: 201,
      body: [
        { sequence: 1, duplicate: true },
        { sequence: 2, duplicate: false },
        { sequence: 1, duplicate: true },
      ],
    });
    expect(await stored()).toHaveLength(2);
  });

  it('refuses the id of another event, and stores nothing of the batch', async () => {
    const event = { ...anEvent, event_id: randomUUID() };
    await post(event);
    const other = { ...event, message: 'another' };
    expect(await post([anEvent, other])).toMatchObject({
      status: 409,
      body: { detail: 'events[1].event_id: is the id of an event with other content' },
    });
    expect(await post(other)).toMatchObject({
      status: 409,
      body: { detail: 'event_id: is the id of an event with other content' },
    });
    expect(await stored()).toHaveLength(1);
  });

  it('answers 404 for a user who does not exist', async () => {
    expect(await post(anEvent, write, randomUUID())).toMatchObject({
      status: 404,
      body: { detail: 'User not found' },
    });
  });

  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

  it.each<[what: string, change: object, problem: string]>([
    ['a progress past 1', { progress: 1.1 }, 'progress: must be a number from 0 to 1'],
    ['a negative progress', { progress: -0.1 }, 'progress: must be a number from 0 to 1'],
    ['progress as a text', { progress: '0.5' }, 'progress: must be a number from 0 to 1'],
    ['a fraction of an item', { items_total: 1.5 }, 'items_total: must be a whole number from 0 to 2147483647'],
    ['fewer than no items', { items_processed: -1 }, 'items_processed: must be a whole number from 0 to 2147483647'],
    ['too many items', { items_total: 2 ** 31 }, 'items_total: must be a whole number from 0 to 2147483647'],
    ['a number for a text', { message: 5 }, 'message: must be a string'],
    ['a number for a run', { run_id: 5 }, 'run_id: must be a string'],
    ['an empty run', { run_id: '' }, 'run_id: must not be empty'],
    ['no run', { run_id: undefined }, 'run_id: is required'],
    ['null for a provider', { provider: null }, 'provider: is required'],
    ['a long provider', { provider: 'x'.repeat(65) }, 'provider: must have at most 64 characters, it has 65'],
    [
      'an unknown source',
      { source: 'PULL' },
      'source: must be one of pull, webhook, sdk, backfill, xml_import, linked_account',
    ],
    [
      'an unknown stage',
      { stage: 'sleeping' },
      'stage: must be one of queued, started, fetching, processing, saving, completed, failed, cancelled',
    ],
    [
      'an unknown status',
      { status: ['success'] },
      'status: must be one of in_progress, success, partial, failed, cancelled, skipped, unfinished, stale',
    ],
    ['the word that only answers have', { status: 'unrecognized' }, 'status: must be one of '],
    ['no UUID', { event_id: '1' }, 'event_id: must be a UUID'],
    ['no UUID at all', { primary_user_id: {} }, 'primary_user_id: must be a UUID'],
    ['another user', { user_id: randomUUID() }, 'user_id: must be the user in the path'],
    ['metadata that is a list', { metadata: [] }, 'metadata: must be an object'],
    ['metadata that is a text', { metadata: '{}' }, 'metadata: must be an object'],
    ['a NUL', { message: 'a\0b' }, 'message: must not contain a NUL character'],
    ['a lone surrogate', { error: 'a\ud800' }, 'error: must be well-formed Unicode: it contains a lone surrogate'],
    ['a NUL in metadata', { metadata: { a: ['\0'] } }, 'metadata: must not contain a NUL character'],
    ['a lone surrogate in a key', { metadata: { '\udc00': 1 } }, 'metadata: must be well-formed Unicode'],
    ['huge metadata', { metadata: { a: 'x'.repeat(65_536) } }, 'metadata: must take at most 65536 bytes as JSON'],
    ['deep metadata', { metadata: JSON.parse(deep(33)) }, 'metadata: must be nested at most 32 deep'],
    ['a naive time', { timestamp: '2026-03-14T07:00:00' }, 'timestamp: must be an RFC 3339 time with a time zone'],
    ['a day alone', { started_at: '2026-03-14' }, 'started_at: must be an RFC 3339 time with a time zone'],
    ['a day that is not', { ended_at: '2026-02-29T07:00:00Z' }, 'ended_at: must be an RFC 3339 time'],
    ['an hour that is not', { ended_at: '2026-02-28T24:00:00Z' }, 'ended_at: must be an RFC 3339 time'],
    ['a time as a number', { timestamp: 1_773_471_600 }, 'timestamp: must be an RFC 3339 time'],
    ['a time before all data', { timestamp: '1999-12-31T23:59:59Z' }, 'timestamp: must be from 2000-01-01'],
    ['an unknown field', { colour: 'red' }, 'unknown fields colour'],
    ['several unknown fields', { __typename: 1, runId: 'x' }, 'unknown fields __typename, runId'],
  ])('refuses %s, naming event and field, and stores nothing of the batch', async (_, change, problem) => {
    const single = await post({ ...anEvent, ...change });
    expect([single.status, single.body.detail.slice(0, problem.length)]).toEqual([400, problem]);
    const batch = await post([anEvent, anEvent, { ...anEvent, ...change }, anEvent]);
    const place = problem.startsWith('unknown') ? 'events[2]: ' : 'events[2].';
    expect([batch.status, batch.body.detail.slice(0, (place + problem).length)]).toEqual([400, place + problem]);
    expect(await stored()).toEqual([]);
  });

  it('refuses numbers that JSON can write and JavaScript cannot hold', async () => {
    const text = (change: string) => JSON.stringify(anEvent).replace('}', `,${change}}`);
    expect((await post(text('"progress":1e400'))).body.detail).toMatch(/^progress: /);
    expect((await post(text('"items_total":1e400'))).body.detail).toMatch(/^items_total: /);
    expect((await post(text('"metadata":{"a":-1e400}'))).body.detail).toBe(
      'metadata: must be kept as it is, but the number -1e400 at metadata.a is too large for a number: send it as text',
    );
  });

  it('survives metadata of any depth', async () => {
    const text = JSON.stringify(anEvent).replace('}', `,"metadata":${deep(100_000)}}`);
    expect((await post(text)).body).toMatchObject({ detail: 'metadata: must be nested at most 32 deep' });
  });

  it('names at most five unknown fields, and the beginning of long names', async () => {
    const many = Object.fromEntries(['x'.repeat(1000), 'b', 'c', 'd', 'e', 'f'].map((name) => [name, 1]));
    expect((await post(many)).body.detail).toBe(`unknown fields ${'x'.repeat(50)}, b, c, d, e and more`);
    expect((await post(JSON.stringify(anEvent).replace('}', ',"__proto__":1}'))).body.detail).toBe(
      'unknown fields __proto__',
    );
  });

  it.each<[what: string, body: string, detail: string]>([
    ['a text', '"x"', 'The body must be an event or an array of events'],
    ['null', 'null', 'The body must be an event or an array of events'],
    ['a list of something else', '[[]]', 'events[0]: must be an object'],
    ['an empty list', '[]', 'events: must hold at least one event'],
    ['broken JSON', '{"run_id":', 'The body must be JSON in UTF-8'],
    ['nothing', '', 'The body must be JSON in UTF-8'],
  ])('refuses %s for a body', async (_, body, detail) => {
    expect(await post(body)).toMatchObject({ status: 400, body: { detail } });
  });

  it('refuses bytes that are no UTF-8 instead of storing something else', async () => {
    const body = Buffer.from(JSON.stringify({ ...anEvent, message: 'Größe' }), 'latin1');
    expect(await post(body)).toMatchObject({ status: 400, body: { detail: 'The body must be JSON in UTF-8' } });
    expect(await stored()).toEqual([]);
  });

  it('takes JSON only, whatever its parameters', async () => {
    const refused = { status: 415, body: { detail: 'The content-type must be application/json' } };
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonl'])
      expect(await post(anEvent, { ...write, 'content-type': type })).toMatchObject(refused);
    const { 'content-type': _, ...untyped } = write;
    expect(await post(anEvent, untyped)).toMatchObject(refused);
    expect((await post(anEvent, { ...write, 'content-type': 'Application/JSON; charset=utf-8' })).status).toBe(201);
  });

  it('records 500 events and refuses 501', async () => {
    const events = Array.from({ length: 501 }, (_, index) => ({ ...anEvent, run_id: `run_${index}` }));
    expect(await post(events)).toMatchObject({
      status: 413,
      body: { detail: 'events: at most 500 events can be recorded at once, these are 501' },
    });
    expect(await stored()).toEqual([]);
    const { status, body } = await post(events.slice(1));
    expect([status, body.at(-1)]).toMatchObject([201, { sequence: 500 }]);
  });

  it('reads a body up to the bound and refuses one byte more, with and without a length', async () => {
    const event = JSON.stringify(anEvent);
    const most = event.padEnd(requestBytes);
    const refused = { status: 413, body: { detail: `The body may have at most ${requestBytes} bytes` } };
    for (const headers of [write, { ...write, 'transfer-encoding': 'chunked' }]) {
      expect((await post(most, headers)).status).toBe(201);
      expect(await post(`${most} `, headers)).toMatchObject(refused);
      expect(await post(most.padEnd(4 * requestBytes), headers)).toMatchObject(refused);
    }
  });

  it('answers 503 with the reason when it cannot take more now', async () => {
    const full = await startServer({ limits: { waitingRecordings: 0 } });
    try {
      const path = `${full.url}/api/v1/users/${await full.user()}/sync/events`;
      const answer = await rest(path, { method: 'POST', headers: { ...json, ...full.admin }, body: anEvent });
      expect(answer).toMatchObject({
        status: 503,
        body: { detail: 'Too many recordings are waiting; try again' },
      });
    } finally {
      await full.close();
    }
  });

  it('starts, and runs its own documents, where those of clients may hardly have a token', async () => {
    const strict = await startServer({ limits: { documentTokens: 100, operationDepth: 2 } });
    try {
      const path = `${strict.url}/api/v1/users/${await strict.user()}/sync/events`;
      const answer = await rest(path, { method: 'POST', headers: { ...json, ...strict.admin }, body: anEvent });
      expect(answer.status).toBe(201);
    } finally {
      await strict.close();
    }
  });

  it('takes a client that leaves in the middle for no error of the server', async () => {
    const { hostname } = new URL(server.url);
    const socket = connectTo(server.url);
    const headers = Object.entries({ ...write, host: hostname, 'content-length': '1000' });
    socket.write(`POST ${new URL(pathOf(user)).pathname} HTTP/1.1\r\n`);
    socket.write(`${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n{"run_id"`);
    await post(anEvent); // by now the server is waiting for the rest
    socket.destroy();
    await post(anEvent);
    expect(logged).toEqual([]);
  });

  it('answers whatever is sent in its own words', async () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('pull', 'failed', '2026-03-14T07:00:00Z', randomUUID(), 0.5, 3),
    );
    const names = ['event_id', 'run_id', 'provider', 'source', 'stage', 'status', 'message', 'progress'];
    const others = [
      'items_processed',
      'items_total',
      'error',
      'primary_user_id',
      'metadata',
      'started_at',
      'timestamp',
    ];
    const changes = fc.dictionary(fc.constantFrom(...names, ...others), value, { maxKeys: 3 });
    const bodies = fc.oneof(
      changes.map((change) => ({ ...anEvent, ...change })),
      fc.jsonValue(),
    );
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const { status, text } = await post(JSON.stringify(body));
        expect([201, 400, 409]).toContain(status);
        if (status !== 201) expect(text).not.toMatch(/Variable|GraphQL|\$events|SyncEventInput|runId|Int\b|Float\b/);
      }),
      { numRuns: 300 },
    );
    expect(logged).toEqual([]);
  });
});

describe('Events of Open Wearables', () => {
  const lines = readFileSync(new URL('../support/samples/open-wearables.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const owners = [...new Set(lines.map((line): string => JSON.parse(line).user_id))];

  /** The line with its three times cut to the millisecond; those inside metadata stay. */
  const cutTimes = (line: string) => {
    const end = line.lastIndexOf('"started_at":');
    const times = line.slice(end).replace(/\.(\d{3})\d{3}Z/g, (_, ms) => (ms === '000' ? 'Z' : `.${ms}000Z`));
    return line.slice(0, end) + times;
  };

  it('come back as they were reported, to the character, newest first', async () => {
    expect([lines.length, owners.length]).toEqual([50, 2]);
    for (const id of owners) {
      await server.user({ id });
      const own = lines.filter((line) => JSON.parse(line).user_id === id);
      expect((await post(`[${own.join(',')}]`, write, id)).status).toBe(201);
      const { text, body } = await rest(`${server.url}/api/v1/users/${id}/sync/recent`, { headers: server.admin });
      const expected = own.map(cutTimes).reverse();
      expect(body).toEqual(expected.map((line) => JSON.parse(line)));
      // Postgres keeps the content of metadata, SQLite its text.
      if (provider === 'sqlite') expect(text).toBe(`[${expected.join(',')}]`);
    }
  });
});
