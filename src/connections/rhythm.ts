import { isObject } from '../lib/json.ts';

const hour = 3_600_000;
const day = 24 * hour;

/** Every threshold by which a rhythm is learnt and something is late. Times are in milliseconds. */
export const rhythmThresholds = {
  /** What comes sooner than this belongs to the same arrival: a device delivers one night in many messages; a pull comes hourly. */
  sameArrivalMs: hour / 2,
  /** The longest interval of the first bucket; that of each further one is twice as long. Two hourly pulls may be missed. */
  firstBucketMs: 2 * hour,
  /** The last bucket is for all that is longer than 85 days. */
  buckets: 12,
  /**
   * An interval weighs as much as it lasts, and at most this: the rhythm of one moment is the wait that it lies in, however
   * many messages came in an hour, and yet a holiday is no habit. One interval alone is never more than 3 % of what is
   * remembered of a settled rhythm (18 hours of 28 days); the second or third like it is a new habit.
   */
  heaviestMs: 18 * hour,
  /** Once all intervals together weigh more than eight weeks, each counts half: old habits fade. */
  rememberedMs: 56 * day,
  /** Fewer intervals than this are no rhythm. */
  leastIntervals: 5,
  /** A week has all kinds of days. */
  leastMs: 7 * day,
  /** Of the weight of all intervals, this much lies in those that are not unusually long. */
  usualShare: 0.97,
  /** By how much the longest usual interval may be exceeded: who delivers at another time of the day is not late. */
  patience: 1.5,
} as const;

/** When something arrives, as its own history tells. It never takes more room, and can be kept as JSON. Times are ms since 1970. */
export interface Rhythm {
  /** The first arrival. */
  readonly since: number;
  /** The arrival from which the next interval is measured. */
  readonly mark: number;
  /** The newest message, which may belong to the arrival at the mark. */
  readonly last: number;
  /** Intervals that there were. */
  readonly count: number;
  /** How much the intervals of each bucket weigh, in milliseconds. */
  readonly weights: readonly number[];
}

/** A rhythm that was kept as JSON; null, which is none yet, for anything else: an earlier release kept nothing. */
export function readRhythm(json: unknown): Rhythm | null {
  if (!isObject(json)) return null;
  const { since, mark, last, count, weights } = json;
  const isRhythm =
    [since, mark, last, count].every(Number.isSafeInteger) &&
    Array.isArray(weights) &&
    weights.length === rhythmThresholds.buckets &&
    weights.every((weight) => Number.isSafeInteger(weight) && weight >= 0);
  // Each field was just looked at.
  return isRhythm ? ({ since, mark, last, count, weights } as Rhythm) : null;
}

/** A rhythm after one more arrival. Times only move forward: an arrival that is older than the newest one changes nothing. */
export function foldRhythm(rhythm: Rhythm | null, arrival: Date): Rhythm {
  const { sameArrivalMs, buckets, heaviestMs } = rhythmThresholds;
  const at = arrival.getTime();
  if (!rhythm) return { since: at, mark: at, last: at, count: 0, weights: Array.from({ length: buckets }, () => 0) };
  if (at <= rhythm.last) return rhythm;
  const interval = at - rhythm.mark;
  if (interval < sameArrivalMs) return { ...rhythm, last: at };
  const bucket = bucketOf(interval);
  const weights = rhythm.weights.map((weight, index) =>
    index === bucket ? weight + Math.min(interval, heaviestMs) : weight,
  );
  return { since: rhythm.since, mark: at, last: at, count: rhythm.count + 1, weights: faded(weights) };
}

/**
 * How long after the last message something is late, by the rhythm's own measure: longer than nearly all of the time is
 * waited. Null where the rhythm is not known yet, and where months between two arrivals are usual: then nothing is late.
 */
export function lateAfterMs(rhythm: Rhythm | null): number | null {
  const { leastIntervals, leastMs, usualShare, patience } = rhythmThresholds;
  if (!rhythm || rhythm.count < leastIntervals || rhythm.mark - rhythm.since < leastMs) return null;
  const usual = usualShare * sum(rhythm.weights);
  let weight = 0;
  const bucket = rhythm.weights.findIndex((each) => {
    weight += each;
    return weight >= usual;
  });
  return isLongest(bucket) ? null : patience * longestOf(bucket);
}

function bucketOf(interval: number): number {
  let bucket = 0;
  while (!isLongest(bucket) && interval > longestOf(bucket)) bucket += 1;
  return bucket;
}

function longestOf(bucket: number): number {
  return rhythmThresholds.firstBucketMs * 2 ** bucket;
}

function isLongest(bucket: number): boolean {
  return bucket === rhythmThresholds.buckets - 1;
}

/** Whole milliseconds, so that the same arrivals make the same rhythm on every machine. */
function faded(weights: readonly number[]): readonly number[] {
  return sum(weights) > rhythmThresholds.rememberedMs ? weights.map((weight) => Math.floor(weight / 2)) : weights;
}

function sum(weights: readonly number[]): number {
  return weights.reduce((total, weight) => total + weight, 0);
}
