import { expect, test } from 'vitest';
import { dateTimeText } from '../../src/lib/date-time.ts';
import { mulberry32 } from '../support/seeded.ts';

/** The ends of what a `Date` can be, years with other than four digits, and both sides of midnights. */
const edges = [
  ...[8.64e15, -8.64e15, 8.64e15 - 1, -8.64e15 + 1, 253_402_300_799_999, 253_402_300_800_000],
  ...[-62_167_219_200_000, -62_167_219_200_001, 0, -0, 1, -1, 86_399_999, 86_400_000, -86_400_000, -86_400_001],
];

test('a time is written as toISOString writes it, whatever was written before', () => {
  const random = mulberry32(20_261_128);
  const near = Array.from({ length: 10_000 }, () => 1_767_225_600_000 + Math.floor(random() * 172_800_000));
  const anywhere = Array.from({ length: 10_000 }, () => Math.floor((random() * 2 - 1) * 8.64e15));
  for (const time of [...edges, ...near, ...anywhere, ...edges]) {
    const date = new Date(time);
    expect(dateTimeText(date)).toBe(date.toISOString());
  }
});

test('what is no time has no text', () => {
  expect(dateTimeText(new Date(Number.NaN))).toBeUndefined();
});
