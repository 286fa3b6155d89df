import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import { CredentialWatch } from '../../src/auth/credential-watch.ts';
import type { KeyLife } from '../../src/auth/key-life.ts';
import type { UserViewer } from '../../src/auth/viewer.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openAgain, openNewDatabase } from '../support/database.ts';

const never = 3_600_000;
const revoked = { code: 'UNAUTHENTICATED', message: expect.stringContaining('revoked') };
const expired = { code: 'TOKEN_EXPIRED' };

async function openWatch(credentialPollMs: number) {
  const { url, database, statements } = await openNewDatabase();
  const keys = new ApiKeys({ database, limits: defaultLimits });
  const watch = new CredentialWatch({ keys, limits: { credentialPollMs } });
  onTestFinished(() => watch.close());
  async function newService() {
    const { secret } = await keys.create({ name: 'worker', scopes: ['read'], expiresAt: null });
    const viewer = await keys.verify(secret);
    if (!viewer) throw new Error('a new key is good');
    return viewer;
  }
  /** The keys as another process would have them. */
  const elsewhere = async () => new ApiKeys({ database: await openAgain(url), limits: defaultLimits });
  return { keys, watch, newService, elsewhere, statements };
}

const lasting: KeyLife = { rotations: 0, expiresAt: null, previousEndsAt: null };

function userUntil(expiresAt: Date): UserViewer {
  return { kind: 'user', userId: '3fa85f64-5717-4562-b3fc-2c963f66afa6', via: 'sync:self', expiresAt };
}

/** A watch on viewers without keys, whose clock and timers stand still until the test moves them. */
function watchByFakeTime() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const unrevoked = vi.fn(async (ids: readonly string[]) => new Map(ids.map((id) => [id, lasting])));
  const stopListening = vi.fn();
  const watch = new CredentialWatch({
    keys: { unrevoked, onChanged: () => stopListening },
    limits: { credentialPollMs: 1000 },
  });
  return { watch, unrevoked, stopListening };
}

test('a credential ends at its expiry', async () => {
  const { watch, newService } = await openWatch(never);
  const service = await newService();
  const expiresAt = new Date(Date.now() + 100);
  const signals = [userUntil(expiresAt), { ...service, expiresAt }].map((viewer) => watch.watch(viewer).signal);
  for (const signal of signals) {
    if (!signal.aborted) await once(signal, 'abort');
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime());
    expect(signal.reason).toMatchObject(expired);
  }
});

test('a credential that has already expired is over at once', async () => {
  const { watch } = await openWatch(never);
  expect(watch.watch(userUntil(new Date(0))).signal.reason).toMatchObject(expired);
});

test('a key that is revoked in this process ends all its streams at once, and no others', async () => {
  const { keys, watch, newService } = await openWatch(never);
  const [one, other] = [await newService(), await newService()];
  const [first, second, bystander] = [watch.watch(one), watch.watch(one), watch.watch(other)];
  await keys.revoke(one.keyId);
  expect(first.signal.reason).toMatchObject(revoked);
  expect(second.signal.reason).toMatchObject(revoked);
  expect(bystander.signal.aborted).toBe(false);
});

test('a key that is revoked elsewhere ends its streams at the next poll, and no others', async () => {
  const { watch, newService, elsewhere } = await openWatch(10);
  const [one, other] = [await newService(), await newService()];
  const [watched, bystander] = [watch.watch(one), watch.watch(other)];
  const ended = once(watched.signal, 'abort');
  await (await elsewhere()).revoke(one.keyId);
  await ended;
  expect(watched.signal.reason).toMatchObject(revoked);
  expect(bystander.signal.aborted).toBe(false);
});

