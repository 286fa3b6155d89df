import { describe, expect, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { LiveBuffer } from '../../src/sources/open-wearables/live-buffer.ts';

const entry = (text: string) => ({ text, place: 'p' });

describe('live messages that wait for the log', () => {
  test('are 50,000 at most, and all are dropped for one more', () => {
    const buffer = new LiveBuffer(defaultLimits, () => 0);
    for (let count = 0; count < 50_000; count += 1) buffer.push(entry('x'));
    expect([buffer.overflowed, buffer.waiting.length]).toEqual([false, 50_000]);
    buffer.push(entry('x'));
    expect([buffer.overflowed, buffer.isEmpty]).toEqual([true, true]);
  });

  test('have 64 Mi characters at most in all, and all are dropped for one more', () => {
    const buffer = new LiveBuffer(defaultLimits, () => 0);
    const half = 'x'.repeat(32 * 1_048_576);
    for (const text of [half, half]) buffer.push(entry(text));
    expect([buffer.overflowed, buffer.waiting.length]).toEqual([false, 2]);
    buffer.push(entry('x'));
    expect([buffer.overflowed, buffer.isEmpty]).toEqual([true, true]);
  });

  test('that were taken make room for as many characters', () => {
    const buffer = new LiveBuffer({ bridgeMessages: 10, bridgeLength: 4 }, () => 0);
    for (const text of ['xx', 'xx']) buffer.push(entry(text));
    buffer.take(1);
    buffer.push(entry('xx'));
    expect([buffer.overflowed, buffer.waiting.length]).toEqual([false, 2]);
    buffer.push(entry('x'));
    expect(buffer.overflowed).toBe(true);
  });
});
