import { type FilledDatabase, openFilled, type Provider } from '../data/databases.ts';
import { builtPeer, SYNCLOG } from '../measure/built-servers.ts';
import { type Contestant, inTurns, type Outcome, type Rounds } from '../measure/rounds.ts';
import { type MeasuredServer, serverOf, withServers } from '../measure/server-process.ts';
import { ratios, spreadOf } from '../measure/statistics.ts';
import type { Bench } from '../part.ts';
import type { Comparison } from '../report/comparison.ts';
import { draftsOf, insertShot, recordingShot } from './recordings.ts';
import { samePromises } from './same-promises.ts';

const PEER = 'insert-server';
const servers = { Synclog: SYNCLOG, [PEER]: builtPeer(PEER) };

interface WriteWorkload {
  readonly id: string;
  readonly title: string;
  readonly eventsPerRequest: number;
  readonly connections: number;
  /** Requests that are not measured. */
  readonly warmUp: number;
  /** The least share of the peer's events a second. */
  readonly goal: number;
}

const workloads: readonly WriteWorkload[] = [
  { id: 'W1', title: 'batches of 100, 4 at once', eventsPerRequest: 100, connections: 4, warmUp: 80, goal: 0.7 },
  { id: 'W2', title: 'single events, 64 at once', eventsPerRequest: 1, connections: 64, warmUp: 800, goal: 0.8 },
];
/** The most that Synclog's CPU for an event may be, as a multiple of the peer's. */
const CPU_GOAL = 1.6;

/** Recording, W1 and W2, against a server that promises the same without GraphQL. */
export async function measureWrites(provider: Provider, { options, say, uses }: Bench): Promise<Comparison[]> {
  const rounds: Rounds = { ...options, warmUpSeconds: options.seconds };
  say(`writes, ${provider}: writing users`);
  const database = await openFilled(provider, [{ from: 1, users: options.users, eventsPerUser: 8 }]);
  uses(database);
  try {
    return await withServers(database.url, servers, async (started) => {
      await samePromises(database, { synclog: serverOf(started, 'Synclog'), peer: serverOf(started, PEER) });
      const found: Comparison[] = [];
      for (const workload of workloads) {
        say(`writes, ${provider}: ${workload.id} ${workload.title}`);
        const contestants = contestantsOf(workload, database, started, options.users);
        found.push(compared(workload, database, await inTurns(contestants, rounds, workload)));
      }
      return found;
    });
  } finally {
    await database.remove();
  }
}

function contestantsOf(
  { eventsPerRequest, warmUp }: WriteWorkload,
  { apiKey }: FilledDatabase,
  started: ReadonlyMap<string, MeasuredServer>,
  users: number,
): Contestant[] {
  return Object.keys(servers).map((name) => {
    const { url, pid } = serverOf(started, name);
    const shots = (requests: number) =>
      Array.from({ length: requests }, () => {
        const drafts = draftsOf(eventsPerRequest, users);
        return name === PEER ? insertShot(drafts) : recordingShot(drafts, apiKey);
      });
    return { name, url, pid, warmUp: shots(warmUp), warmUpOnce: true, fresh: (_, amount) => shots(amount) };
  });
}

function compared(
  { id, title, eventsPerRequest, goal }: WriteWorkload,
  { provider }: FilledDatabase,
  outcomes: readonly Outcome[],
): Comparison {
  const rateOf = (wanted: string) => outcomes.find(({ name }) => name === wanted)?.perSecond ?? [];
  const cpuOf = (wanted: string) => outcomes.find(({ name }) => name === wanted)?.cpuMicros ?? [];
  return {
    id,
    database: provider,
    title,
    lines: outcomes.map(({ name, cpuMicros, perSecond, p99Ms, residentBytes }) => ({
      who: name,
      figures: {
        'events/s': spreadOf(perSecond.map((requests) => requests * eventsPerRequest)),
        'CPU µs/event': spreadOf(cpuMicros.map((micros) => micros / eventsPerRequest)),
        'p99 ms of a request': spreadOf(p99Ms),
        'RSS MB': spreadOf(residentBytes.map((bytes) => bytes / 1e6)),
      },
    })),
    results: [
      {
        of: `events/s against ${PEER} (higher is better)`,
        reached: ratios(rateOf('Synclog'), rateOf(PEER)),
        unit: 'x',
        goal: { bound: goal, better: 'higher' },
      },
      {
        of: `CPU per event against ${PEER}`,
        reached: ratios(cpuOf('Synclog'), cpuOf(PEER)),
        unit: 'x',
        goal: { bound: CPU_GOAL, better: 'lower' },
      },
    ],
  };
}
