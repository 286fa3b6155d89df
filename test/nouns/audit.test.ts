import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Audit } from '../../src/audit/audit.ts';
import { inPieces } from '../../src/lib/in-pieces.ts';
import { defaultLimits } from '../../src/limits.ts';
import { buildSchema } from '../../src/schema.ts';
import { openNewDatabase, provider } from '../support/database.ts';
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts';
import { anEvent, type Headers, startServer, type TestServer } from '../support/server.ts';

/** Every mutation: which lines it leaves in the audit log, or why it leaves none. */
const decided: Record<string, { acts: readonly string[] } | { none: string }> = {
  createApiKey: { acts: ['API_KEY_CREATED'] },
  rotateApiKey: { acts: ['API_KEY_ROTATED'] },
  revokeApiKey: { acts: ['API_KEY_REVOKED'] },
  createUserToken: { acts: ['USER_TOKENS_MADE'] },
  upsertUser: { acts: ['USER_CREATED', 'USER_UPDATED'] },
  deleteUser: { acts: ['USER_DELETED'] },
  recordSyncEvents: { none: 'it is the work of producers, and the log itself tells what was recorded' },
  reportConnection: { none: 'it is the work of producers, and the connection itself tells what was reported' },
};

let issuer: IdentityProvider;
let server: TestServer;
let now = Date.UTC(2026, 2, 14, 12);

beforeAll(async () => {
  issuer = await startIdentityProvider();
  server = await startServer({ settings: issuer.settings, clock: () => now, limits: { auditCountMs: 10 } });
});
afterAll(async () => {
  await server.close();
  await issuer.close();
});

const fields = 'id at act byKind byId byName target count details';

// biome-ignore lint/suspicious/noExplicitAny: lines of any shape
type Lines = readonly any[];

async function log(target?: string): Promise<Lines> {
  const { data, errors } = await server.graphql(
    `query ($target: ID) { auditLog(first: 200, target: $target) { edges { node { ${fields} } } } }`,
    { target },
  );
  expect(errors).toEqual([]);
  return data.auditLog.edges.map(({ node }: { node: unknown }) => node);
}

/** What an operation, which succeeds, has added to the log, newest first. */
async function added(query: string, variables: object = {}, headers?: Headers) {
  now += 1;
  const before = new Set((await log()).map(({ id }) => id));
  const { data, errors } = await server.graphql(query, variables, headers);
  expect(errors).toEqual([]);
  return { data, lines: (await log()).filter(({ id }) => !before.has(id)) };
}

async function newService(...scopes: ('read' | 'write' | 'admin')[]) {
  const { key, secret } = await server.app.services.keys.create({ name: 'back office', scopes, expiresAt: null });
  return { key, headers: { 'x-api-key': secret }, actor: { byKind: 'SERVICE', byId: key.id, byName: key.name } };
}

test('of every mutation it is decided which lines it leaves', () => {
  const mutations = Object.keys(buildSchema().getMutationType()?.getFields() ?? {});
  expect(Object.keys(decided).sort()).toEqual(mutations.sort());
});

