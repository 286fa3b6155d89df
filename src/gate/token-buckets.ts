import type { Taken } from '../instances/redis-buckets.ts';
import type { Clock } from '../lib/clock.ts';

/** How much may be taken at once, and how much of it comes back in a second. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Waits that are shorter are none: times are not exact beyond, in milliseconds. */
const EXACT_MS = 0.001;

interface Bucket {
  /** When the bucket will be full again, if nothing more is taken, by the clock. */
  fullAt: number;
  /** What was taken, and other instances do not know of; negative when they do not know that it was given back. */
  untold: number;
}

/** How many of the buckets are kept when they are too many: one in ten is made before all are looked at again. */
const KEPT_PART = 0.9;

/** Other instances are told when so large a part of a bucket was taken. */
const TOLD_PART = 0.1;

/**
 * A token bucket for each of many keys, all with one rate. A bucket is one number, the time at which it will be full again, so
 * that nothing has to be filled and a bucket that is full need not be kept. What costs more than a bucket
 * holds is let through when the bucket is full, and is paid off after.
 *
 * When more than `most` are not full, those that soonest would be are forgotten, and begin anew: whoever invents keys makes nobody
 * forget what was taken much of.
 */
export class TokenBuckets {
  readonly #msOfOne: number;
  readonly #windowMs: number;
  readonly #burst: number;
  readonly #clock: Clock;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();
  /** Those of which the others are to be told. */
  readonly #due = new Set<string>();

  /** @param clock in milliseconds; it must not go back */
  constructor({ burst, perSecond }: Rate, { clock, most }: { readonly clock: Clock; readonly most: number }) {
    this.#burst = burst;
    this.#msOfOne = 1_000 / perSecond;
    this.#windowMs = burst * this.#msOfOne;
    this.#clock = clock;
    this.#most = most;
  }

  /** Takes so much, or nothing. @returns 0 when it was taken, else the milliseconds after which it could be */
  take(key: string, cost: number): number {
    const waitMs = this.wait(key, cost);
    if (waitMs === 0) this.owe(key, cost);
    return waitMs;
  }

  /** Takes so much whether it is there or not. What is not is paid off before anything more can be taken. */
  owe(key: string, cost: number): void {
    const now = this.#clock();
    const bucket = this.#buckets.get(key);
    if (bucket) {
      bucket.fullAt = Math.max(bucket.fullAt, now) + cost * this.#msOfOne;
      bucket.untold += cost;
      if (bucket.untold >= this.#burst * TOLD_PART) this.#due.add(key);
    } else this.#add(key, cost, now);
  }

  /** Puts back what was taken. A bucket that is full by that is forgotten, unless others are still to be told. */
  giveBack(key: string, cost: number): void {
    const bucket = this.#buckets.get(key);
    if (!bucket) return;
    bucket.fullAt -= cost * this.#msOfOne;
    bucket.untold -= cost;
    if (bucket.untold < 0) this.#due.add(key);
    else if (bucket.fullAt - this.#clock() < EXACT_MS) this.#drop(key);
  }

  /**
   * The milliseconds after which so much could be taken; 0 for now. Nothing is taken.
   * @param spare the part of a full bucket, from 0 to 1, that is to be left then
   */
  wait(key: string, cost: number, spare = 0): number {
    return this.#waitMs(this.#buckets.get(key), cost + spare * this.#burst, this.#clock());
  }

  /** What the other instances are to be told now: of which buckets was taken what takes so many milliseconds to come
   * back? Of those that were told of more than was kept, it takes negative ones. */
  tell(): Taken[] {
    const now = this.#clock();
    const taken: Taken[] = [];
    for (const key of this.#due) {
      const bucket = this.#buckets.get(key);
      if (!bucket) continue;
      if (bucket.untold !== 0) taken.push({ key, ms: bucket.untold * this.#msOfOne });
      bucket.untold = 0;
      if (bucket.fullAt <= now) this.#buckets.delete(key);
    }
    this.#due.clear();
    return taken;
  }

  /** Hears what all instances together have taken: how many milliseconds a bucket lacks. It never gets fuller by that. */
  hear(key: string, lackingMs: number): void {
    const bucket = this.#buckets.get(key);
    if (!bucket) return;
    const fullAt = this.#clock() + lackingMs + bucket.untold * this.#msOfOne;
    bucket.fullAt = Math.max(bucket.fullAt, fullAt);
  }

  /** How many are kept. */
  get size(): number {
    return this.#buckets.size;
  }

  #waitMs(bucket: Bucket | undefined, cost: number, now: number): number {
    if (!bucket) return 0;
    const missingMs = bucket.fullAt - now;
    const waitMs = missingMs + Math.min(cost, this.#burst) * this.#msOfOne - this.#windowMs;
    return waitMs < EXACT_MS ? 0 : waitMs;
  }

  #add(key: string, cost: number, now: number): void {
    this.#buckets.set(key, { fullAt: now + cost * this.#msOfOne, untold: cost });
    if (cost >= this.#burst * TOLD_PART) this.#due.add(key);
    if (this.#buckets.size > this.#most) this.#forget(now);
  }

  /** Those that are full; and of the others, where they are too many, as many that not each further one has to look again. */
  #forget(now: number): void {
    for (const [key, { fullAt }] of this.#buckets) if (fullAt <= now) this.#drop(key);
    const excess = this.#buckets.size - Math.floor(this.#most * KEPT_PART);
    if (excess <= 0) return;
    const times = Float64Array.from(this.#buckets.values(), ({ fullAt }) => fullAt).sort();
    const last = times[excess - 1] ?? 0;
    let atLast = excess - times.indexOf(last);
    for (const [key, { fullAt }] of this.#buckets)
      if (fullAt < last || (fullAt === last && atLast-- > 0)) this.#drop(key);
  }

  #drop(key: string): void {
    this.#buckets.delete(key);
    this.#due.delete(key);
  }
}
