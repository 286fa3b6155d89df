import { expect, test } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openNewDatabase } from '../support/database.ts';

const draft = { name: 'Sync worker', scopes: ['read', 'write'], expiresAt: null } as const;
const hour = 3_600;

async function openKeys() {
  const opened = await openNewDatabase();
  const time = { now: Date.parse('2026-06-01T12:00:00Z') };
  const after = (seconds: number) => new Date(time.now + seconds * 1_000);
  const keys = new ApiKeys({ database: opened.database, limits: defaultLimits, clock: () => time.now });
  return { ...opened, keys, time, after };
}

test('a rotated key keeps its id, name and scopes, and has another secret', async () => {
  const { keys, after } = await openKeys();
  const { key, secret } = await keys.create(draft);
  const rotated = await keys.rotate({ id: key.id, overlapSeconds: hour });
  expect(rotated.secret).toMatch(/^sk-[0-9a-f]{64}$/);
  expect(rotated.secret).not.toBe(secret);
  expect(rotated.key).toEqual({
    ...key,
    prefix: rotated.secret.slice(0, 11),
    rotations: 1,
    previousEndsAt: after(hour),
  });
  expect(await keys.list()).toEqual([rotated.key]);
  expect(await keys.verify(rotated.secret)).toMatchObject({ keyId: key.id, expiresAt: null, rotation: 1 });
});

test('the secret before is good until the millisecond in which its overlap is over', async () => {
  const { keys, time, after } = await openKeys();
  const { key, secret } = await keys.create(draft);
  await keys.rotate({ id: key.id, overlapSeconds: hour });
  const viewer = { keyId: key.id, scopes: new Set(['read', 'write']), expiresAt: after(hour), rotation: 0 };
  expect(await keys.verify(secret)).toMatchObject(viewer);
  time.now += hour * 1_000 - 1;
  expect(await keys.verify(secret)).toMatchObject(viewer);
  time.now += 1;
  expect(await keys.verify(secret)).toBeNull();
});

test('with an overlap of 0 the secret before ends at once, and nothing of it is kept', async () => {
  const { keys, database } = await openKeys();
  const { key, secret } = await keys.create(draft);
  const rotated = await keys.rotate({ id: key.id, overlapSeconds: 0 });
  expect(await keys.verify(secret)).toBeNull();
  expect(await keys.verify(rotated.secret)).not.toBeNull();
  expect(await database.reader.apiKey.findUniqueOrThrow({ where: { id: key.id } })).toMatchObject({
    previousHash: null,
  });
});

test('of the secrets that were replaced the last alone is good', async () => {
  const { keys } = await openKeys();
  const { key, secret: first } = await keys.create(draft);
  const [second, third] = [
    await keys.rotate({ id: key.id, overlapSeconds: hour }),
    await keys.rotate({ id: key.id, overlapSeconds: hour }),
  ].map(({ secret }) => secret);
  const rotations = await Promise.all([first, second, third].map((secret) => keys.verify(secret ?? '')));
  expect(rotations.map((viewer) => viewer?.rotation)).toEqual([undefined, 1, 2]);
});

test('two rotations at once leave two good secrets', async () => {
  const { keys } = await openKeys();
  const { key, secret } = await keys.create(draft);
  const rotated = await Promise.all([1, 2].map(() => keys.rotate({ id: key.id, overlapSeconds: hour })));
  const secrets = [secret, ...rotated.map((each) => each.secret)];
  const viewers = await Promise.all(secrets.map((each) => keys.verify(each)));
  expect(viewers[0]).toBeNull();
  expect(new Set(viewers.slice(1).map((viewer) => viewer?.rotation))).toEqual(new Set([1, 2]));
});

test('revoking a key ends both of its secrets', async () => {
  const { keys } = await openKeys();
  const { key, secret } = await keys.create(draft);
  const rotated = await keys.rotate({ id: key.id, overlapSeconds: hour });
  await keys.revoke(key.id);
  expect(await Promise.all([secret, rotated.secret].map((each) => keys.verify(each)))).toEqual([null, null]);
});