test('the log is shown to who has the scope admin, and to nobody else', async () => {
  const query = '{ auditLog { edges { node { id } } } }';
  for (const headers of [await server.key('read', 'write'), await server.userToken(await server.user())])
    expect((await server.graphql(query, {}, headers)).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
  expect((await server.graphql(query, {}, {})).errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  expect((await server.graphql(query, {}, await server.key('admin'))).errors).toEqual([]);
});

test('an API key leaves a line when it is made, rotated and revoked, and none of them has a secret', async () => {
  const { headers, actor } = await newService('admin');
  const made = await added(
    'mutation { createApiKey(input: { name: "worker", scopes: [READ] }) { secret apiKey { id prefix } } }',
    {},
    headers,
  );
  const { secret, apiKey } = made.data.createApiKey;
  const { id, prefix } = apiKey;
  const line = { ...actor, target: id, count: 1, at: new Date(now).toISOString() };
  expect(made.lines).toMatchObject([
    { ...line, act: 'API_KEY_CREATED', details: { name: 'worker', scopes: ['read'], prefix, expiresAt: null } },
  ]);
  const rotate =
    'mutation ($id: ID!) { rotateApiKey(input: { id: $id, overlapSeconds: 60 }) { secret apiKey { prefix } } }';
  const rotated = await added(rotate, { id }, headers);
  expect(rotated.lines).toMatchObject([
    {
      ...{ ...actor, target: id, act: 'API_KEY_ROTATED' },
      details: {
        ...rotated.data.rotateApiKey.apiKey,
        previousSecretEndsAt: new Date(now + 60_000).toISOString(),
      },
    },
  ]);
  const revoke = 'mutation ($id: ID!) { revokeApiKey(id: $id) { id } }';
  expect((await added(revoke, { id }, headers)).lines).toMatchObject([
    { ...actor, target: id, act: 'API_KEY_REVOKED' },
  ]);
  expect((await added(revoke, { id }, headers)).lines).toEqual([]);

  const all = JSON.stringify(await server.app.services.database.reader.auditEntry.findMany());
  for (const each of [secret, rotated.data.rotateApiKey.secret]) expect(all).not.toContain(each.slice(12));
  expect((await log(id)).map(({ act }) => act)).toEqual(['API_KEY_REVOKED', 'API_KEY_ROTATED', 'API_KEY_CREATED']);
});

test('a user leaves a line when made and when changed, with the names of the fields and no value', async () => {
  const { headers, actor } = await newService('write');
  const id = randomUUID();
  const upsert = 'mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { id } }';
  const put = (input: object) => added(upsert, { input: { id, ...input } }, headers);
  expect((await put({ email: 'ada@example.org', firstName: 'Ada' })).lines).toMatchObject([
    { ...actor, act: 'USER_CREATED', target: id, details: { fields: ['email', 'firstName'] } },
  ]);
  expect((await put({ email: 'ada@example.org' })).lines).toEqual([]);
  expect((await put({ email: null, lastName: 'Lovelace' })).lines).toMatchObject([
    { ...actor, act: 'USER_UPDATED', target: id, details: { fields: ['email', 'lastName'] } },
  ]);
  expect(JSON.stringify(await log(id))).not.toMatch(/ada@|Ada|Lovelace/);
});

test('user tokens are counted by credential and hour, and nobody learns for whom they were', async () => {
  const { headers, actor } = await newService('read');
  const userId = await server.user();
  const make = (as: Headers) =>
    server.graphql('mutation ($userId: UUID!) { createUserToken(userId: $userId) { token } }', { userId }, as);
  now = Math.ceil(now / 3_600_000) * 3_600_000;
  const since = new Date(now).toISOString();
  await Promise.all(Array.from({ length: 20 }, () => make(headers)));
  const developer = await issuer.bearer('HS256', { sub: 'dev@example.org' });
  await make(developer);
  now += 3_600_000;
  await make(headers);
  const counted = async () => (await log()).filter(({ act, at }) => act === 'USER_TOKENS_MADE' && at >= since);
  const counts = async () => (await counted()).map(({ count }) => count).sort((a, b) => a - b);
  await expect.poll(counts).toEqual([1, 1, 20]);
  const tokens = await counted();
  expect(tokens).toMatchObject([
    { ...actor, count: 1, target: null, details: {}, at: new Date(now).toISOString() },
    ...[
      { ...actor, count: 20 },
      { byKind: 'DEVELOPER', byId: 'dev@example.org', byName: null, count: 1 },
    ].sort((a, b) => (idOf(a, tokens) < idOf(b, tokens) ? 1 : -1)),
  ]);
  expect(JSON.stringify(tokens)).not.toContain(userId);
});

const idOf = ({ byId }: { byId: string }, lines: Lines) => lines.findLast((line) => line.byId === byId)?.id ?? '';

test('what fails leaves no line, and what cannot have a line does not happen', async () => {
  const { database, keys } = server.app.services;
  const count = () => database.reader.auditEntry.count();
  const before = await count();
  for (const mutation of [
    'createApiKey(input: { name: " ", scopes: [READ] }) { secret }',
    `revokeApiKey(id: "${randomUUID()}") { id }`,
    `rotateApiKey(input: { id: "${randomUUID()}" }) { secret }`,
    `deleteUser(id: "${randomUUID()}") { deletedUserId }`,
    `createUserToken(userId: "${randomUUID()}") { token }`,
  ])
    expect((await server.graphql(`mutation { ${mutation} }`)).errors).toHaveLength(1);
  expect(await count()).toBe(before);

  const { key, headers } = await newService('admin');
  await database.transaction((transaction) =>
    transaction.$executeRawUnsafe('ALTER TABLE audit_entry RENAME TO audit_entry_away'),
  );
  onTestFinished(async () => {
    await database.transaction((transaction) =>
      transaction.$executeRawUnsafe('ALTER TABLE audit_entry_away RENAME TO audit_entry').catch(() => {}),
    );
  });
  const { errors } = await server.graphql(`mutation { revokeApiKey(id: "${key.id}") { id } }`, {}, headers);
  expect(errors).toHaveLength(1);
  expect((await keys.list()).find(({ id }) => id === key.id)?.revokedAt).toBeNull();
  await database.transaction((transaction) =>
    transaction.$executeRawUnsafe('ALTER TABLE audit_entry_away RENAME TO audit_entry'),
  );
});

describe('an erased user', () => {
  const erase = `mutation ($id: UUID!) { deleteUser(id: $id) {
    deletedUserId receipt { auditId erasedAt events runs connections dataTypes quarantinedEntries }
  } }`;

  test('is answered with a receipt of what went, which the log has as well', async () => {
    const { headers, actor } = await newService('admin');
    const id = await server.user({ externalUserId: 'external-of-erased', email: 'erased@example.org' });
    const events = Array.from({ length: 7 }, (_, n) => ({ userId: id, runId: `run_${n % 3}` }));
    await server.record(...events, { userId: id, runId: 'other', provider: 'garmin' });
    const { data, lines } = await added(erase, { id }, headers);
    const counts = { events: 8, runs: 4, connections: 2, dataTypes: 0, quarantinedEntries: 0 };
    expect(data.deleteUser).toEqual({
      deletedUserId: id,
      receipt: { ...counts, auditId: lines[0].id, erasedAt: new Date(now).toISOString() },
    });
    expect(lines).toMatchObject([{ ...actor, act: 'USER_DELETED', details: counts }]);
  });

  test('is in no line any more, and who has the id finds them all the same', async () => {
    const id = await server.user({ externalUserId: 'external-2', email: 'second@example.org', lastName: 'Gone' });
    const other = await server.user();
    await added(erase, { id });
    const rows = JSON.stringify(await server.app.services.database.reader.auditEntry.findMany());
    for (const text of [id, 'external-2', 'second@example.org', 'Gone']) expect(rows).not.toContain(text);
    expect(rows).toContain(other);
    const target = `sha256:${createHash('sha256').update(id).digest('hex')}`;
    const expected = [
      { act: 'USER_DELETED', target },
      { act: 'USER_CREATED', target },
    ];
    expect(await log(id)).toMatchObject(expected);
    expect(await log(id.toUpperCase())).toMatchObject(expected);

    now += 1;
    await server.graphql('mutation ($id: UUID!) { upsertUser(input: { id: $id }) { id } }', { id });
    expect(await log(id)).toMatchObject([{ act: 'USER_CREATED', target: id }, ...expected]);
  });

  test('who had a long log is told of all of it, batch after batch', async () => {
    const long = await startServer({ limits: { retentionBatch: 10 } });
    onTestFinished(() => long.close());
    const id = await long.user();
    await long.record(...Array.from({ length: 55 }, (_, n) => ({ ...anEvent, userId: id, runId: `run_${n}` })));
    const { data } = await long.graphql(erase, { id });
    expect(data.deleteUser.receipt).toMatchObject({ events: 55, runs: 55, connections: 1 });
  });
});

describe('10,000 lines', () => {
  async function openAudit() {
    const opened = await openNewDatabase();
    const audit = new Audit({
      database: opened.database,
      limits: { auditDays: 10, retentionBatch: 500 },
    });
    const at = (n: number) => new Date(Date.UTC(2026, 0, 1) + Math.floor(n / 3) * 1_000);
    const lines = Array.from({ length: 10_000 }, (_, n) => ({
      ...{ id: randomUUID(), at: at(n), act: 'api_key_created', byKind: 'program', details: '{}' },
      target: `target ${n % 100}`,
    }));
    for (const data of inPieces(lines, 1_000))
      await opened.database.transaction((transaction) => transaction.auditEntry.createMany({ data: [...data] }));
    return { ...opened, audit, lines, at };
  }
  const page = { limit: 200, fromEnd: false };

  test('are paged through, each once and newest first, from either end', async () => {
    const { audit, lines } = await openAudit();
    const ids: string[] = [];
    for (let after: { id: string; at: Date } | undefined; ; ) {
      const found = await audit.list({ ...page, after });
      ids.push(...found.map(({ id }) => id));
      after = found.at(-1);
      if (!after) break;
    }
    expect(new Set(ids)).toEqual(new Set(lines.map(({ id }) => id)));
    expect(ids).toHaveLength(lines.length);
    const last = await audit.list({ ...page, fromEnd: true });
    expect(last.map(({ id }) => id)).toEqual(ids.slice(-200));
    const ofOne = await audit.list({ ...page, target: 'target 7' });
    expect(ofOne).toHaveLength(100);
  });

  test('are served by an index, as a page and for one target', async () => {
    const { audit, database, statements, lines } = await openAudit();
    await database.transaction((transaction) => transaction.$executeRawUnsafe('ANALYZE audit_entry'));
    statements.length = 0;
    const [, middle] = lines;
    await audit.list({ ...page, after: middle });
    await audit.list({ ...page, limit: 10, target: 'target 7' });
    expect(statements).toHaveLength(2);
    for (const statement of [...statements]) {
      const plan = await explain(database, statement);
      expect(plan).toMatch(/audit_entry_(target_)?at_id_idx/);
      expect(plan).not.toMatch(/Seq Scan|SCAN a(?! USING)|TEMP B-TREE|Sort/);
    }
  });

  test('older than the limit are swept batch by batch, and none that is younger', async () => {
    const { audit, database, lines, at, statements } = await openAudit();
    const now = new Date(at(6_000).getTime() + 10 * 86_400_000);
    statements.length = 0;
    await audit.sweep(now);
    const left = await database.reader.auditEntry.findMany({ select: { id: true } });
    expect(new Set(left.map(({ id }) => id))).toEqual(
      new Set(lines.filter((line) => line.at >= at(6_000)).map(({ id }) => id)),
    );
    expect(statements.filter((sql) => sql.includes('DELETE'))).toHaveLength(6_000 / 500 + 1);
  });

  async function explain(database: Awaited<ReturnType<typeof openAudit>>['database'], statement: string) {
    const values: Record<string, string> = { sqlite: '0', postgresql: "'2026-01-01'" };
    const plain = statement
      .replace(/target = (\?|\$\d+)/, "target = 'target 7'")
      .replace(/LIMIT (\?|\$\d+)/, 'LIMIT 10')
      .replace(/\((\?|\$\d+), ?(\?|\$\d+)\)/, `(${values[provider]}, '${randomUUID()}')`);
    const rows = await database.reader.$queryRawUnsafe<object[]>(
      `${provider === 'sqlite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN'} ${plain}`,
    );
    return JSON.stringify(rows);
  }
});

test('the default keeps lines for more than a year', () => {
  expect(defaultLimits.auditDays).toBeGreaterThan(366);
});
