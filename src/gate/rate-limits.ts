import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Spending } from '../graphql/context.ts';
import type { Taken } from '../instances/redis-buckets.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';
import type { EventDraft } from '../log/event.ts';
import { bytesOf } from '../log/record/draft-bytes.ts';
import { accountOf } from './clients.ts';
import type { Deferrable, Pressure } from './pressure.ts';
import { type Rate, TokenBuckets } from './token-buckets.ts';

/** Where a request has come in, for who counts refusals. */
export type Door = 'graphql' | 'websocket' | 'rest' | 'pages' | 'webhook';

/** Each kind of bucket, and what is said to who has emptied one. */
const says = {
  service: 'This credential asks for more than its share',
  user: 'This user asks for more than their share',
  anonymous: 'Too much is asked from this address without a credential',
  credentials: 'Too many credentials from this address were refused',
  recording: 'This credential records more than its share',
  user_events: 'More events of this user were recorded than its daily quota allows',
  user_bytes: 'More of this user was recorded than its daily quota of bytes allows',
  deliveries: 'Too many deliveries',
} as const;

export type RateKind = keyof typeof says;

const kindNames = Object.keys(says) as readonly RateKind[];

/** After how many seconds it is worth while to ask again for what was put off. */
const DEFERRED_SECONDS = 1;

/** The part of a bucket that what can wait leaves for the rest. */
const SPARE_PART = 0.5;

const KIB = 1_024;
const DAY_SECONDS = 86_400;

interface RateLimitsOptions {
  readonly limits: Limits;
  /** Undefined: nothing is put off. */
  readonly pressure: Pressure | undefined;
  /** In milliseconds; it must not go back. */
  readonly clock: Clock;
  /** All rates, bursts as well, are multiplied by it; 0 for no rate limits at all. */
  readonly factor: number;
  /** What clients may record of one user in a day. */
  readonly userQuota: { readonly events: number; readonly bytes: number };
}

/** How often each door has refused something, by the kind of limit. */
export interface Refusals {
  readonly door: Door;
  readonly kind: RateKind | Deferrable;
  readonly count: number;
}

/** What an account records, and where. */
interface Recording {
  readonly account: string;
  readonly drafts: readonly EventDraft[];
  readonly door: Door;
}

/** What is to be taken out of one bucket. */
interface Charge {
  readonly kind: RateKind;
  readonly key: string;
  cost: number;
}

/**
 * How much each account may ask of the server, on all doors together. What is asked is charged by its cost before it is
 * done: 1 for each request, each socket and each operation on one, and 1 more for each `itemsOfOneCharge` items that an
 * operation may ask for. Events are charged to the account that records them, and to the user whose they are. What is
 * refused costs nothing. While the server cannot keep up, it puts some of it off.
 */
export class RateLimits {
  readonly #options: RateLimitsOptions;
  readonly #buckets: Readonly<Record<RateKind, TokenBuckets>>;
  readonly #refusals = new Map<string, { door: Door; kind: RateKind | Deferrable; count: number }>();

