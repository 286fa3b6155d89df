import { openFilled, type Provider } from '../data/databases.ts';
import { EVENTS_PER_RUN, type Population } from '../data/fill.ts';
import { SYNCLOG } from '../measure/built-servers.ts';
import { type Contestant, inTurns, type Outcome, type Rounds } from '../measure/rounds.ts';
import { type MeasuredServer, startServer } from '../measure/server-process.ts';
import { ratios, spreadOf } from '../measure/statistics.ts';
import type { Bench } from '../part.ts';
import type { Comparison } from '../report/comparison.ts';
import { type Reader, scaleWorkloads } from './scale-workloads.ts';

/** Events of the small world. */
const SMALL = 200_000;
const EVENTS_PER_USER = 200;
/** The share of all events that one user has. */
const SHARE_OF_ONE = 0.1;
/** The number of that user; the others are numbered from 1. */
const LONG_LOG_USER = 800_001;
/** The most that an answer may take in the large world, as a multiple of the small one. */
const GOAL = 1.2;

/** S1: what reads cost in a large world against a small one, Synclog alone. */
export async function measureScale(provider: Provider, { options, say, uses }: Bench): Promise<Comparison[]> {
  const rounds: Rounds = { ...options, warmUpSeconds: options.seconds };
  const large = options.millions * 1_000_000;
  const opened: { stop(): Promise<void> }[] = [];
  const openWorld = async (name: string, events: number): Promise<World> => {
    say(`scale, ${provider}: writing ${events.toLocaleString('en')} events`);
    const database = await openFilled(provider, population(events));
    opened.push({ stop: () => database.remove() });
    uses(database);
    const server = await startServer(SYNCLOG, { DATABASE_URL: database.url });
    opened.push(server);
    return { name, server, apiKey: database.apiKey, users: usersOf(events), longLogUser: LONG_LOG_USER };
  };
  try {
    const worlds = [await openWorld('small', Math.min(SMALL, large)), await openWorld('large', large)];
    const found: Comparison[] = [];
    for (const { title, shots } of scaleWorkloads) {
      say(`scale, ${provider}: ${title}`);
      const contestants = worlds.map(
        (world): Contestant => ({
          name: world.name,
          url: world.server.url,
          pid: world.server.pid,
          warmUp: shots(world),
        }),
      );
      // One at a time: in Postgres most of what grows is not the server's CPU, but it is in the time.
      found.push(compared(title, provider, options.millions, await inTurns(contestants, rounds, { connections: 1 })));
    }
    return found;
  } finally {
    for (const each of opened.toReversed()) await each.stop();
  }
}

interface World extends Reader {
  readonly name: string;
  readonly server: MeasuredServer;
}

const usersOf = (events: number) => Math.ceil((events * (1 - SHARE_OF_ONE)) / EVENTS_PER_USER);

function population(events: number): Population[] {
  const long = Math.ceil((events * SHARE_OF_ONE) / EVENTS_PER_RUN) * EVENTS_PER_RUN;
  return [
    { from: 1, users: usersOf(events), eventsPerUser: EVENTS_PER_USER },
    { from: LONG_LOG_USER, users: 1, eventsPerUser: long },
  ];
}

function compared(title: string, provider: Provider, millions: number, outcomes: readonly Outcome[]): Comparison {
  const [small, large] = outcomes;
  return {
    id: 'S1',
    database: provider,
    title: `${title}, at ${millions} million events`,
    lines: outcomes.map(({ name, cpuMicros, p50Ms, p99Ms }) => ({
      who: name,
      figures: { 'p50 ms': spreadOf(p50Ms), 'p99 ms': spreadOf(p99Ms), 'CPU µs/request': spreadOf(cpuMicros) },
    })),
    results: [
      {
        of: 'p50 against the small world',
        reached: ratios(large?.p50Ms ?? [], small?.p50Ms ?? []),
        unit: 'x',
        goal: { bound: GOAL, better: 'lower' },
      },
    ],
  };
}
