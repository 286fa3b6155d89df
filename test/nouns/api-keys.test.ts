import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openNewDatabase, provider } from '../support/database.ts';

const draft = { name: 'Sync worker', scopes: ['read', 'write'], expiresAt: null } as const;

const lasting = (life: object = {}) => ({ rotations: 0, expiresAt: null, previousEndsAt: null, ...life });

async function openKeys() {
  const opened = await openNewDatabase();
  const time = { now: Date.parse('2026-06-01T12:00:00Z') };
  const keys = new ApiKeys({ database: opened.database, limits: defaultLimits, clock: () => time.now });
  return { ...opened, keys, time };
}

test('a secret that no key has is refused', async () => {
  const { keys } = await openKeys();
  expect(await keys.verify(`sk-${'0'.repeat(64)}`)).toBeNull();
  expect(await keys.verify('')).toBeNull();
});

test('the secret of a new key makes its service the viewer', async () => {
  const { keys } = await openKeys();
  const { key, secret } = await keys.create(draft);
  expect(secret).toMatch(/^sk-[0-9a-f]{64}$/);
  expect(await keys.verify(secret)).toEqual({
    kind: 'service',
    keyId: key.id,
    name: 'Sync worker',
    scopes: new Set(['read', 'write']),
    expiresAt: null,
    rotation: 0,
  });
});

test('a secret with anything added, removed or in another case is refused', async () => {
  const { keys } = await openKeys();
  const { secret } = await keys.create(draft);
  for (const wrong of [`${secret} `, secret.slice(0, -1), secret.slice(3), secret.toUpperCase()])
    expect(await keys.verify(wrong)).toBeNull();
});

test('the database holds the hash of a secret and never the secret', async () => {
  const { keys, database, url } = await openKeys();
  const { key, secret } = await keys.create(draft);
  const row = await database.reader.apiKey.findUniqueOrThrow({ where: { id: key.id } });
  expect(row.secretHash).toBe(createHash('sha256').update(secret).digest('hex'));
  expect(Object.values(row).map(String).join()).not.toContain(secret.slice(3));
  if (provider !== 'sqlite') return;
  const path = url.slice('file:'.length);
  for (const file of [path, `${path}-wal`]) expect(readFileSync(file).includes(secret.slice(3))).toBe(false);
});

test('a key is shown without its secret and its hash', async () => {
  const { keys, time } = await openKeys();
  const { key, secret } = await keys.create({ ...draft, scopes: ['admin', 'read', 'admin'] });
  expect(key).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    name: 'Sync worker',
    prefix: secret.slice(0, 11),
    lastUsedAt: null,
    previousEndsAt: null,
    rotations: 0,
    scopes: ['read', 'admin'],
    createdAt: new Date(time.now),
    expiresAt: null,
    revokedAt: null,
  });
  expect(await keys.list()).toEqual([key]);
});

test('keys are listed oldest first, the revoked ones too', async () => {
  const { keys, time } = await openKeys();
  const first = await keys.create({ ...draft, name: 'first' });
  time.now += 1;
  await keys.create({ ...draft, name: 'second' });
  await keys.revoke(first.key.id);
  expect((await keys.list()).map(({ name }) => name)).toEqual(['first', 'second']);
});

test('a key is good until the millisecond of its expiry', async () => {
  const { keys, time } = await openKeys();
  const expiresAt = new Date(time.now + 3_600_000);
  const { key, secret } = await keys.create({ ...draft, expiresAt });
  await keys.verify(secret); // from now on its life is also measured by how long the process runs
  time.now += 3_599_999;
  expect(await keys.verify(secret)).toMatchObject({ expiresAt });
  time.now += 1;
  expect(await keys.verify(secret)).toBeNull();
  expect(await keys.unrevoked([key.id])).toEqual(new Map([[key.id, lasting({ expiresAt })]])); // so that streams end because it has expired
});

test('a revoked key is refused', async () => {
  const { keys } = await openKeys();
  const { key, secret } = await keys.create(draft);
  await keys.revoke(key.id);
  expect(await keys.verify(secret)).toBeNull();
});

test('revoking a key again keeps the first time', async () => {
  const { keys, time } = await openKeys();
  const { key } = await keys.create(draft);
  const first = await keys.revoke(key.id);
  expect(first.revokedAt).toEqual(new Date(time.now));
  time.now += 5000;
  expect(await keys.revoke(key.id)).toEqual(first);
});

