import { setTimeout as pause } from 'node:timers/promises';
import { clientOf, startMisuser } from '../clients/misuser.ts';
import { type FilledDatabase, openFilled, type Provider } from '../data/databases.ts';
import { usageOf } from '../measure/process-usage.ts';
import { ALL_CORES, startServer } from '../measure/server-process.ts';
import { percentile, ratios, spreadOf } from '../measure/statistics.ts';
import type { Bench } from '../part.ts';
import type { Comparison } from '../report/comparison.ts';
import { measureBill } from './bill.ts';

const USERS = 100;
const EVENTS_PER_USER = 200;
const MEGABYTE = 1_000_000;
/** How many times at once the misuser asks its largest query, and of how many users: of 16, twice 200 events of each. */
const AT_ONCE = 4;
const LARGEST = 16;
/** It asks for much of few events as well: so many times for the run of each of 200, with all of its plain fields. */
const WIDEST = 30;
/** And for types of data, of runs that have as many of them as a run may have: in turns of so many users, newest first. */
const DATA_TYPES = 200;
const MOST_TYPES = [8, 3] as const;

/** How often the other client asks, and how many times the usual length a round has, so that 1 % of its answers are several. */
const INTERVAL_MS = 20;
const ROUND = 5;

/** What a server lets a client do. */
interface Allowance {
  readonly id: string;
  readonly text: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** The most that p99 may be, as a multiple of idle. */
const GOAL = 3;

const allowances: readonly Allowance[] = [
  {
    id: 'Q1',
    text: 'does all that a server lets it do, and does not heed that it asks too often',
    settings: { RATE_LIMITS: '1', LOAD_SHEDDING: 'on' },
  },
  { id: 'Q3', text: 'does the same without a limit of how often, as many clients together may', settings: {} },
];

const event =
  '{ id cursor provider source stage status progress message timestamp recordedAt user { id firstName } run { runId status eventCount } }';

/** Q1 to Q3: what clients take from others, and what it takes to bound that. */
export async function measureFairness(provider: Provider, bench: Bench): Promise<Comparison[]> {
  bench.say(`fairness, ${provider}`);
  const database = await openFilled(provider, [
    { from: 1, users: USERS - MOST_TYPES[0], eventsPerUser: EVENTS_PER_USER },
    {
      from: USERS - MOST_TYPES[0] + 1,
      users: MOST_TYPES[0],
      eventsPerUser: EVENTS_PER_USER,
      dataTypesPerRun: DATA_TYPES,
    },
  ]);
  bench.uses(database);
  try {
    const comparisons: Comparison[] = [];
    for (const allowance of allowances) comparisons.push(await measureMisuse(database, bench, allowance));
    return [...comparisons, ...(await measureBill(database, bench))];
  } finally {
    await database.remove();
  }
}

/** How one small query after another was answered, in milliseconds. */
class Answers {
  readonly p50: number[] = [];
  readonly p99: number[] = [];
  readonly most: number[] = [];

  /** Adds a round. */
  add(times: readonly number[]): void {
    this.p50.push(percentile(times, 50));
    this.p99.push(percentile(times, 99));
    this.most.push(percentile(times, 100));
  }

  lineOf(who: string) {
    const figures = { 'p50 ms': spreadOf(this.p50), 'p99 ms': spreadOf(this.p99), 'most ms': spreadOf(this.most) };
    return { who, figures };
  }
}

/** Q1 and Q3: what the smallest query of one client takes while another one does all that a server lets it do. */
async function measureMisuse(database: FilledDatabase, { options }: Bench, allowance: Allowance): Promise<Comparison> {
  const settings = { DATABASE_URL: database.url, ...allowance.settings };
  const server = await startServer('src/main.ts', settings, ALL_CORES);
  const idle = new Answers();
  const misused = new Answers();
  const largest: number[] = [];
  const seconds = ROUND * options.seconds;
  const ask = clientOf({ url: server.url, apiKey: await database.createApiKey() });
  const misuser = startMisuser({ url: server.url, apiKey: database.apiKey, queries: misuses });
  let resident = 0;
  try {
    for (let round = 0; round <= options.rounds; round += 1) {
      const alone = await smallQueries(ask, seconds);
      misuser.begin();
      const beside = await smallQueries(ask, seconds);
      resident = Math.max(resident, usageOf(server.pid).residentBytes / MEGABYTE);
      const took = await misuser.end();
      if (round === 0) continue; // the first one warms up
      idle.add(alone);
      misused.add(beside);
      largest.push(...took.slice(0, AT_ONCE).flat());
    }
  } finally {
    misuser.stop();
    await server.stop();
  }
  return {
    id: allowance.id,
    database: database.provider,
    title: `the smallest query each ${INTERVAL_MS} ms, while another client ${allowance.text}`,
    lines: [idle.lineOf('idle'), misused.lineOf('misused')],
    results: [
      {
        of: 'p99 against idle',
        reached: ratios(misused.p99, idle.p99),
        unit: 'x',
        goal: { bound: GOAL, better: 'lower' },
      },
      { of: 'resident memory', reached: spreadOf([resident]), unit: ' MB' },
      { of: 'the largest query itself', reached: spreadOf(largest), unit: ' ms' },
    ],
  };
}

/**
 * Asks at a steady rate, whatever the answers take, and counts from when each was due: who waits for one answer before it asks
 * again sees little of a server that stands still.
 * @returns how long each took in milliseconds
 */
async function smallQueries(ask: (query: string) => Promise<boolean>, seconds: number): Promise<number[]> {
  const begun = performance.now();
  const times: Promise<number>[] = [];
  for (let due = begun; due < begun + seconds * 1_000; due += INTERVAL_MS) {
    const early = due - performance.now();
    if (early > 0) await pause(early);
    const answered = ask(`{ viewer { kind } } # ${due}`).then((isAnswered) => {
      if (!isAnswered) throw new Error('The other client is refused');
      return performance.now() - due;
    });
    answered.catch(() => {}); // all are awaited below
    times.push(answered);
  }
  return await Promise.all(times);
}

const most = `{ users(first: ${LARGEST}) { edges { node { a: recentSyncEvents(limit: ${EVENTS_PER_USER}) ${event} b: recentSyncEvents(limit: ${EVENTS_PER_USER}) ${event} } } } }`;

const runFields =
  'runId userId provider message progress itemsProcessed itemsTotal error primaryUserId newestPrimaryUserId windowStart windowEnd openedAt traceId milestoneStatus milestoneStatusRaw milestoneError lastEndedAt attempts failedAttempts reopened batches failedBatches itemsInserted itemsUpdated itemsLate startedAt newestStartedAt endedAt lastEventAt durationMs eventCount isTerminal health source sourceRaw stage stageRaw status statusRaw scope scopeRaw';

/** Of four users, which is refused by its cost, and of one, which is not. */
const wide = [4, 1].map((users) => {
  const runs = Array.from({ length: WIDEST }, (_, index) => `r${index}: run { ...F }`).join(' ');
  return `{ users(first: ${users}) { edges { node { recentSyncEvents(limit: ${EVENTS_PER_USER}) { ${runs} } } } } } fragment F on SyncRun { ${runFields} }`;
});

/** Of so many that are refused once they are found, and of fewer, which are not. */
const types = MOST_TYPES.map(
  (users) =>
    `{ users(first: ${users}) { edges { node { syncRuns(first: 24) { edges { node { dataTypes { dataType status state itemsInserted attempts error } } } } } } } }`,
);

const misuses = [...Array.from({ length: AT_ONCE }, () => [most]), wide, types];
