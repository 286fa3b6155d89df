import { between, pick, type Random } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { countedRun } from './counted-run.ts';
import { garminActivity, garminWellness } from './garmin.ts';
import { garminBackfill } from './garmin-backfill.ts';
import { pull } from './pull.ts';
import { pulledProviders } from './pulled-counts.ts';
import type { Scenario } from './scenario.ts';
import { sdkBatch, sdkProviders } from './sdk.ts';
import { webhook, webhookProviders } from './webhook.ts';
import { xmlImport } from './xml-import.ts';

/** Something that the live demo can let happen, and to whom. */
export interface Card {
  readonly providers: readonly string[];
  readonly state: Account['state'];
  /** Only an account that several profiles share will do. */
  readonly shared?: true;
  /** How many of these are in the deck: the frequent outweigh the odd. */
  readonly copies: number;
  /** The demo begins with these: they last, and their progress moves. */
  readonly opening?: true;
  /** In the first deck, and later seldom: a run without an end stays on everybody's screen as stalled. */
  readonly rare?: true;
  readonly play: (random: Random, account: Account) => Scenario;
}

const working = { state: 'working' } as const;
const pulled = { ...working, providers: pulledProviders } as const;
const notified = { ...working, providers: webhookProviders } as const;
const uploaded = { ...working, providers: sdkProviders } as const;
const garmin = { ...working, providers: ['garmin'] } as const;
const apple = { ...working, providers: ['apple'] } as const;

/** Every kind of run there is, so that a deck or two show them all. */
export const cards: readonly Card[] = [
  { ...pulled, copies: 2, opening: true, play: (random, account) => countedRun(random, account, 'backfill') },
  { ...uploaded, copies: 2, opening: true, play: (random, account) => countedRun(random, account, 'sdk') },
  {
    ...garmin,
    copies: 1,
    opening: true,
    play: (random, account) =>
      garminBackfill(random, account, { windows: between(random, 5, 8), outcome: 'completed' }),
  },
  {
    ...garmin,
    copies: 1,
    play: (random, account) => garminBackfill(random, account, { windows: 1, outcome: 'completed' }),
  },
  {
    ...garmin,
    copies: 1,
    play: (random, account) => garminBackfill(random, account, { windows: 3, outcome: 'cancelled' }),
  },
  {
    ...garmin,
    copies: 1,
    rare: true,
    play: (random, account) => garminBackfill(random, account, { windows: 4, outcome: 'lost' }),
  },
  {
    ...garmin,
    copies: 3,
    play: (random, account) =>
      garminWellness(random, account, pick(random, ['sleeps', 'dailies', 'hrv', 'stressDetails', 'pulseox'])),
  },
  { ...garmin, copies: 2, play: garminActivity },

  { ...pulled, copies: 6, play: (random, account) => pull(random, account, { outcome: 'data' }) },
  { ...pulled, copies: 1, shared: true, play: (random, account) => pull(random, account, { outcome: 'empty' }) },
  { ...pulled, copies: 1, shared: true, play: (random, account) => pull(random, account, { outcome: 'data' }) },
  { ...pulled, copies: 1, play: (random, account) => pull(random, account, { outcome: 'data', historicalDays: 90 }) },
  { ...pulled, copies: 1, play: (random, account) => pull(random, account, { outcome: 'partial' }) },
  { ...pulled, copies: 1, play: (random, account) => pull(random, account, { outcome: 'unreachable' }) },
  {
    ...pulled,
    copies: 1,
    play: (random, account) => pull(random, account, { outcome: 'crashed', historicalDays: 90 }),
  },
  { ...pulled, copies: 1, rare: true, play: (random, account) => pull(random, account, { outcome: 'lost' }) },
  { ...pulled, state: 'no_data', copies: 1, play: (random, account) => pull(random, account, { outcome: 'empty' }) },
  {
    ...pulled,
    state: 'token_expired',
    copies: 1,
    play: (random, account) => pull(random, account, { outcome: 'token_rejected' }),
  },

  { ...notified, copies: 5, play: (random, account) => webhook(random, account, 'data') },
  { ...notified, copies: 2, play: (random, account) => webhook(random, account, 'skipped') },
  { ...notified, copies: 1, play: (random, account) => webhook(random, account, 'failed') },

  { ...uploaded, copies: 2, play: (random, account) => sdkBatch(random, account, 'saved') },
  { ...uploaded, copies: 1, play: (random, account) => sdkBatch(random, account, 'rejected') },
  { ...apple, copies: 1, play: (random, account) => xmlImport(random, account, 'imported') },
  { ...apple, copies: 1, play: (random, account) => xmlImport(random, account, 'broken') },
];

/** Whether this can happen on the account. */
export function suits(card: Card, account: Account): boolean {
  return (
    card.providers.includes(account.provider) &&
    card.state === account.state &&
    (card.shared === undefined || account.linkedUserIds.length > 0)
  );
}
