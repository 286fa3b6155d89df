import { type FilledDatabase, openFilled, type Provider } from '../data/databases.ts';
import { usageOf } from '../measure/process-usage.ts';
import { type MeasuredServer, startServer } from '../measure/server-process.ts';
import { ratios, spreadOf } from '../measure/statistics.ts';
import type { Bench } from '../part.ts';
import type { Comparison } from '../report/comparison.ts';
import { measureBill } from './bill.ts';

const USERS = 100;
const EVENTS_PER_USER = 200;
const MEGABYTE = 1_000_000;
/** Clients that repeat the largest query, and how many users it may ask for: 16 of them, twice 200 events of each. */
const MISUSERS = 4;
const LARGEST = 16;
/** A fifth client asks for much of few events: so many times for the run of each of 200, with all of its plain fields. */
const WIDEST = 30;
/** A sixth asks for types of data, of runs that have as many of them as a run may have: in turns of so many users, newest first. */
const DATA_TYPES = 200;
const MOST_TYPES = [8, 3] as const;

/** The most that p99 may be, as a multiple of idle. */
const GOAL = 3;

const event =
  '{ id cursor provider source stage status progress message timestamp recordedAt user { id firstName } run { runId status eventCount } }';

/** Q1 and Q2: what clients take from others, and what it takes to bound that. */
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
    return [await measureMisuse(database, bench), ...(await measureBill(database, bench))];
  } finally {
    await database.remove();
  }
}

/** Q1: what the smallest query of one client takes while others repeat the largest that they may ask. */
async function measureMisuse(database: FilledDatabase, { options }: Bench): Promise<Comparison> {
  const server = await startServer('src/main.ts', { DATABASE_URL: database.url });
  const figures = ['idle', 'misused'].map((who) => ({
    who,
    p50: [] as number[],
    p99: [] as number[],
    most: [] as number[],
  }));
  const largest: number[] = [];
  const resident: number[] = [];
  const client = clientOf(server, database.apiKey);
  try {
    for (let round = 0; round <= options.rounds; round += 1)
      for (const own of figures) {
        const stop = new AbortController();
        const misusers = Array.from({ length: own.who === 'idle' ? 0 : MISUSERS + 2 }, async (_, each) => {
          for (let turn = 0; !stop.signal.aborted; turn += 1) {
            const begun = performance.now();
            const query = (each < MISUSERS ? askingForMost : each === MISUSERS ? askingForWide : askingForTypes)(turn);
            await client(`${query} # ${round} ${each} ${turn}`); // not the same text, which would be kept
            if (round > 0 && each < MISUSERS) largest.push(performance.now() - begun);
          }
        });
        const times: number[] = [];
        const until = performance.now() + options.seconds * 1_000;
        for (let turn = 0; performance.now() < until; turn += 1) {
          const begun = performance.now();
          await client(`{ viewer { kind } } # ${round} ${turn}`);
          times.push(performance.now() - begun);
          if (round > 0 && own.who !== 'idle') resident.push(usageOf(server.pid).residentBytes / MEGABYTE);
        }
        stop.abort();
        await Promise.all(misusers);
        if (round === 0) continue; // the first one warms up
        times.sort((one, other) => one - other);
        own.p50.push(times[Math.floor(times.length * 0.5)] ?? 0);
        own.p99.push(times[Math.floor(times.length * 0.99)] ?? 0);
        own.most.push(times.at(-1) ?? 0);
      }
  } finally {
    await server.stop();
  }
  const [idle, misused] = figures;
  return {
    id: 'Q1',
    database: database.provider,
    title: `the smallest query, while ${MISUSERS} clients repeat the largest, one asks for much of few events, and one for types of data`,
    lines: figures.map(({ who, p50, p99, most }) => ({
      who,
      figures: { 'p50 ms': spreadOf(p50), 'p99 ms': spreadOf(p99), 'most ms': spreadOf(most) },
    })),
    results: [
      {
        of: 'p99 against idle',
        reached: ratios(misused?.p99 ?? [], idle?.p99 ?? []),
        unit: 'x',
        goal: { bound: GOAL, better: 'lower' },
      },
      { of: 'resident memory at most', reached: spreadOf([Math.max(...resident)]), unit: ' MB' },
      { of: 'the largest query itself', reached: spreadOf(largest), unit: ' ms' },
    ],
  };
}

const askingForMost = () =>
  `{ users(first: ${LARGEST}) { edges { node { a: recentSyncEvents(limit: ${EVENTS_PER_USER}) ${event} b: recentSyncEvents(limit: ${EVENTS_PER_USER}) ${event} } } } }`;

const runFields =
  'runId userId provider message progress itemsProcessed itemsTotal error primaryUserId newestPrimaryUserId windowStart windowEnd openedAt traceId milestoneStatus milestoneStatusRaw milestoneError lastEndedAt attempts failedAttempts reopened batches failedBatches itemsInserted itemsUpdated itemsLate startedAt newestStartedAt endedAt lastEventAt durationMs eventCount isTerminal health source sourceRaw stage stageRaw status statusRaw scope scopeRaw';

/** In turns of four users, which is refused by its cost, and of one, which is not. */
function askingForWide(turn: number): string {
  const runs = Array.from({ length: WIDEST }, (_, index) => `r${index}: run { ...F }`).join(' ');
  const users = turn % 2 === 0 ? 4 : 1;
  return `{ users(first: ${users}) { edges { node { recentSyncEvents(limit: ${EVENTS_PER_USER}) { ${runs} } } } } } fragment F on SyncRun { ${runFields} }`;
}

/** In turns of so many that are refused once they are found, and of fewer, which are not. */
const askingForTypes = (turn: number) =>
  `{ users(first: ${MOST_TYPES[turn % 2]}) { edges { node { syncRuns(first: 24) { edges { node { dataTypes { dataType status state itemsInserted attempts error } } } } } } } }`;

/** Asks, and reads the answer to its end. @throws for an answer with errors of another kind than time */
function clientOf({ url }: MeasuredServer, apiKey: string): (query: string) => Promise<void> {
  return async (query) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    const text = Buffer.from(await response.arrayBuffer()).toString('latin1', 0, 400);
    if (text.includes('LIMIT_EXCEEDED')) return; // one that has waited too long for its turn
    if (!response.ok || text.includes('"errors"')) throw new Error(`${url} answers ${response.status}: ${text}`);
  };
}
