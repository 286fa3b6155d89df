import { describe, expect, test } from 'vitest';
import { TokenBuckets } from '../../src/gate/token-buckets.ts';

/** Buckets of ten, of which five come back in a second, by a clock that the test moves. */
function buckets(most = 100) {
  let now = 1_000_000;
  const tens = new TokenBuckets({ burst: 10, perSecond: 5 }, { clock: () => now, most });
  return { tens, pass: (ms: number) => (now += ms) };
}

describe('a bucket', () => {
  test('gives what it holds, and no more', () => {
    const { tens } = buckets();
    for (let taken = 0; taken < 10; taken += 1) expect(tens.take('a', 1)).toBe(0);
    expect(tens.take('a', 1)).toBe(200);
    expect(tens.take('b', 10)).toBe(0);
  });

  test('says how long to wait, and gives what has come back by then', () => {
    const { tens, pass } = buckets();
    tens.take('a', 10);
    expect(tens.take('a', 3)).toBe(600);
    pass(599);
    expect(tens.take('a', 3)).toBe(1);
    pass(1);
    expect(tens.take('a', 3)).toBe(0);
    expect(tens.take('a', 1)).toBe(200);
  });

  test('owes what was taken without being there, until that is paid off', () => {
    const { tens, pass } = buckets();
    tens.owe('a', 25);
    expect(tens.take('a', 1)).toBe(3_200);
    pass(3_199);
    expect(tens.take('a', 1)).toBe(1);
    pass(1);
    expect(tens.take('a', 1)).toBe(0);
  });

  test('is asked without being touched', () => {
    const { tens } = buckets();
    tens.take('a', 9);
    expect(tens.wait('a', 1)).toBe(0);
    expect(tens.wait('a', 1)).toBe(0);
    expect(tens.take('a', 1)).toBe(0);
    expect(tens.wait('a', 1)).toBe(200);
    expect(tens.wait('b', 10)).toBe(0);
  });

  test('tells when so much could be taken with a part of it left over, at the latest when it is full', () => {
    const { tens, pass } = buckets();
    expect(tens.wait('a', 5, 0.5)).toBe(0);
    tens.take('a', 4);
    expect(tens.wait('a', 1, 0.5)).toBe(0);
    expect(tens.wait('a', 2, 0.5)).toBe(200);
    expect(tens.wait('a', 9, 0.5)).toBe(800);
    expect(tens.take('a', 6)).toBe(0); // nothing was taken by asking
    pass(2_000);
    expect(tens.wait('a', 9, 0.5)).toBe(0);
  });

  test('holds no more than its burst, however long it is left alone', () => {
    const { tens, pass } = buckets();
    tens.take('a', 10);
    pass(3_600_000);
    expect(tens.take('a', 10)).toBe(0);
    expect(tens.take('a', 1)).toBe(200);
  });

  test('that is full lets through what costs more than it can hold, which is paid off after', () => {
    const { tens, pass } = buckets();
    expect(tens.take('a', 25)).toBe(0);
    pass(3_000);
    expect(tens.take('a', 1)).toBe(200);
    pass(200);
    expect(tens.take('a', 1)).toBe(0);
    expect(tens.take('a', 25)).toBe(2_000);
  });

  test('holds again what was put back, and is forgotten when it is full by that', () => {
    const { tens, pass } = buckets();
    tens.take('a', 10);
    pass(200);
    tens.giveBack('a', 4);
    expect(tens.take('a', 5)).toBe(0);
    expect(tens.take('a', 1)).toBe(200);
    pass(1_000);
    tens.giveBack('a', 10);
    tens.take('b', 3);
    tens.giveBack('b', 3);
    expect(tens.size).toBe(0);
    expect(tens.take('a', 11)).toBe(0);
    expect(tens.take('a', 1)).toBe(400);
  });

  test('that was put back to is told of, where it was told before', () => {
    const { tens } = buckets();
    tens.take('a', 5);
    expect(tens.tell()).toEqual([{ key: 'a', ms: 1_000 }]);
    tens.giveBack('a', 5);
    expect(tens.tell()).toEqual([{ key: 'a', ms: -1_000 }]);
    tens.take('a', 5);
    tens.giveBack('a', 5);
    expect(tens.tell()).toEqual([]);
    expect(tens.size).toBe(0);
  });

  test('is forgotten when it is full, and others only if there are too many', () => {
    const { tens, pass } = buckets(20);
    for (let index = 0; index < 10; index += 1) tens.take(`early ${index}`, 5);
    pass(1_000);
    for (let index = 0; index < 11; index += 1) tens.take(`late ${index}`, 10);
    expect(tens.size).toBe(11);
    expect(tens.take('late 0', 1)).toBe(200);
    for (let index = 11; index < 30; index += 1) tens.take(`late ${index}`, 10);
    expect(tens.size).toBeLessThanOrEqual(20);
  });

  test('of which much was taken is remembered, however many others are taken from', () => {
    const { tens, pass } = buckets(1_000);
    for (let index = 0; index < 100; index += 1) tens.take(`heavy ${index}`, 10);
    pass(1);
    for (let index = 0; index < 10_000; index += 1) tens.take(`light ${index}`, 1);
    expect(tens.size).toBeLessThanOrEqual(1_000);
    for (let index = 0; index < 100; index += 1) expect(tens.take(`heavy ${index}`, 1)).toBe(199);
  });
});