test('a secret that is replaced here ends its streams when the overlap is over, and those of the new one go on', async () => {
  const { keys, watch, newService } = await openWatch(never);
  const old = await newService();
  const watched = watch.watch(old);
  const { secret } = await keys.rotate({ id: old.keyId, overlapSeconds: 1 });
  const renewed = await keys.verify(secret);
  if (!renewed) throw new Error('a new secret is good');
  const bystander = watch.watch(renewed);
  expect(watched.signal.aborted).toBe(false);
  await once(watched.signal, 'abort');
  expect(watched.signal.reason).toMatchObject(expired);
  const later = watch.watch(renewed);
  await keys.rotate({ id: old.keyId, overlapSeconds: 0 });
  for (const { signal } of [bystander, later]) expect(signal.reason).toMatchObject(expired);
});

test('a secret that is replaced elsewhere ends its streams at the next poll after the overlap', async () => {
  const { watch, newService, elsewhere } = await openWatch(10);
  const [one, other] = [await newService(), await newService()];
  const [watched, bystander] = [watch.watch(one), watch.watch(other)];
  const ended = once(watched.signal, 'abort');
  await (await elsewhere()).rotate({ id: one.keyId, overlapSeconds: 0 });
  await ended;
  expect(watched.signal.reason).toMatchObject(expired);
  expect(bystander.signal.aborted).toBe(false);
});

test('a secret that was replaced twice ends its streams though the overlap of the first time is not over', async () => {
  const { keys, watch, newService } = await openWatch(never);
  const { keyId: id, ...rest } = await newService();
  const watched = watch.watch({ keyId: id, ...rest });
  await keys.rotate({ id, overlapSeconds: 600 });
  expect(watched.signal.aborted).toBe(false);
  await keys.rotate({ id, overlapSeconds: 600 });
  expect(watched.signal.reason).toMatchObject(expired);
});

test('a poll asks for all keys with one statement, and each key once', async () => {
  const { keys, watch, newService, elsewhere, statements } = await openWatch(10);
  const viewers = [await newService(), await newService(), await newService()];
  const asked = vi.spyOn(keys, 'unrevoked');
  statements.length = 0;
  const [first] = [...viewers, ...viewers].map((viewer) => watch.watch(viewer));
  // Polls go on with two keys afterwards, so what ran until then is taken at the abort.
  const untilEnd = once(first?.signal ?? new EventTarget(), 'abort').then(() => [...statements]);
  await (await elsewhere()).revoke(viewers[0]?.keyId ?? '');
  const ran = await untilEnd;
  expect(new Set(ran).size).toBe(1);
  // All of them in one parameter.
  expect(ran[0]?.match(/\?|\$\d+/g)).toHaveLength(1);
  expect(asked.mock.calls[0]).toEqual([viewers.map(({ keyId }) => keyId)]);
  expect(asked.mock.calls.length).toBeGreaterThanOrEqual(ran.length);
});

test('a released watch never aborts, and releasing again is harmless', async () => {
  const { keys, watch, newService } = await openWatch(never);
  const service = await newService();
  const [released, kept] = [watch.watch(service), watch.watch(service)];
  released.release();
  released.release();
  await keys.revoke(service.keyId);
  expect(released.signal.aborted).toBe(false);
  expect(kept.signal.aborted).toBe(true);
  kept.release();
});

test('after close nothing aborts any more', async () => {
  const { keys, watch, newService } = await openWatch(never);
  const service = await newService();
  const before = watch.watch(service);
  watch.close();
  const after = watch.watch(service);
  await keys.revoke(service.keyId);
  expect(before.signal.aborted).toBe(false);
  expect(after.signal.aborted).toBe(false);
});

test('close stops every timer, and listening for revocations', () => {
  const { watch, stopListening } = watchByFakeTime();
  const expiresAt = new Date(Date.now() + 60_000);
  const service = { kind: 'service', keyId: 'k', name: 'n', scopes: new Set<never>(), expiresAt } as const;
  for (const viewer of [service, userUntil(expiresAt)]) watch.watch(viewer);
  expect(vi.getTimerCount()).toBe(3);
  watch.close();
  watch.watch(service);
  expect(vi.getTimerCount()).toBe(0);
  expect(stopListening).toHaveBeenCalledOnce();
});

