import { synclogPublisher } from '../clients/publishers.ts';
import { openSubscribers } from '../clients/subscribers.ts';
import { synclogWire } from '../clients/wires.ts';
import { usageOf } from '../measure/process-usage.ts';
import { serverOf } from '../measure/server-process.ts';
import { spreadOf } from '../measure/statistics.ts';
import type { Comparison } from '../report/comparison.ts';
import { type StreamsSetup, withStreamServers } from './streams-setup.ts';

/** How many users they follow. */
const USERS = 100;
const GOAL = { followers: 10_000, seconds: 5 };

/**
 * F4, second half: followers who are cut at once come back with their cursors, after something was recorded meanwhile.
 * That each user's log is read at most once is nothing that time shows; tests count statements.
 */
export function measureReturn(setup: StreamsSetup): Promise<Comparison> {
  return withStreamServers(setup, ['Synclog'], async (servers) => {
    const { database, options } = setup;
    const { apiKey } = database;
    const server = serverOf(servers, 'Synclog');
    const users = Math.min(USERS, options.users);
    const userOf = (index: number) => 1 + (index % users);
    const cursors = new Map<number, string>();
    const keep = (message: Buffer, index: number) => {
      const [, cursor] = /"cursor":"(\d+)"/.exec(message.toString('latin1', 0, 200)) ?? [];
      if (cursor !== undefined) cursors.set(userOf(index), cursor);
    };
    const followers = await openSubscribers(
      synclogWire(server, apiKey, (index) => ({ user: userOf(index) })),
      options.followers,
      keep,
    );
    await followers.cut();
    const publisher = synclogPublisher(server, apiKey);
    for (const user of cursors.keys()) await publisher.newsOf(user).send();
    await publisher.close();

    const before = usageOf(server.pid).cpuMicros;
    const begun = performance.now();
    let behind = options.followers;
    let done = () => {};
    const allCaughtUp = new Promise<void>((resolve) => {
      done = resolve;
    });
    const returned = await openSubscribers(
      synclogWire(server, apiKey, (index) => ({ user: userOf(index), after: cursors.get(userOf(index)) ?? '0' })),
      options.followers,
      (message) => {
        if (!message.includes('"sequence":')) return;
        behind -= 1;
        if (behind === 0) done();
      },
    );
    await allCaughtUp;
    const seconds = (performance.now() - begun) / 1_000;
    const cpu = (usageOf(server.pid).cpuMicros - before) / options.followers;
    await returned.cut();
    return {
      id: 'F4',
      database: database.provider,
      title: `${options.followers.toLocaleString('en')} followers of ${users} users cut at once`,
      lines: [{ who: 'Synclog', figures: { 'CPU ms/follower': spreadOf([cpu / 1e3]) } }],
      results: [
        {
          of: 'until all have caught up',
          reached: spreadOf([seconds]),
          unit: ' s',
          goal: { bound: (GOAL.seconds * options.followers) / GOAL.followers, better: 'lower' },
        },
      ],
    };
  });
}
