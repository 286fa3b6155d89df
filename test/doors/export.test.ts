import { buffer } from 'node:stream/consumers';
import { isLeafType, isObjectType } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { cutLog } from '../../src/log/cut-log.ts';
import { buildSchema } from '../../src/schema.ts';
import { connectTo } from '../support/connection.ts';
import { memoryLog } from '../support/memory-log.ts';
import { type PlantedUser, planted, plantUser } from '../support/planted-user.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

const word = 'zebra';
let server: TestServer;
let user: PlantedUser;
const statements: string[] = [];
const logged: string[] = [];
/** While it is set, runs cannot be read. */
let failure: Error | undefined;

beforeAll(async () => {
  server = await startServer({
    logger: pino({ level: 'warn' }, { write: (text) => logged.push(text) }),
    onStatement({ sql }) {
      statements.push(sql);
      if (failure && /FROM sync_run/.test(sql)) throw failure;
    },
  });
  user = await plantUser(server, word);
  await plantUser(server, 'xylophone');
});
afterAll(() => server.close());

const urlOf = (id: string) => `${server.url}/api/v1/users/${id}/export`;
const exported = (id: string, headers: Headers = server.admin) => rest(urlOf(id), { headers });
const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const typesOf = (text: string) => linesOf(text).map(({ type }) => type);

/** The pages of an export as the server writes them: each is one chunk of the answer. */
async function pagesOf(id: string): Promise<string[]> {
  const socket = connectTo(server.url);
  const key = `X-API-Key: ${server.admin['x-api-key']}`;
  socket.write(`GET ${new URL(urlOf(id)).pathname} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${key}\r\n\r\n`);
  const answer = await buffer(socket);
  const pages: string[] = [];
  for (let start = answer.indexOf('\r\n\r\n') + 4; ; ) {
    const begin = answer.indexOf('\r\n', start) + 2;
    const length = Number.parseInt(answer.toString('latin1', start, begin), 16);
    if (length === 0) return pages;
    pages.push(answer.toString('utf8', begin, begin + length));
    start = begin + length + 2;
  }
}

/** What retention does: removes all events before `oldest`. */
async function cut(id: string, oldest: number): Promise<void> {
  const { database } = server.app.services;
  await cutLog(database, await database.reader.user.findUniqueOrThrow({ where: { id } }), oldest);
}

/** Holds so many pages of a list, once the last of them is read, until something else is done. @returns how many were read */
function afterPage(list: 'runs' | 'events', page: number, then: () => Promise<void>): () => number {
  let pages = 0;
  const held = async <Found>(found: Promise<Found>): Promise<Found> => {
    await found;
    pages += 1;
    if (pages === page) await then();
    return found;
  };
  const { runs, log } = server.app.services;
  const read = { runs: runs.list.bind(runs), events: log.readPages };
  const spy =
    list === 'runs'
      ? vi.spyOn(runs, 'list').mockImplementation((requests) => held(read.runs(requests)))
      : vi.spyOn(log, 'readPages').mockImplementation((requests) => held(read.events(requests)));
  onTestFinished(() => spy.mockRestore());
  return () => pages;
}

async function exportsEndedWith(code: string): Promise<number> {
  const { text } = await rest(`${server.url}/metrics`, { headers: server.admin });
  const count = new RegExp(
    `^synclog_requests_total\\{door="rest",operation="exportUser",code="${code}"\\} (\\d+)`,
    'm',
  );
  return Number(count.exec(text)?.[1] ?? 0);
}

async function openStreams(): Promise<number> {
  const { text } = await rest(`${server.url}/metrics`, { headers: server.admin });
  return Number(/^synclog_open_streams\{door="rest"\} (\d+)/m.exec(text)?.[1]);
}