test('the secret before lasts no longer than the key was to last, and the new one as long as is asked for', async () => {
  const { keys, after } = await openKeys();
  const { key } = await keys.create({ ...draft, expiresAt: after(60) });
  const prolonged = await keys.rotate({ id: key.id, overlapSeconds: hour, expiresAt: after(2 * hour) });
  expect(prolonged.key).toMatchObject({ expiresAt: after(2 * hour), previousEndsAt: after(60) });
  const kept = await keys.rotate({ id: key.id, overlapSeconds: 10 });
  expect(kept.key).toMatchObject({ expiresAt: after(2 * hour), previousEndsAt: after(10) });
  const endless = await keys.rotate({ id: key.id, overlapSeconds: 10, expiresAt: null });
  expect(endless.key.expiresAt).toBeNull();
});

test('a key whose end is put off is good after its first end, and the secret before is not', async () => {
  const { keys, time, after } = await openKeys();
  const { key, secret } = await keys.create({ ...draft, expiresAt: after(60) });
  await keys.verify(secret);
  const rotated = await keys.rotate({ id: key.id, overlapSeconds: hour, expiresAt: after(2 * hour) });
  await keys.verify(rotated.secret);
  time.now += 60_000;
  expect(await keys.verify(secret)).toBeNull();
  expect(await keys.verify(rotated.secret)).not.toBeNull();
});

test('an overlap may be as long as the limit says, and not a second longer', async () => {
  const { keys } = await openKeys();
  const { key } = await keys.create(draft);
  const { min, max } = defaultLimits.keyOverlapSeconds;
  for (const overlapSeconds of [min, max]) await keys.rotate({ id: key.id, overlapSeconds });
  for (const overlapSeconds of [min - 1, max + 1, 1.5, Number.NaN])
    await expect(keys.rotate({ id: key.id, overlapSeconds })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      extensions: { argumentPath: ['input', 'overlapSeconds'] },
    });
  expect((await keys.list())[0]?.rotations).toBe(2);
});

test('a key that is not there, is revoked or has expired is not rotated, and stays as it is', async () => {
  const { keys, time, after } = await openKeys();
  const [revoked, expired] = [await keys.create(draft), await keys.create({ ...draft, expiresAt: after(60) })];
  await keys.revoke(revoked.key.id);
  time.now += 60_000;
  const before = await keys.list();
  const rotate = (id: string, expiresAt?: Date) => keys.rotate({ id, overlapSeconds: 0, expiresAt });
  for (const id of ['nobody', '3fa85f64-5717-4562-b3fc-2c963f66afa6'])
    await expect(rotate(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  for (const [id, word] of [
    [revoked.key.id, 'revoked'],
    [expired.key.id, 'expired'],
  ] as const)
    await expect(rotate(id, after(60))).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringContaining(word),
    });
  const { key } = await keys.create(draft);
  await expect(rotate(key.id, new Date(time.now))).rejects.toMatchObject({
    extensions: { argumentPath: ['input', 'expiresAt'] },
  });
  expect((await keys.list()).slice(0, 2)).toEqual(before);
});

test('a secret of an earlier release, of which no beginning is known, is good and can be rotated', async () => {
  const { keys, database } = await openKeys();
  const { key, secret } = await keys.create(draft);
  // The columns that an earlier release writes.
  await database.transaction((transaction) =>
    transaction.apiKey.update({ where: { id: key.id }, data: { prefix: null } }),
  );
  expect(await keys.verify(secret)).toMatchObject({ keyId: key.id });
  expect((await keys.list())[0]?.prefix).toBeNull();
  const rotated = await keys.rotate({ id: key.id, overlapSeconds: hour });
  expect(rotated.key.prefix).toBe(rotated.secret.slice(0, 11));
  expect(await keys.verify(secret)).not.toBeNull();
});

test('both secrets are looked up with one statement, by an index', async () => {
  const { keys, statements } = await openKeys();
  const { key, secret } = await keys.create(draft);
  await keys.rotate({ id: key.id, overlapSeconds: hour });
  statements.length = 0;
  await keys.verify(secret);
  expect(statements).toHaveLength(1);
});
