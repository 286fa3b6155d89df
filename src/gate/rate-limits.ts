import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Spending } from '../graphql/context.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';
import { accountOf } from './clients.ts';
import { TokenBuckets } from './token-buckets.ts';

/** Where a request has come in, for who counts refusals. */
export type Door = 'graphql' | 'websocket' | 'rest' | 'pages' | 'webhook';

/** Each kind of bucket: its rate among the limits, and what is said to who has emptied one. */
const kinds = {
  service: { rate: 'serviceRate', says: 'This credential asks for more than its share' },
  user: { rate: 'userRate', says: 'This user asks for more than their share' },
  anonymous: { rate: 'anonymousRate', says: 'Too much is asked from this address without a credential' },
  credentials: { rate: 'failedCredentialRate', says: 'Too many credentials from this address were refused' },
} as const satisfies Record<string, { readonly rate: keyof Limits; readonly says: string }>;

export type RateKind = keyof typeof kinds;

interface RateLimitsOptions {
  readonly limits: Limits;
  /** In milliseconds; it must not go back. */
  readonly clock: Clock;
  /** All rates, bursts as well, are multiplied by it; 0 for no rate limits at all. */
  readonly factor: number;
}

/** How often each door has refused something, by the kind of limit. */
export interface Refusals {
  readonly door: Door;
  readonly kind: string;
  readonly count: number;
}

/**
 * How much each account may ask of the server, on all doors together. What is asked is charged by its cost before it is
 * done: 1 for each request, each socket and each operation on one, and 1 more for each `itemsOfOneCharge` list items that an
 * operation may ask for. What is refused costs nothing.
 */
export class RateLimits {
  readonly #options: RateLimitsOptions;
  readonly #buckets = new Map<RateKind, TokenBuckets>();
  readonly #refusals = new Map<string, { door: Door; kind: RateKind; count: number }>();

  constructor(options: RateLimitsOptions) {
    this.#options = options;
    const { limits, clock, factor } = options;
    for (const kind of Object.keys(kinds) as RateKind[]) {
      const { burst, perSecond } = limits[kinds[kind].rate];
      const rate = { burst: burst * factor, perSecond: perSecond * factor };
      this.#buckets.set(kind, new TokenBuckets(rate, { clock, most: limits.countedAccounts }));
    }
  }

  /** What this viewer spends from now on, with one request or on one socket. */
  spendingOf(viewer: Viewer, address: string, door: Door): Spending {
    const kind = kindOf(viewer);
    const account = accountOf(viewer, address);
    const { itemsOfOneCharge } = this.#options.limits;
    return {
      request: () => this.take(kind, account, 1, door),
      items: (count) => {
        if (count > 0) this.take(kind, account, count / itemsOfOneCharge, door);
      },
    };
  }

  /** Charges an account. @throws AppError RATE_LIMITED, when nothing was charged */
  take(kind: RateKind, account: string, cost: number, door: Door): void {
    if (this.#options.factor === 0) return;
    const waitMs = this.#buckets.get(kind)?.take(account, cost) ?? 0;
    if (waitMs > 0) this.#refuse(kind, waitMs, door);
  }

  /** Is there nothing left for an account? @throws AppError RATE_LIMITED */
  check(kind: RateKind, account: string, door: Door): void {
    if (this.#options.factor === 0) return;
    const waitMs = this.#buckets.get(kind)?.wait(account, 1) ?? 0;
    if (waitMs > 0) this.#refuse(kind, waitMs, door);
  }

  /** What was refused since the process began. */
  get refusals(): readonly Refusals[] {
    return [...this.#refusals.values()];
  }

  #refuse(kind: RateKind, waitMs: number, door: Door): never {
    const key = `${door} ${kind}`;
    const refusals = this.#refusals.get(key) ?? { door, kind, count: 0 };
    refusals.count += 1;
    this.#refusals.set(key, refusals);
    const retryAfter = Math.ceil(waitMs / 1_000);
    throw new AppError('RATE_LIMITED', `${kinds[kind].says}; try again in ${retryAfter} s`, { retryAfter });
  }
}

function kindOf({ kind }: Viewer): RateKind {
  return kind === 'developer' ? 'service' : kind;
}