describe('an export of a user', () => {
  test('has a line for each thing that is kept, and ends with their counts', async () => {
    const { status, headers, text } = await exported(user.id);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/x-ndjson');
    expect(headers['cache-control']).toContain('no-store');
    const lines = linesOf(text);
    const [first, second] = lines;
    expect(first).toMatchObject({ type: 'export', user_id: user.id, head_cursor: '3', hidden: [] });
    expect(second).toMatchObject({ type: 'user', id: user.id, email: `${word}@example.org` });
    expect(typesOf(text)).toEqual([
      ...['export', 'user', 'connection', 'connection', 'run', 'run', 'event', 'event', 'event', 'end'],
    ]);
    expect(lines.at(-1)).toEqual({
      type: 'end',
      complete: true,
      counts: { users: 1, connections: 2, runs: 2, events: 3 },
    });
    expect(lines.filter(({ type }) => type === 'event').map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(lines.find(({ run_id: runId }) => runId === user.runId)).toMatchObject({
      data_types: [{ data_type: `${word}_type`, error: planted(word, 'error') }],
    });
  });

  test('holds every text that is stored of the user, and nothing of another', async () => {
    const { text } = await exported(user.id);
    const { reader } = server.app.services.database;
    const where = { userId: user.id };
    const stored: object[] = [
      ...(await reader.user.findMany({ where: { id: user.id }, omit: { searchText: true, foldedFrom: true } })),
      ...(await reader.syncEvent.findMany({ where })),
      ...(await reader.syncRun.findMany({ where })),
      ...(await reader.syncRunBatch.findMany({ where })),
      ...(await reader.syncRunDataType.findMany({ where })),
      ...(await reader.providerDataType.findMany({ where })),
      ...(await reader.providerLink.findMany({ where })),
    ];
    const texts = stored.flatMap((row) => Object.values(row)).filter((each) => typeof each === 'string');
    const planted = texts.filter((each) => each.includes(word));
    expect(planted.length).toBeGreaterThan(30);
    expect(planted.filter((each) => !text.includes(JSON.stringify(each)))).toEqual([]);
    expect(text).not.toContain('xylophone');
  });

  test('has every field of a type that is no object and needs no argument', async () => {
    const lines = linesOf((await exported(user.id)).text);
    const schema = buildSchema();
    const shown = { user: 'User', connection: 'ProviderLink', run: 'SyncRun', event: 'SyncEvent' };
    for (const [line, name] of Object.entries(shown)) {
      const type = schema.getType(name);
      const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
      const leaves = fields.filter((field) => isLeafType('ofType' in field.type ? field.type.ofType : field.type));
      const missing = leaves.filter(
        (field) =>
          !(
            field.name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) in
            (lines.find(({ type: t }) => t === line) ?? {})
          ),
      );
      expect([line, missing.map((field) => field.name)]).toEqual([line, []]);
    }
  });

  test('is for who may read the user: with a user token the own one, without what is hidden from it, as the first line says', async () => {
    const own = await exported(user.id, await server.userToken(user.id));
    const ofOwn = linesOf(own.text);
    expect(ofOwn[0]).toMatchObject({ type: 'export', hidden: ['error', 'metadata'] });
    expect(ofOwn.at(-1)).toMatchObject({ complete: true });
    expect(own.text).toContain(planted(word, 'message'));
    for (const hidden of ['error', 'metadata'] as const) expect(own.text).not.toContain(planted(word, hidden));
    const stranger = await server.userToken(await server.user());
    const nobody = await exported('3fa85f64-5717-4562-b3fc-2c963f66afa6');
    for (const answer of [await exported(user.id, stranger), nobody])
      expect([answer.status, answer.text]).toEqual([404, '{"detail":"User not found"}']);
    expect((await exported(user.id, await server.key('write'))).status).toBe(403);
    expect((await exported(user.id, {})).status).toBe(401);
  });

  test('begins with the oldest event that retention has left', async () => {
    const id = await server.user();
    await server.record(...Array.from({ length: 5 }, () => ({ userId: id })));
    await cut(id, 4);
    const lines = linesOf((await exported(id)).text);
    expect(lines.at(-1)).toMatchObject({ complete: true, counts: { events: 2 } });
    expect(lines.filter(({ type }) => type === 'event').map(({ sequence }) => sequence)).toEqual([4, 5]);
  });

  test('ends when no event is left of those that its first line tells of', async () => {
    const id = await server.user();
    await server.record({ userId: id }, { userId: id });
    await cut(id, 3);
    expect(linesOf((await exported(id)).text).at(-1)).toMatchObject({ complete: true, counts: { events: 0 } });
  });

  test('comes in pages that are short, or a single line, however long lines become', { timeout: 60_000 }, async () => {
    const id = await server.user();
    const error = 'e'.repeat(500);
    const dataTypes = Array.from({ length: 100 }, (_, index) => ({
      dataType: `type_${index}`,
      state: 'FAILED',
      error,
    }));
    const runs = Array.from({ length: 4 }, (_, index) => ({
      userId: id,
      runId: `run_${index}`,
      provider: `p${index}`,
    }));
    await server.record(...Array.from({ length: 100 }, (_, index) => ({ userId: id, runId: `small_${index}` })));
    await server.record(...runs.map((run) => ({ ...run, dataTypes })));
    const metadata = { text: 'm'.repeat(50_000) };
    await server.record(...Array.from({ length: 80 }, () => ({ userId: id, runId: 'large', metadata })));
    const pages = await pagesOf(id);
    const long = pages.filter((page) => page.length > 131_072 && page.indexOf('\n') < page.length - 1);
    expect(long.map(({ length }) => length)).toEqual([]);
    const lines = linesOf(pages.join(''));
    expect(lines.at(-1)).toMatchObject({ complete: true, counts: { connections: 5, runs: 105, events: 184 } });
    const sequences = lines.filter(({ type }) => type === 'event').map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: 184 }, (_, index) => index + 1));
    const ids = lines.filter(({ type }) => type === 'run').map(({ run_id: runId }) => runId);
    expect(new Set(ids).size).toBe(105);
  });

  test.each([
    ['between two pages of runs', 'runs', 1, 45],
    ['after the last page of runs', 'runs', 2, 45],
    ['between two pages of events', 'events', 1, 45],
    ['between two pages of events, with a shorter log', 'events', 1, 5],
    ['after the last page of events', 'events', 2, 45],
  ] as const)(
    'whose user is deleted and made anew %s is not complete, and shows nothing of the new one',
    async (_, list, page, count) => {
      const id = await server.user();
      await server.record(...Array.from({ length: 35 }, (__, index) => ({ userId: id, runId: `run_${index}` })));
      const pages = afterPage(list, page, async () => {
        await server.graphql(`mutation { deleteUser(id: "${id}") { deletedUserId } }`);
        await server.graphql(`mutation { upsertUser(input: { id: "${id}" }) { id } }`);
        await server.record(...Array.from({ length: count }, (__, index) => ({ userId: id, runId: `other_${index}` })));
      });
      const { text } = await exported(id);
      expect(pages()).toBeGreaterThanOrEqual(page);
      expect(linesOf(text).at(-1)).toMatchObject({ type: 'end', complete: false, code: 'NOT_FOUND' });
      expect(text).not.toContain('other_');
    },
  );

  test('that fails ends with the code of the error, and with the id under which a mistake of ours is in the log', async () => {
    onTestFinished(() => {
      failure = undefined;
    });
    const failing = async (error: Error) => {
      failure = error;
      return linesOf((await exported(user.id)).text).at(-1);
    };
    const away = Object.assign(new Error('secret'), { code: 'ECONNREFUSED' });
    expect(await failing(away)).toMatchObject({ type: 'end', complete: false, code: 'UNAVAILABLE' });
    await expect.poll(() => exportsEndedWith('UNAVAILABLE')).toBe(1);

    const end = await failing(new Error('secret'));
    expect(end).toMatchObject({ type: 'end', complete: false, code: 'INTERNAL_SERVER_ERROR', id: expect.any(String) });
    expect(JSON.stringify(end)).not.toContain('secret');
    await expect.poll(() => exportsEndedWith('INTERNAL_SERVER_ERROR')).toBe(1);
    expect(logged.filter((text) => text.includes(String(end?.id)))).toHaveLength(2); // the error, and its request
  });

  test('asked for by HEAD reads nothing but the user, and writes nothing', async () => {
    await server.graphql('{ viewer { kind } }');
    const before = statements.length;
    const { status, headers, text } = await rest(urlOf(user.id), { method: 'HEAD', headers: server.admin });
    expect([status, headers['content-type'], text]).toEqual([200, 'application/x-ndjson', '']);
    expect(headers['content-length']).toBeUndefined();
    const done = statements.slice(before);
    expect(done.filter((sql) => /FROM sync_(event|run)|INSERT|UPDATE/i.test(sql))).toEqual([]);
    expect(await openStreams()).toBe(0);
  });
});

