import { openSubscribers } from '../clients/subscribers.ts';
import { synclogWire } from '../clients/wires.ts';
import { usageOf } from '../measure/process-usage.ts';
import { serverOf } from '../measure/server-process.ts';
import { spreadOf } from '../measure/statistics.ts';
import type { Comparison } from '../report/comparison.ts';
import { backlogUser, type StreamsSetup, withStreamServers } from './streams-setup.ts';

/** What the goal is for. */
const GOAL = { events: 200_000, seconds: 2 };

/** F4, first half: one reader takes a long log from its beginning. The client looks at no more than where it stands. */
export function measureBacklog(setup: StreamsSetup): Promise<Comparison> {
  return withStreamServers(setup, ['Synclog'], async (servers) => {
    const { database, options } = setup;
    const server = serverOf(servers, 'Synclog');
    const seconds: number[] = [];
    const cpu: number[] = [];
    for (let round = 0; round <= options.rounds; round += 1) {
      const before = usageOf(server.pid).cpuMicros;
      const begun = performance.now();
      let caughtUp = () => {};
      const done = new Promise<void>((resolve) => {
        caughtUp = resolve;
      });
      const wire = synclogWire(server, database.apiKey, () => ({ user: backlogUser, after: '0' }));
      const reader = await openSubscribers(wire, 1, (message) => {
        if (message.subarray(0, 200).includes('"caughtUp":true')) caughtUp();
      });
      await done;
      const taken = (performance.now() - begun) / 1_000;
      const used = usageOf(server.pid).cpuMicros - before;
      await reader.cut();
      if (round === 0) continue; // a warm-up
      seconds.push(taken);
      cpu.push(used / options.backlog);
    }
    return {
      id: 'F4',
      database: database.provider,
      title: `one reader of ${options.backlog.toLocaleString('en')} events`,
      lines: [
        {
          who: 'Synclog',
          figures: {
            'events/s': spreadOf(seconds.map((taken) => options.backlog / taken)),
            'CPU µs/event': spreadOf(cpu),
          },
        },
      ],
      results: [
        {
          of: 'until caught up',
          reached: spreadOf(seconds),
          unit: ' s',
          goal: { bound: (GOAL.seconds * options.backlog) / GOAL.events, better: 'lower' },
        },
      ],
    };
  });
}