  constructor(options: RateLimitsOptions) {
    this.#options = options;
    const { limits, clock, factor, userQuota } = options;
    const bucketsOf = ({ burst, perSecond }: Rate) =>
      new TokenBuckets(
        { burst: burst * factor, perSecond: perSecond * factor },
        { clock, most: limits.countedAccounts },
      );
    const daily = (burst: number) => bucketsOf({ burst, perSecond: burst / DAY_SECONDS });
    this.#buckets = {
      service: bucketsOf(limits.serviceRate),
      user: bucketsOf(limits.userRate),
      anonymous: bucketsOf(limits.anonymousRate),
      credentials: bucketsOf(limits.failedCredentialRate),
      recording: bucketsOf(limits.recordingRate),
      user_events: daily(userQuota.events),
      user_bytes: daily(userQuota.bytes),
      deliveries: bucketsOf(limits.webhookRate),
    };
  }

  /** What this viewer spends from now on, with one request or on one socket. */
  spendingOf(viewer: Viewer, address: string, door: Door): Spending {
    const kind = kindOf(viewer);
    const account = accountOf(viewer, address);
    const { itemsOfOneCharge, costlyItems } = this.#options.limits;
    return {
      request: () => {
        if (kind === 'anonymous') this.#defer('anonymous', door);
        this.take(kind, account, 1, door);
      },
      items: (count, before = 0) => {
        if (before + count > costlyItems) this.#defer('costly', door);
        if (count > 0) this.take(kind, account, count / itemsOfOneCharge, door);
      },
      found: (count) => {
        if (this.#options.factor > 0) this.#buckets[kind].owe(account, count / itemsOfOneCharge);
      },
      spareIn: (count) =>
        this.#options.factor === 0 ? 0 : this.#buckets[kind].wait(account, count / itemsOfOneCharge, SPARE_PART),
      stream: () => this.#defer('stream', door),
      record: (drafts, store) => this.#record({ account, drafts, door }, store),
    };
  }

  /** Charges an account. @throws AppError RATE_LIMITED, when nothing was charged */
  take(kind: RateKind, account: string, cost: number, door: Door): void {
    if (this.#options.factor === 0) return;
    const waitMs = this.#buckets[kind].take(account, cost);
    if (waitMs > 0) this.#refuse(kind, waitMs, door);
  }

  /** Looks whether so much could be taken. @throws AppError RATE_LIMITED */
  check(kind: RateKind, account: string, cost: number, door: Door): void {
    if (this.#options.factor === 0) return;
    const waitMs = this.#buckets[kind].wait(account, cost);
    if (waitMs > 0) this.#refuse(kind, waitMs, door);
  }

  /** What was refused since the process began. */
  get refusals(): readonly Refusals[] {
    return [...this.#refusals.values()];
  }

  /** What other instances are to be told now, see `TokenBuckets.tell`. */
  tell(): Taken[] {
    return kindNames.flatMap((kind) =>
      this.#buckets[kind].tell().map(({ key, ms }) => ({ key: `${kind} ${key}`, ms })),
    );
  }

  /** Hears what all instances together have taken of a bucket, under the name that `tell` gave it. */
  hear(name: string, lackingMs: number): void {
    const end = name.indexOf(' ');
    const kind = kindNames.find((each) => each === name.slice(0, end));
    if (kind) this.#buckets[kind].hear(name.slice(end + 1), lackingMs);
  }

  /** How well the server keeps up: 0 calm, 1 strained, 2 overloaded. */
  get pressure(): number {
    return this.#options.pressure?.level ?? 0;
  }

  /**
   * All is looked at before anything is taken, and taken before anything is stored, as others record meanwhile. A duplicate is
   * given back to the user, whose log has not grown, but not to the account, for which it was looked up.
   */
  async #record<R extends { readonly duplicate: boolean }>(
    { account, drafts, door }: Recording,
    store: () => Promise<readonly R[]>,
  ): Promise<readonly R[]> {
    if (this.#options.factor === 0) return store();
    const charges = chargesOf(account, drafts);
    for (const { kind, key, cost } of charges) this.check(kind, key, cost, door);
    for (const { kind, key, cost } of charges) this.#buckets[kind].take(key, cost);
    try {
      const results = await store();
      const duplicates = drafts.filter((_, index) => results[index]?.duplicate);
      this.#giveBack(chargesOf(account, duplicates).filter(({ kind }) => kind !== 'recording'));
      return results;
    } catch (error) {
      this.#giveBack(charges);
      throw error;
    }
  }

  #giveBack(charges: readonly Charge[]): void {
    for (const { kind, key, cost } of charges) this.#buckets[kind].giveBack(key, cost);
  }

  #refuse(kind: RateKind, waitMs: number, door: Door): never {
    this.#count(door, kind);
    const retryAfter = Math.ceil(waitMs / 1_000);
    throw new AppError('RATE_LIMITED', `${says[kind]}; try again in ${retryAfter} s`, { retryAfter });
  }

  /** @throws AppError UNAVAILABLE, while the server cannot keep up with what it has begun */
  #defer(what: Deferrable, door: Door): void {
    if (!this.#options.pressure?.refuses(what)) return;
    this.#count(door, what);
    throw new AppError('UNAVAILABLE', 'The server has too much to do; try again', { retryAfter: DEFERRED_SECONDS });
  }

  #count(door: Door, kind: RateKind | Deferrable): void {
    const key = `${door} ${kind}`;
    const refusals = this.#refusals.get(key) ?? { door, kind, count: 0 };
    refusals.count += 1;
    this.#refusals.set(key, refusals);
  }
}

function kindOf({ kind }: Viewer): RateKind {
  return kind === 'developer' ? 'service' : kind;
}

/** To whom a recording is charged. */
function chargesOf(account: string, drafts: readonly EventDraft[]): Charge[] {
  const recording: Charge = { kind: 'recording', key: account, cost: 0 };
  const byUser = new Map<string, readonly [events: Charge, bytes: Charge]>();
  for (const draft of drafts) {
    const bytes = bytesOf(draft);
    recording.cost += Math.max(1, bytes / KIB);
    let user = byUser.get(draft.userId);
    if (!user) {
      const key = draft.userId;
      user = [
        { kind: 'user_events', key, cost: 0 },
        { kind: 'user_bytes', key, cost: 0 },
      ];
      byUser.set(key, user);
    }
    user[0].cost += 1;
    user[1].cost += bytes;
  }
  return [recording, ...[...byUser.values()].flat()];
}