describe('that a user was exported', () => {
  const linesAbout = async (target: string) => {
    const { data } = await server.graphql(
      `{ auditLog(target: "${target}") { edges { node { act byKind byId byName target count details } } } }`,
    );
    const lines: Record<string, unknown>[] = data.auditLog.edges.map(({ node }: { node: object }) => node);
    return lines.filter(({ act }) => act === 'USER_EXPORTED');
  };

  test('stands in the audit log, once for each credential and hour, and says no more of who was erased', async () => {
    const { keys } = server.app.services;
    const id = await server.user();
    const { key, secret } = await keys.create({ name: 'exporter', scopes: ['read'], expiresAt: null });
    for (let times = 0; times < 3; times += 1) expect((await exported(id, { 'x-api-key': secret })).status).toBe(200);
    const by = { act: 'USER_EXPORTED', byKind: 'SERVICE', byId: key.id, byName: 'exporter', details: {} };
    expect(await linesAbout(id)).toEqual([{ ...by, target: id, count: 3 }]);
    await exported(id);
    expect(await linesAbout(id)).toHaveLength(2);
    await server.graphql(`mutation { deleteUser(id: "${id}") { deletedUserId } }`);
    expect((await linesAbout(id)).map(({ target }) => target)).toEqual(
      Array(2).fill(expect.stringMatching(/^sha256:/)),
    );
  });

  test('stands nowhere if it was with the own token, and if nothing was exported', async () => {
    const id = await server.user();
    expect((await exported(id, await server.userToken(id))).status).toBe(200);
    await exported(id, await server.key('write'));
    expect(await linesAbout(id)).toEqual([]);
    const nobody = '3fa85f64-5717-4562-b3fc-2c963f66afa6';
    expect((await exported(nobody)).status).toBe(404);
    expect(await linesAbout(nobody)).toEqual([]);
    expect((await rest(urlOf(id), { method: 'HEAD', headers: server.admin })).status).toBe(200);
    expect(await linesAbout(id)).toEqual([]);
  });

  test('has to be written before anything is', async () => {
    const id = await server.user();
    const rename = (from: string, to: string) =>
      server.app.services.database.transaction((transaction) =>
        transaction.$executeRawUnsafe(`ALTER TABLE ${from} RENAME TO ${to}`),
      );
    await rename('audit_entry', 'audit_entry_away');
    const { status, text } = await exported(id).finally(() => rename('audit_entry_away', 'audit_entry'));
    expect(status).toBe(500);
    expect(text).not.toContain(id);
    await expect.poll(openStreams).toBe(0);
    expect((await exported(id, await server.userToken(id))).status).toBe(200);
  });
});

