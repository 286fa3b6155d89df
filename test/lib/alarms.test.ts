import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Alarmed, Alarms } from '../../src/lib/alarms.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const usualMs = 51_200;

/** Alarms, and when each rang, by its name. */
function start() {
  const alarms = new Alarms(usualMs);
  const rang: [name: string, at: number][] = [];
  const alarmed = (name: string): Alarmed => ({ ring: () => rang.push([name, performance.now()]) });
  return { alarms, rang, alarmed };
}

test('each alarm rings once, no further from its time than a slot is long, and then no timer is left', () => {
  const { alarms, rang, alarmed } = start();
  const due = new Map([500, 510, 20_000, usualMs, 3 * usualMs].map((ms) => [String(ms), performance.now() + ms]));
  for (const [name, at] of due) alarms.set(alarmed(name), at);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(4 * usualMs);
  expect(rang.map(([name]) => name)).toEqual([...due.keys()]);
  for (const [name, at] of rang) expect(Math.abs(at - (due.get(name) ?? 0))).toBeLessThanOrEqual(alarms.slotMs);
  expect(vi.getTimerCount()).toBe(0);
});

test('one that is cancelled does not ring, nor does it keep the timer', () => {
  const { alarms, rang, alarmed } = start();
  const cancelled = alarmed('cancelled');
  const slot = alarms.set(cancelled, performance.now() + 1_000);
  alarms.cancel(cancelled, slot);
  expect(vi.getTimerCount()).toBe(0);
  alarms.set(alarmed('other'), performance.now() + 1_000);
  alarms.cancel(cancelled, slot);
  vi.advanceTimersByTime(2_000);
  expect(rang.map(([name]) => name)).toEqual(['other']);
});

test('one whose time is past rings soon, and may be set anew while it rings', () => {
  const { alarms, rang, alarmed } = start();
  const again: Alarmed = {
    ring() {
      rang.push(['again', performance.now()]);
      if (rang.length < 3) alarms.set(again, performance.now() - 1);
    },
  };
  alarms.set(again, performance.now() - usualMs);
  alarms.set(alarmed('later'), performance.now() + usualMs);
  vi.advanceTimersByTime(10 * alarms.slotMs);
  expect(rang).toHaveLength(3);
});

test('one that is set at the end of a slot rings, though the clock goes on meanwhile', () => {
  const { alarms, rang, alarmed } = start();
  const clock = vi.spyOn(performance, 'now');
  const now = Math.ceil(performance.now() / alarms.slotMs + 1) * alarms.slotMs;
  clock.mockReturnValueOnce(now - 0.001).mockReturnValueOnce(now + alarms.slotMs);
  alarms.set(alarmed('late'), 0);
  clock.mockRestore();
  vi.advanceTimersByTime(usualMs);
  expect(rang.map(([name]) => name)).toEqual(['late']);
});