test('an anonymous viewer is watched without a timer and never ends', async () => {
  const { watch } = watchByFakeTime();
  const { signal } = watch.watch({ kind: 'anonymous' });
  expect(vi.getTimerCount()).toBe(0);
  expect(signal.aborted).toBe(false);
});

test('an expiry further away than one timer reaches still comes at its time', async () => {
  const { watch } = watchByFakeTime();
  const days = 86_400_000;
  const { signal } = watch.watch(userUntil(new Date(Date.now() + 60 * days)));
  vi.advanceTimersByTime(60 * days - 1);
  expect(signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(signal.reason).toMatchObject(expired);
  expect(vi.getTimerCount()).toBe(0);
});

test('there is no timer and no poll while nothing is watched', async () => {
  const { watch, unrevoked } = watchByFakeTime();
  const service = { kind: 'service', keyId: 'k', name: 'n', scopes: new Set(['read' as const]) } as const;
  expect(vi.getTimerCount()).toBe(0);
  const first = watch.watch({ ...service, expiresAt: null });
  const second = watch.watch({ ...service, expiresAt: new Date(Date.now() + 60_000) });
  await vi.advanceTimersByTimeAsync(3000);
  expect(unrevoked.mock.calls).toEqual([[['k']], [['k']], [['k']]]);
  first.release();
  second.release();
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(3000);
  expect(unrevoked).toHaveBeenCalledTimes(3);
});

test('a key that was revoked ends by its expiry where that has come first', async () => {
  const { watch, unrevoked } = watchByFakeTime();
  unrevoked.mockResolvedValue(new Map());
  const { signal } = watch.watch({
    kind: 'service',
    keyId: 'k',
    name: 'n',
    scopes: new Set(),
    expiresAt: new Date(Date.now() + 1000),
  });
  await vi.advanceTimersByTimeAsync(1000);
  expect(signal.reason).toMatchObject(expired);
});

test('polls do not overlap, however slow the database is', async () => {
  const { watch, unrevoked } = watchByFakeTime();
  let answer = (_: Map<string, KeyLife>) => {};
  unrevoked.mockImplementation(() => new Promise((resolve) => (answer = resolve)));
  const viewer = { kind: 'service', keyId: 'k', name: 'n', scopes: new Set<never>(), expiresAt: null } as const;
  watch.watch(viewer).release();
  const first = watch.watch(viewer);
  await vi.advanceTimersByTimeAsync(1000);
  first.release();
  watch.watch(viewer);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(unrevoked).toHaveBeenCalledTimes(1);
  answer(new Map([['k', lasting]]));
  await vi.advanceTimersByTimeAsync(1000);
  expect(unrevoked).toHaveBeenCalledTimes(2);
});

test('a failed poll is reported, ends nothing, and the next one counts', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const failure = new Error('database is gone');
  const reported: unknown[] = [];
  const unrevoked = vi.fn().mockRejectedValueOnce(failure).mockResolvedValue(new Map());
  const watch = new CredentialWatch({
    keys: { unrevoked, onChanged: () => () => {} },
    limits: { credentialPollMs: 1000 },
    onError: (error) => reported.push(error),
  });
  const { signal } = watch.watch({ kind: 'service', keyId: 'k', name: 'n', scopes: new Set(), expiresAt: null });
  await vi.advanceTimersByTimeAsync(1000);
  expect(reported).toEqual([failure]);
  expect(signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1000);
  expect(signal.reason).toMatchObject(revoked);
});

test.each([
  ['an hour back', -3_600_000],
  ['a year back', -365 * 86_400_000],
])('a credential ends when its time is over, though the clock is set %s meanwhile', (_, ms) => {
  const { watch } = watchByFakeTime();
  const { signal } = watch.watch(userUntil(new Date(Date.now() + 60_000)));
  vi.setSystemTime(Date.now() + ms);
  vi.advanceTimersByTime(59_999);
  expect(signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(signal.reason).toMatchObject(expired);
});