describe('a long export', () => {
  const EVENTS = 10_000;
  let id: string;

  beforeAll(async () => {
    id = await server.user();
    const message = 'm'.repeat(2_000);
    for (let done = 0; done < EVENTS; done += 500)
      await server.record(
        ...Array.from({ length: 500 }, (_, index) => ({ userId: id, runId: `run_${(done + index) % 300}`, message })),
      );
  }, 120_000);

  const pagesRead = () => statements.filter((sql) => /FROM sync_event/.test(sql)).length;

  /** Until the server reads no more, though it is asked other things meanwhile. */
  async function untilStill(): Promise<number> {
    for (let before = -1; ; ) {
      const now = pagesRead();
      if (now === before) return now;
      before = now;
      for (let asked = 0; asked < 50; asked += 1) await server.graphql('{ viewer { kind } }');
    }
  }

  test('is read as it is taken, and is complete', { timeout: 120_000 }, async () => {
    statements.length = 0;
    const response = await fetch(urlOf(id), { headers: server.admin });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = decoder.decode((await reader.read()).value, { stream: true });
    expect(await untilStill()).toBeLessThan(100); // of 125 pages; what was read waits in buffers of the network
    for (let step = await reader.read(); !step.done; step = await reader.read())
      text += decoder.decode(step.value, { stream: true });
    const lines = linesOf(text);
    expect(lines.at(-1)).toMatchObject({ complete: true, counts: { events: EVENTS, runs: 300 } });
    const sequences = lines.filter(({ type }) => type === 'event').map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: EVENTS }, (_, index) => index + 1));
  });

  test('that nobody takes any more is read no further, and counts no longer', { timeout: 60_000 }, async () => {
    const leave = new AbortController();
    const response = await fetch(urlOf(id), { headers: server.admin, signal: leave.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    expect(await openStreams()).toBe(1);
    leave.abort();
    await expect.poll(openStreams).toBe(0);
    await untilStill();
  });

  test.each([
    ['service', () => server.key('read'), 10],
    ['user', () => server.userToken(id), 2],
  ])(
    'is one of a bounded number of the %s, who may have another when one ends',
    { timeout: 60_000 },
    async (whose, credential, most) => {
      const headers = await credential();
      const open = async () => {
        const leave = new AbortController();
        onTestFinished(() => leave.abort());
        const { status, body } = await fetch(urlOf(id), { headers, signal: leave.signal });
        expect(status).toBe(200);
        await (body as ReadableStream<Uint8Array>).getReader().read();
        return leave;
      };
      const leaves: AbortController[] = [];
      while (leaves.length < most) leaves.push(await open());
      const refused = await exported(id, headers);
      expect([refused.status, refused.headers['retry-after']]).toEqual([429, '10']);
      expect(refused.text).toContain(`This ${whose} has ${most} exports open`);
      expect((await exported(user.id)).status).toBe(200); // of somebody else
      leaves[0]?.abort();
      await expect.poll(openStreams).toBe(most - 1);
      await open();
      for (const leave of leaves) leave.abort();
    },
  );

  test('ends with a line that says that it is not complete, when its key is revoked', { timeout: 60_000 }, async () => {
    const { keys } = server.app.services;
    const { key, secret } = await keys.create({ name: 'exporter', scopes: ['read'], expiresAt: null });
    const response = await fetch(urlOf(id), { headers: { 'x-api-key': secret } });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await keys.revoke(key.id);
    let text = '';
    const decoder = new TextDecoder();
    for (let step = await reader.read(); !step.done; step = await reader.read())
      text = (text + decoder.decode(step.value, { stream: true })).slice(-10_000);
    expect(linesOf(text.slice(text.indexOf('\n') + 1)).at(-1)).toMatchObject({
      type: 'end',
      complete: false,
      code: 'UNAUTHENTICATED',
    });
  });

  test('that retention overtakes goes on with the oldest event that is left', { timeout: 120_000 }, async () => {
    const response = await fetch(urlOf(id), { headers: server.admin });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = decoder.decode((await reader.read()).value, { stream: true });
    await untilStill();
    const oldest = EVENTS - 5;
    await cut(id, oldest);
    for (let step = await reader.read(); !step.done; step = await reader.read())
      text += decoder.decode(step.value, { stream: true });
    const lines = linesOf(text);
    const sequences = lines.filter(({ type }) => type === 'event').map(({ sequence }) => Number(sequence));
    const before = sequences.indexOf(oldest);
    expect(lines.at(-1)).toMatchObject({ complete: true, counts: { events: before + 6 } });
    const expected = [
      ...Array.from({ length: before }, (_, index) => index + 1),
      ...[5, 4, 3, 2, 1, 0].map((n) => EVENTS - n),
    ];
    expect(sequences).toEqual(expected);
    expect(before).toBeLessThan(oldest - 1);
  });

  test('waits until its account has enough to spare, and leaves the rest to it', { timeout: 60_000 }, async () => {
    const poor = await startServer({
      settings: { RATE_LIMITS: 'on' },
      limits: { userRate: { burst: 20, perSecond: 40 } },
    });
    onTestFinished(() => poor.close());
    const owner = await poor.user();
    await poor.record(...Array.from({ length: 300 }, () => ({ userId: owner })));
    const headers = await poor.userToken(owner);
    const { status, body } = await fetch(`${poor.url}/api/v1/users/${owner}/export`, { headers });
    expect(status).toBe(200);
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = '';
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      text += decoder.decode(step.value, { stream: true });
      expect((await poor.graphql('{ viewer { kind } }', {}, headers)).errors).toEqual([]);
    }
    expect(linesOf(text).at(-1)).toMatchObject({ complete: true, counts: { events: 300 } });
    const metrics = await rest(`${poor.url}/metrics`, { headers: poor.admin });
    expect(metrics.text).toContain('synclog_requests_total');
    expect(metrics.text).not.toMatch(/^synclog_limits_hit_total\{.*"user"\} [1-9]/m);
  });

  test('says in its last line that it was given up, when its account has nothing to spare for too long', async () => {
    const poor = await startServer({
      settings: { RATE_LIMITS: 'on' },
      limits: { userRate: { burst: 20, perSecond: 40 }, connectionIdleMs: 2_000 },
      rateClock: () => 0,
    });
    onTestFinished(() => poor.close());
    const owner = await poor.user();
    await poor.record({ userId: owner });
    const headers = await poor.userToken(owner);
    for (let asked = 0; asked < 10; asked += 1) await poor.graphql('{ viewer { kind } }', {}, headers);
    const { status, text } = await rest(`${poor.url}/api/v1/users/${owner}/export`, { headers });
    expect(status).toBe(200);
    expect(typesOf(text)).toEqual(['export', 'user', 'end']);
    expect(linesOf(text).at(-1)).toMatchObject({ type: 'end', complete: false, code: 'RATE_LIMITED' });
  });

  test('is refused with 503 when users have half of all open, and the rest is left for operators', async () => {
    const { logger, about } = memoryLog();
    const full = await startServer({
      logger,
      settings: { RATE_LIMITS: 'on', TRUSTED_PROXIES: '127.0.0.1' },
      limits: {
        userRate: { burst: 3, perSecond: 1 },
        openExports: 4,
        exportParts: { operators: 2, service: 4, address: 4, user: 4 },
      },
      rateClock: () => 0, // an export of a user stays open, as it waits for its account
    });
    onTestFinished(() => full.close());
    const exportAt = async (address: string) => {
      const owner = await full.user();
      const leave = new AbortController();
      onTestFinished(() => leave.abort());
      const headers = { ...(await full.userToken(owner)), 'x-forwarded-for': address };
      return fetch(`${full.url}/api/v1/users/${owner}/export`, { headers, signal: leave.signal });
    };
    expect((await exportAt('192.0.2.1')).status).toBe(200);
    const atAddress = await exportAt('192.0.2.1');
    expect(atAddress.status).toBe(429);
    expect(await atAddress.text()).toContain('This address has 1 exports open');
    expect((await exportAt('192.0.2.2')).status).toBe(200);
    const refused = await exportAt('192.0.2.3');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(about('exports are open as an instance may have')).toHaveLength(1);
    const owner = await full.user();
    const ofOperator = await rest(`${full.url}/api/v1/users/${owner}/export`, { headers: full.admin });
    expect(linesOf(ofOperator.text).at(-1)).toMatchObject({ complete: true });
  });
});
