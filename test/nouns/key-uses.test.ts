import { expect, onTestFinished, test, vi } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import { KeyUses } from '../../src/auth/key-uses.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openNewDatabase } from '../support/database.ts';

const draft = { name: 'worker', scopes: ['read'], expiresAt: null } as const;

async function openKeys({ keyUseMs = 3_600_000 } = {}) {
  const opened = await openNewDatabase();
  const { database } = opened;
  const time = { now: Date.parse('2026-06-01T12:00:00Z') };
  const clock = () => time.now;
  const errors: unknown[] = [];
  const uses = new KeyUses({ database, limits: { keyUseMs }, clock, onError: (error) => errors.push(error) });
  onTestFinished(() => uses.close());
  const keys = new ApiKeys({ database, limits: defaultLimits, clock, uses });
  const lastUses = async () => (await keys.list()).map(({ lastUsedAt }) => lastUsedAt?.getTime());
  /** A key that is younger than those before, so that it is listed after them. */
  const newKey = () => {
    time.now += 1;
    return keys.create(draft);
  };
  return { ...opened, keys, newKey, uses, time, lastUses, errors };
}

test('a key that is used shows when, a while later, and one that is not used shows nothing', async () => {
  const { keys, lastUses, time, newKey } = await openKeys({ keyUseMs: 10 });
  const { secret } = await newKey();
  await newKey();
  await keys.verify(secret);
  await keys.verify('sk-wrong');
  await expect.poll(lastUses).toEqual([time.now, undefined]);
  time.now += 5_000;
  await keys.verify(secret);
  await expect.poll(lastUses).toEqual([time.now, undefined]);
});

test('a use by the secret before counts as one, and one that is refused does not', async () => {
  const { keys, uses, lastUses, time, newKey } = await openKeys();
  const rotated = await newKey();
  const revoked = await newKey();
  await keys.rotate({ id: rotated.key.id, overlapSeconds: 60 });
  await keys.revoke(revoked.key.id);
  await keys.verify(rotated.secret);
  await keys.verify(revoked.secret);
  await uses.close();
  expect(await lastUses()).toEqual([time.now, undefined]);
});

test('an open stream uses its key for as long as it is open', async () => {
  const { keys, uses, lastUses, time, newKey } = await openKeys();
  const { key } = await newKey();
  time.now += 86_400_000;
  await keys.unrevoked([key.id]);
  await uses.close();
  expect(await lastUses()).toEqual([time.now]);
});

test('uses of many keys are written with one statement, and none while a request is served', async () => {
  const { keys, uses, statements, newKey } = await openKeys();
  const made = await Promise.all(Array.from({ length: 20 }, () => newKey()));
  statements.length = 0;
  for (let time = 0; time < 3; time += 1) for (const { secret } of made) await keys.verify(secret);
  expect(statements.filter((sql) => !sql.includes('SELECT'))).toEqual([]);
  statements.length = 0;
  await uses.close();
  expect(statements.filter((sql) => sql.includes('UPDATE'))).toHaveLength(1);
});

test('a key is written at most once in the time of the limit, however often it is used', async () => {
  const { keys, statements, database, time, newKey } = await openKeys();
  const { key, secret } = await newKey();
  const keyUseMs = 300;
  const uses = new KeyUses({ database, limits: { keyUseMs }, clock: () => time.now, onError: () => {} });
  onTestFinished(() => uses.close());
  statements.length = 0;
  const began = performance.now();
  let written = 0;
  while (written < 2) {
    uses.note(key.id);
    await keys.verify(secret);
    written = statements.filter((sql) => sql.includes('UPDATE')).length;
  }
  expect(performance.now() - began).toBeGreaterThanOrEqual(2 * keyUseMs - 5);
});

test('what an instance has noted never replaces what another one saw later', async () => {
  const { keys, uses, lastUses, time, database, newKey } = await openKeys();
  const { secret, key } = await newKey();
  await keys.verify(secret);
  const later = new Date(time.now + 1_000);
  await database.transaction((transaction) =>
    transaction.apiKey.update({ where: { id: key.id }, data: { lastUsedAt: later } }),
  );
  await uses.close();
  expect(await lastUses()).toEqual([later.getTime()]);
});

test('what could not be written is told, and written the next time', async () => {
  const { keys, lastUses, time, errors, database, newKey } = await openKeys({ keyUseMs: 10 });
  const { secret } = await newKey();
  const failure = new Error('the disk is full');
  vi.spyOn(database, 'transaction').mockRejectedValueOnce(failure);
  await keys.verify(secret);
  const usedAt = time.now;
  await expect.poll(lastUses).toEqual([usedAt]);
  expect(errors).toEqual([failure]);
});

test('nothing is noted, and no timer runs, once it is closed', async () => {
  const { keys, uses, lastUses, newKey } = await openKeys({ keyUseMs: 0 });
  const { secret } = await newKey();
  await uses.close();
  await keys.verify(secret);
  await uses.close();
  expect(await lastUses()).toEqual([undefined]);
});
