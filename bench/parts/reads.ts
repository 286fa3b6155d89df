import { type FilledDatabase, openFilled, type Provider } from '../data/databases.ts';
import { builtPeer, SYNCLOG } from '../measure/built-servers.ts';
import { inTurns, type Rounds } from '../measure/rounds.ts';
import { sameAnswers } from '../measure/same-answers.ts';
import { withServers } from '../measure/server-process.ts';
import type { Bench } from '../part.ts';
import { type Comparison, cpuAgainst, requestLines } from '../report/comparison.ts';
import { coldUsers, type ReadWorkload, readWorkloads } from './read-workloads.ts';

const servers = {
  Synclog: SYNCLOG,
  mercurius: builtPeer('mercurius'),
  'stock-yoga': builtPeer('stock-yoga'),
  apollo: builtPeer('apollo'),
  bare: builtPeer('bare'),
} as const;

/** Reads of newest events, R1 to R6. */
export async function measureReads(provider: Provider, { options, say, uses }: Bench): Promise<Comparison[]> {
  const rounds: Rounds = { ...options, warmUpSeconds: 4 * options.seconds };
  say(`reads, ${provider}: writing users and events`);
  const database = await openFilled(provider, [
    { from: 1, users: options.users, eventsPerUser: 200 },
    ...coldUsers(rounds),
  ]);
  uses(database);
  try {
    return await withServers(database.url, servers, async (started) => {
      const found: Comparison[] = [];
      for (const workload of await readWorkloads(database, started, options)) {
        say(`reads, ${provider}: ${workload.id} ${workload.title}`);
        found.push(await measure(workload, database, rounds));
      }
      return found;
    });
  } finally {
    await database.remove();
  }
}

async function measure(
  { id, title, contestants, connections, against, goal }: ReadWorkload,
  { provider }: FilledDatabase,
  rounds: Rounds,
): Promise<Comparison> {
  await sameAnswers(contestants);
  const outcomes = await inTurns(contestants, rounds, { connections });
  return {
    id,
    database: provider,
    title,
    lines: requestLines(outcomes),
    results: [cpuAgainst(against, outcomes, goal)],
  };
}