test('an unknown key cannot be revoked', async () => {
  const { keys } = await openKeys();
  await expect(keys.revoke('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('listeners hear of a rotation and a revocation until they stop listening', async () => {
  const { keys } = await openKeys();
  const heard: unknown[] = [];
  const stop = keys.onChanged((id, life) => heard.push([id, life?.rotations]));
  const { key } = await keys.create(draft);
  await keys.rotate({ id: key.id, overlapSeconds: 0 });
  await keys.revoke(key.id);
  await expect(keys.revoke('nobody')).rejects.toThrow();
  await expect(keys.rotate({ id: key.id, overlapSeconds: 0 })).rejects.toThrow();
  expect(heard).toEqual([
    [key.id, 1],
    [key.id, undefined],
  ]);
  stop();
  await keys.revoke(key.id);
  expect(heard).toHaveLength(2);
});

test('a credential is looked up with one statement, and many keys at once as well', async () => {
  const { keys, statements } = await openKeys();
  const made = [await keys.create(draft), await keys.create(draft), await keys.create(draft)];
  const ids = made.map(({ key }) => key.id);
  await keys.revoke(ids[1] ?? '');
  statements.length = 0;
  await keys.verify(made[0]?.secret ?? '');
  expect(statements).toHaveLength(1);
  statements.length = 0;
  expect(await keys.unrevoked([...ids, randomUUID()])).toEqual(new Map([ids[0], ids[2]].map((id) => [id, lasting()])));
  expect(statements).toHaveLength(1);
  statements.length = 0;
  expect(await keys.unrevoked([])).toEqual(new Map());
  expect(await keys.verify('x'.repeat(1_000_000))).toBeNull();
  expect(statements).toHaveLength(0);
});

test('every transaction on keys writes first', async () => {
  const { keys, statements } = await openKeys();
  statements.length = 0;
  const { key } = await keys.create(draft);
  await keys.rotate({ id: key.id, overlapSeconds: 60 });
  await keys.revoke(key.id);
  // Postgres' adapter tells of the end of a transaction, too.
  const verbs = statements.map((sql) => sql.split(' ')[0]).filter((verb) => verb !== 'COMMIT');
  expect(verbs).toEqual(['INSERT', 'INSERT', 'UPDATE', 'UPDATE', 'INSERT', 'UPDATE', 'INSERT', 'SELECT']);
});

test('a name may have as many characters as the limit says, and not one more', async () => {
  const { keys } = await openKeys();
  const longest = 'n'.repeat(defaultLimits.apiKeyNameLength);
  expect((await keys.create({ ...draft, name: ` ${longest} ` })).key.name).toBe(longest);
  await expect(keys.create({ ...draft, name: `${longest}n` })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
});

test.each([
  ['a blank name', { name: ' ' }, 'name'],
  ['a name of two lines', { name: 'a\nb' }, 'name'],
  ['a name with a terminal sequence', { name: 'a\u001b[2Jb' }, 'name'],
  ['a name that is not Unicode', { name: 'a\ud800' }, 'name'],
  ['no scope', { scopes: [] }, 'scopes'],
  ['an expiry that has come', { expiresAt: new Date('2026-06-01T12:00:00Z') }, 'expiresAt'],
  ['an expiry that is no date', { expiresAt: new Date(Number.NaN) }, 'expiresAt'],
])('a key with %s is not made', async (_, change, field) => {
  const { keys } = await openKeys();
  await expect(keys.create({ ...draft, ...change })).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    extensions: { argumentPath: ['input', field] },
  });
  expect(await keys.list()).toEqual([]);
});

test('a key that has expired is not good again when the clock is set back', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { database } = await openNewDatabase();
  const keys = new ApiKeys({ database, limits: defaultLimits });
  const { secret, key } = await keys.create({ ...draft, expiresAt: new Date(Date.now() + 60_000) });
  expect(await keys.verify(secret)).toMatchObject({ keyId: key.id });
  vi.advanceTimersByTime(60_000);
  vi.setSystemTime(Date.now() - 3_600_000);
  expect(await keys.verify(secret)).toBeNull();
});
