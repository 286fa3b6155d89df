import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldRhythm, lateAfterMs, type Rhythm, readRhythm, rhythmThresholds } from '../../src/connections/rhythm.ts';
import type { Random } from '../../src/lib/random.ts';
import { mulberry32 } from '../support/seeded.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 5); // a Monday

/** The rhythm of arrivals at these times after the start. */
function rhythmOf(arrivals: readonly number[], before: Rhythm | null = null): Rhythm | null {
  return arrivals.reduce<Rhythm | null>((rhythm, at) => foldRhythm(rhythm, new Date(start + at)), before);
}

/** So many times, one each `every`. */
const steady = (every: number, count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n * every);

test('a rhythm is known once five intervals cover a week', () => {
  expect(lateAfterMs(null)).toBeNull();
  expect(lateAfterMs(rhythmOf(steady(hour, 7 * 24)))).toBeNull();
  expect(lateAfterMs(rhythmOf(steady(hour, 7 * 24 + 1)))).toBe(3 * hour);
  expect(lateAfterMs(rhythmOf(steady(2 * day, 5)))).toBeNull();
  expect(lateAfterMs(rhythmOf(steady(2 * day, 6)))).not.toBeNull();
});

test('who delivers every so often is late at half as much again as the longest interval of the kind', () => {
  const lateAfter = [minute, hour, 3 * hour, 5 * hour, day, 2 * day, 7 * day, 30 * day].map((every) => {
    const rhythm = rhythmOf(steady(every, Math.ceil((60 * day) / every) + 5));
    return [every / hour, (lateAfterMs(rhythm) ?? Number.NaN) / hour];
  });
  expect(lateAfter).toEqual([
    [1 / 60, 3],
    [1, 3],
    [3, 6],
    [5, 12],
    [24, 48],
    [48, 96],
    [168, 384],
    [720, 1_536],
  ]);
});

test('where months between two arrivals are usual nothing is late', () => {
  expect(lateAfterMs(rhythmOf(steady(100 * day, 12)))).toBeNull();
});

test('messages that come within half an hour are one arrival, and the newest of them is remembered', () => {
  const rhythm = rhythmOf([0, minute, 29 * minute]);
  expect(rhythm).toMatchObject({ mark: start, last: start + 29 * minute, count: 0 });
  expect(rhythmOf([30 * minute], rhythm)).toMatchObject({ mark: start + 30 * minute, count: 1 });
});

test('what is not newer than the newest message changes nothing', () => {
  const rhythm = rhythmOf([0, day, day + minute]);
  expect(rhythmOf([day + minute, day, day - hour, 0, -9 * day], rhythm)).toBe(rhythm);
});

test('a rhythm never grows, and stands in JSON as it is', () => {
  const intervals = fc.array(fc.integer({ min: -day, max: 200 * day }), { maxLength: 300 });
  fc.assert(
    fc.property(intervals, (told) => {
      let at = 0;
      const rhythm = rhythmOf([
        0,
        ...told.map((interval) => {
          at += interval;
          return at;
        }),
      ]);
      expect(readRhythm(JSON.parse(JSON.stringify(rhythm)))).toEqual(rhythm);
      expect(rhythm?.weights).toHaveLength(rhythmThresholds.buckets);
      const weight = rhythm?.weights.reduce((sum, each) => sum + each, 0);
      expect(weight).toBeLessThanOrEqual(rhythmThresholds.rememberedMs);
    }),
  );
});

test('anything that is no rhythm is none', () => {
  const rhythm = rhythmOf([0, day]);
  const others = [null, undefined, 1, 'x', [], {}, { ...rhythm, mark: null }, { ...rhythm, count: 0.5 }];
  const weights = [[], [1], Array(rhythmThresholds.buckets).fill(-1), Array(rhythmThresholds.buckets).fill('1')];
  for (const other of [...others, ...weights.map((each) => ({ ...rhythm, weights: each }))])
    expect(readRhythm(other)).toBeNull();
});

/** A year of somebody's arrivals, in milliseconds after its begin. */
type Person = (random: Random) => number[];

const some = (random: Random, least: number, most: number) => least + random() * (most - least);
const daily = (times: (date: number) => readonly number[]) =>
  Array.from({ length: 365 }, (_, date) => times(date).map((at) => date * day + at)).flat();
const hourly = (random: Random, from: number, until: number) => {
  const count = Math.floor((until - from) / hour);
  return Array.from({ length: count }, (_, n) => from + n * hour + some(random, 0, 4 * minute));
};
function apart(interval: () => number, from = 0): number[] {
  const arrivals: number[] = [];
  for (let at = from; at < 365 * day; at += interval()) arrivals.push(at);
  return arrivals;
}
const without = (arrivals: readonly number[], from: number, until: number) =>
  arrivals.filter((at) => at < from || at >= until);
