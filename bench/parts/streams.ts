import { openFilled, type Provider } from '../data/databases.ts';
import { EVENTS_PER_RUN } from '../data/fill.ts';
import type { Bench } from '../part.ts';
import type { Comparison } from '../report/comparison.ts';
import { measureBacklog } from './backlog.ts';
import { measureDelivery } from './delivery.ts';
import { measureFanOut } from './fan-out.ts';
import { measureIdleStreams } from './idle-streams.ts';
import { measureReturn } from './return-of-followers.ts';
import { backlogUser, type StreamsSetup } from './streams-setup.ts';

/** Streams over WebSockets, F1 to F4. Idle streams do not depend on the database, and are measured on the first one. */
export async function measureStreams(provider: Provider, { options, say, uses }: Bench): Promise<Comparison[]> {
  const isFirst = provider === options.providers[0];
  say(`streams, ${provider}: writing users and events`);
  const database = await openFilled(provider, [
    { from: 1, users: Math.max(options.users, options.subscribers), eventsPerUser: 200 },
    { from: backlogUser, users: 1, eventsPerUser: Math.ceil(options.backlog / EVENTS_PER_RUN) * EVENTS_PER_RUN },
  ]);
  uses(database);
  const setup: StreamsSetup = { database, options };
  try {
    const found: Comparison[] = [];
    for (const [id, measure] of [
      ['F1', measureFanOut],
      ...(isFirst ? ([['F2', measureIdleStreams]] as const) : []),
      ['F3', measureDelivery],
      ['F4, one reader', measureBacklog],
      ['F4, followers', measureReturn],
    ] as const) {
      say(`streams, ${provider}: ${id}`);
      found.push(await measure(setup));
    }
    return found;
  } finally {
    await database.remove();
  }
}
