import type { BucketStore } from '../instances/redis-buckets.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Outage } from '../lib/outages.ts';
import type { RateLimits } from './rate-limits.ts';

/** How often instances tell each other what was taken, in milliseconds. */
const SHARE_MS = 200;
/** How often it is looked whether a store is back, in milliseconds. */
const TRY_MS = 1_000;
/** Redis does nothing else while it adds up. */
const BUCKETS_AT_ONCE = 200;

/**
 * Lets all instances of a server count on the same accounts. Each has buckets of its own, and answers by them at once. When a
 * tenth of one was taken, the others are told by a store where all is added up, and what all have taken together
 * comes back. So N instances let through at most N tenths of a bucket more than one would, and what is asked within one
 * round; that, too, is paid off after. A round asks nothing of the store while nobody has taken a tenth.
 *
 * While the store is away each instance counts by itself. What was taken meanwhile is told to nobody.
 */
export class RateSharing {
  readonly #rates: Pick<RateLimits, 'tell' | 'hear'>;
  readonly #store: BucketStore;
  readonly #outage: Outage;
  readonly #timer: NodeJS.Timeout;
  #round: Promise<void> | undefined;
  #failedAt: number | undefined;

  constructor(rates: Pick<RateLimits, 'tell' | 'hear'>, store: BucketStore, outage: Outage) {
    this.#rates = rates;
    this.#store = store;
    this.#outage = outage;
    this.#timer = setInterval(() => void this.share(), SHARE_MS).unref();
  }

  /** One round; the one that is under way, if there is one. Never rejects. */
  share(): Promise<void> {
    this.#round ??= this.#share().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#store.close();
  }

  async #share(): Promise<void> {
    const taken = this.#rates.tell();
    const isTrial = this.#failedAt !== undefined && performance.now() - this.#failedAt >= TRY_MS;
    if (taken.length === 0 && !isTrial) return;
    try {
      for (const some of taken.length === 0 ? [[]] : inPieces(taken, BUCKETS_AT_ONCE)) {
        const lacking = await this.#store.add(some);
        for (const [index, { key }] of some.entries()) this.#rates.hear(key, lacking[index] ?? 0);
      }
      this.#failedAt = undefined;
      this.#outage.works();
    } catch (error) {
      this.#failedAt = performance.now();
      this.#outage.failed(error);
    }
  }
}