const wornDay = (random: Random) => Array.from({ length: 4 }, (_, n) => (9 + 3 * n) * hour + some(random, 0, 2 * hour));

interface Expected {
  /** How often in forty years somebody is called late who then comes, at most. */
  readonly alarms: number;
  /** After how many days somebody is late who stops for good at the end of a year, at most. */
  readonly stopped: number;
}

const years = 40;

const persons: readonly (readonly [who: string, person: Person, expected: Expected])[] = [
  ['who is pulled every hour', (random) => hourly(random, 0, 365 * day), { alarms: 0, stopped: 0.2 }],
  [
    'who is pulled every hour of the day, and not at night',
    (random) => daily(() => hourly(random, some(random, 6, 9) * hour, some(random, 21, 24) * hour)),
    { alarms: 0, stopped: 1 },
  ],
  [
    'who steps on a scale some time in the morning',
    (random) => daily(() => [some(random, 5, 11) * hour]),
    { alarms: 0, stopped: 2 },
  ],
  [
    'who steps on a scale at any hour of most days',
    (random) => daily(() => (random() < 0.8 ? [some(random, 5, 23) * hour] : [])),
    { alarms: 40, stopped: 8 },
  ],
  [
    'who wears a watch at weekends',
    (random) => daily((date) => (date % 7 >= 5 ? wornDay(random) : [])),
    { alarms: 0, stopped: 16 },
  ],
  [
    'who wears a watch to work',
    (random) => daily((date) => (date % 7 < 5 ? wornDay(random) : [])),
    { alarms: 0, stopped: 8 },
  ],
  [
    'who wears a watch now and then, one to nine days apart',
    (random) => apart(() => some(random, 1, 9) * day),
    { alarms: 2, stopped: 16 },
  ],
  [
    'who wears a watch at random, every other day on average',
    (random) => apart(() => -2 * day * Math.log(1 - random())),
    { alarms: 30, stopped: 16 },
  ],
  [
    'whose device sends ten messages in a minute once a day',
    (random) => daily(() => steady(6_000, 10, some(random, 6, 10) * hour)),
    { alarms: 0, stopped: 2 },
  ],
  [
    'who is away for two weeks',
    (random) => {
      const away = some(random, 100, 200) * day;
      return without(hourly(random, 0, 365 * day), away, away + 14 * day);
    },
    { alarms: years, stopped: 0.2 },
  ],
  [
    'who goes from every hour to once a week',
    (random) => [...hourly(random, 0, 120 * day), ...apart(() => 7 * day + some(random, -6, 6) * hour, 127 * day)],
    { alarms: 2 * years, stopped: 16 },
  ],
  [
    'who goes from once a week to every hour',
    (random) => [
      ...apart(() => 7 * day + some(random, -6, 6) * hour).filter((at) => at < 180 * day),
      ...hourly(random, 180 * day, 365 * day),
    ],
    { alarms: 0, stopped: 0.2 },
  ],
];

/** How often somebody was called late who then came, and after how many days they are late if they never come again. */
function watch(arrivals: readonly number[]): { alarms: number; stopped: number } {
  let rhythm: Rhythm | null = null;
  let alarms = 0;
  for (const at of arrivals) {
    const lateAfter = lateAfterMs(rhythm);
    if (rhythm && lateAfter !== null && start + at - rhythm.last >= lateAfter) alarms += 1;
    rhythm = foldRhythm(rhythm, new Date(start + at));
  }
  return { alarms, stopped: (lateAfterMs(rhythm) ?? Number.POSITIVE_INFINITY) / day };
}

describe('is seldom called late, and late soon after stopping for good: somebody', () => {
  test.each(persons)('%s', (_, person, expected) => {
    const watched = Array.from({ length: years }, (_, year) => watch(person(mulberry32(year + 1))));
    const alarms = watched.reduce((sum, each) => sum + each.alarms, 0);
    const stopped = Math.max(...watched.map((each) => each.stopped));
    expect(alarms).toBeLessThanOrEqual(expected.alarms);
    expect(stopped).toBeLessThanOrEqual(expected.stopped);
  });
});

test('one long absence does not change what is late; the third time it is a habit', () => {
  const before = rhythmOf(steady(hour, 60 * 24));
  const after = rhythmOf([74 * day], before);
  expect(lateAfterMs(after)).toBe(lateAfterMs(before));
  expect(lateAfterMs(rhythmOf([88 * day, 102 * day], after))).toBeGreaterThan(14 * day);
});
