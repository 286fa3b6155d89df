import { between, hex, type Random } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { garminActivity, garminWellness } from './garmin.ts';
import { garminBackfill } from './garmin-backfill.ts';
import { type PullOutcome, pull } from './pull.ts';
import { pulledProviders } from './pulled-counts.ts';
import { delayed, type Scenario } from './scenario.ts';
import { sdkBatch, sdkProviders } from './sdk.ts';
import { webhook, webhookProviders } from './webhook.ts';
import { xmlImport } from './xml-import.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** In milliseconds since 1970. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

interface Appointment {
  readonly startsAt: number;
  readonly scenario: Scenario;
}

/** An expired token was good, and a provider that fell silent was heard, until so long before the end. */
const tokenExpiredFor = 4 * day;
const silentFor = 2 * day;

/** All that happens on a person's accounts in this time, in no order. The first syncs of history are at its start. */
export function routineOf(random: Random, accounts: readonly Account[], period: Period): Appointment[] {
  const connectedAt = period.from + between(random, 0, 3 * hour);
  const since: Period = { from: connectedAt + hour, to: period.to };
  return [
    ...accounts.flatMap((account, position) =>
      firstSyncs(random, account).map((scenario) => ({ startsAt: connectedAt + position * 3 * minute, scenario })),
    ),
    ...pullRounds(random, accounts, since),
    ...accounts.flatMap((account) => pushesAndUploads(random, account, since)),
    ...accounts.flatMap((account) => troubles(random, account, period.to)),
  ];
}

/** What connecting a provider sets off. */
function firstSyncs(random: Random, account: Account): Scenario[] {
  const { provider, state } = account;
  if (state === 'new') return [];
  if (provider === 'garmin') return [garminBackfill(random, account, { windows: 1, outcome: 'completed' })];
  if (provider === 'apple') {
    // The first file is damaged, the second attempt goes well.
    return [[...xmlImport(random, account, 'broken'), ...delayed(4 * minute, xmlImport(random, account, 'imported'))]];
  }
  if (!pulledProviders.includes(provider)) return [];
  return [pull(random, account, { outcome: state === 'no_data' ? 'empty' : 'data', historicalDays: 90 })];
}

/**
 * The pulls of one worker task: provider after provider. Every four hours, and hourly in the last day, where people
 * look; hourly throughout would make a history of tens of thousands of events.
 */
function pullRounds(random: Random, accounts: readonly Account[], { from, to }: Period): Appointment[] {
  const pulled = accounts.filter(({ provider }) => pulledProviders.includes(provider));
  const rounds: Appointment[] = [];
  for (let time = from; time < to; time += to - time > day + 4 * hour ? 4 * hour : hour) {
    const traceId = hex(random, 8);
    const scenario = pulled
      .filter((account) => isPulled(account, to - time))
      .flatMap((account) =>
        delayed(
          between(random, 200, 1_500),
          pull(random, account, { outcome: outcomeOf(random, account, to - time), traceId }),
        ),
      );
    rounds.push({ startsAt: time + between(random, 0, 20_000), scenario });
  }
  return rounds;
}

function isPulled({ state }: Account, ageMs: number): boolean {
  return state !== 'new' && !(state === 'silent' && ageMs < silentFor);
}

function outcomeOf(random: Random, { state }: Account, ageMs: number): PullOutcome {
  if (state === 'no_data') return 'empty';
  if (state === 'token_expired' && ageMs < tokenExpiredFor) return 'token_rejected';
  const chance = random();
  if (chance < 0.01) return 'crashed';
  if (chance < 0.03) return 'unreachable';
  if (chance < 0.07) return 'partial';
  return chance < 0.25 ? 'empty' : 'data';
}

/** What comes by itself: pushes and uploads, at hours at which people wear, move and charge their devices. */
function pushesAndUploads(random: Random, account: Account, { from, to }: Period): Appointment[] {
  const { provider } = account;
  const appointments: Appointment[] = [];
  for (let midnight = from - (from % day); midnight < to; midnight += day) {
    const during: Clock = (firstHour, lastHour) => midnight + between(random, firstHour * hour, lastHour * hour);
    if (provider === 'garmin') appointments.push(...garminDay(random, account, during));
    if (webhookProviders.includes(provider)) appointments.push(...webhookDay(random, account, during));
    if (sdkProviders.includes(provider)) appointments.push(...uploadDay(random, account, during));
  }
  return appointments.filter(({ startsAt }) => startsAt >= from);
}

/** Some time of a day between these hours of it. */
type Clock = (firstHour: number, lastHour: number) => number;

function garminDay(random: Random, account: Account, during: Clock): Appointment[] {
  const pushes: Appointment[] = [
    { startsAt: during(6, 9), scenario: garminWellness(random, account, 'sleeps') },
    { startsAt: during(6, 9), scenario: garminWellness(random, account, 'hrv') },
    { startsAt: during(11, 14), scenario: garminWellness(random, account, 'dailies') },
    { startsAt: during(15, 18), scenario: garminWellness(random, account, 'stressDetails') },
    { startsAt: during(20, 23), scenario: garminWellness(random, account, 'dailies') },
  ];
  if (random() < 0.6) pushes.push({ startsAt: during(7, 20), scenario: garminActivity(random, account) });
  return pushes;
}

function webhookDay(random: Random, account: Account, during: Clock): Appointment[] {
  return Array.from({ length: between(random, 1, 4) }, () => {
    const chance = random();
    const outcome = chance < 0.04 ? 'failed' : chance < 0.18 ? 'skipped' : 'data';
    return { startsAt: during(6, 23), scenario: webhook(random, account, outcome) };
  });
}

function uploadDay(random: Random, account: Account, during: Clock): Appointment[] {
  return Array.from({ length: between(random, 1, 3) }, () => ({
    startsAt: during(7, 23),
    scenario: sdkBatch(random, account, random() < 0.06 ? 'rejected' : 'saved'),
  }));
}

/** What went wrong once, recently enough to be found near the top. */
function troubles(random: Random, account: Account, now: number): Appointment[] {
  if (account.state === 'new')
    return [{ startsAt: now - hour, scenario: pull(random, account, { outcome: 'crashed', historicalDays: 90 }) }];
  if (account.provider !== 'garmin') return [];
  switch (account.person.trouble?.kind) {
    case 'lost_backfill':
      return [{ startsAt: now - 5 * hour, scenario: garminBackfill(random, account, { windows: 4, outcome: 'lost' }) }];
    case 'cancelled_backfill':
      return [
        { startsAt: now - 9 * hour, scenario: garminBackfill(random, account, { windows: 3, outcome: 'cancelled' }) },
      ];
    default:
      return [];
  }
}
