import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { pause } from '../../src/lib/pause.ts';
import { pauseAfter, retry } from '../../src/lib/retry.ts';

const away = new Error('away');
const wrong = new Error('wrong');

/** Fails so many times, and then succeeds; notes when it was called. */
function failing(times: number, error = away) {
  const startedAt = Date.now();
  const calls: number[] = [];
  const attempt = async () => {
    calls.push(Date.now() - startedAt);
    if (calls.length <= times) throw error;
    return 'done';
  };
  return { attempt, calls };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets all pauses pass. */
async function inNoTime<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  await vi.runAllTimersAsync();
  return promise;
}

describe('retry', () => {
  test('resolves to what the first attempt that succeeds gives', async () => {
    const { attempt, calls } = failing(0);
    expect(await retry(attempt, { pauseMs: 10 })).toBe('done');
    expect(calls).toEqual([0]);
  });

  test('pauses twice as long after each failure, up to the longest pause', async () => {
    const { attempt, calls } = failing(5);
    expect(await inNoTime(retry(attempt, { pauseMs: { first: 100, longest: 350 } }))).toBe('done');
    expect(calls).toEqual([0, 100, 300, 650, 1_000, 1_350]);
  });

  test('pauses equally long with one number, and not at all with 0', async () => {
    const steady = failing(3);
    await inNoTime(retry(steady.attempt, { pauseMs: 100 }));
    expect(steady.calls).toEqual([0, 100, 200, 300]);
    const hasty = failing(3);
    await retry(hasty.attempt, { pauseMs: 0 }); // no timer fires meanwhile
    expect(hasty.calls).toEqual([0, 0, 0, 0]);
  });

  test('starts the pauses anew once an attempt says that it works', async () => {
    const startedAt = Date.now();
    const calls: number[] = [];
    const session = async (works: () => void) => {
      calls.push(Date.now() - startedAt);
      if (calls.length === 3) works();
      if (calls.length <= 4) throw away;
    };
    await inNoTime(retry(session, { pauseMs: { first: 100, longest: 1_000 } }));
    expect(calls).toEqual([0, 100, 300, 400, 600]);
  });

  test('throws the last failure after so many attempts in a row, and no sooner', async () => {
    const enough = failing(4);
    expect(await inNoTime(retry(enough.attempt, { pauseMs: 1, attempts: 5 }))).toBe('done');
    const tooFew = failing(5);
    await expect(inNoTime(retry(tooFew.attempt, { pauseMs: 1, attempts: 5 }))).rejects.toBe(away);
    expect(tooFew.calls).toHaveLength(5);
  });

  test('throws at once what is not temporary, even when the signal has aborted', async () => {
    const onFailure = vi.fn();
    const isTemporary = (error: unknown) => error === away;
    const { attempt, calls } = failing(1, wrong);
    const signal = AbortSignal.abort();
    await expect(retry(attempt, { pauseMs: 1, isTemporary, onFailure, signal })).rejects.toBe(wrong);
    expect(calls).toHaveLength(1);
    expect(onFailure).not.toHaveBeenCalled();
  });

  test('tells of each failure that another attempt follows, and waits for the listener', async () => {
    const told: unknown[] = [];
    const { attempt, calls } = failing(3);
    const onFailure = async (error: unknown) => {
      await vi.advanceTimersByTimeAsync(50);
      told.push(error, calls.length);
    };
    await expect(inNoTime(retry(attempt, { pauseMs: 0, attempts: 3, onFailure }))).rejects.toBe(away);
    expect(told).toEqual([away, 1, away, 2]);
  });

  test('gives up with what the listener throws', async () => {
    const { attempt, calls } = failing(9);
    const onFailure = () => {
      if (calls.length === 2) throw wrong;
    };
    await expect(inNoTime(retry(attempt, { pauseMs: 10, onFailure }))).rejects.toBe(wrong);
  });

  test('ends a pause at once when the signal aborts, and resolves to nothing', async () => {
    const leaving = new AbortController();
    const { attempt, calls } = failing(9);
    const result = retry(attempt, { pauseMs: 1_000_000, signal: leaving.signal });
    await vi.advanceTimersByTimeAsync(0);
    leaving.abort();
    expect(await result).toBeUndefined();
    expect(calls).toHaveLength(1);
  });

  test('makes the first attempt after an abort as well, and never drops what an attempt gives', async () => {
    const leaving = new AbortController();
    const attempt = async () => {
      leaving.abort();
      return 'done';
    };
    expect(await retry(attempt, { pauseMs: 1, signal: leaving.signal })).toBe('done');
    expect(await retry(attempt, { pauseMs: 1, signal: AbortSignal.abort() })).toBe('done');
  });

  test('is silent about a failure that comes after the abort', async () => {
    const onFailure = vi.fn();
    const { attempt } = failing(1);
    expect(await retry(attempt, { pauseMs: 1, onFailure, signal: AbortSignal.abort() })).toBeUndefined();
    expect(onFailure).not.toHaveBeenCalled();
  });
});

test('a pause has a longest length however many failures there were', () => {
  expect(pauseAfter(5_000, { first: 100, longest: 2_000 })).toBe(2_000);
});

test('a pause ends when its time is up, or when its signal aborts, or has', async () => {
  vi.useRealTimers();
  const leaving = new AbortController();
  await pause(1, leaving.signal);
  const cut = pause(1_000_000, leaving.signal);
  leaving.abort();
  await cut;
  await pause(1_000_000, leaving.signal);
});
