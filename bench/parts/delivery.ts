import { setTimeout as pause } from 'node:timers/promises';
import { type Publisher, synclogPublisher } from '../clients/publishers.ts';
import { openSubscribers } from '../clients/subscribers.ts';
import { synclogWire } from '../clients/wires.ts';
import { usageOf } from '../measure/process-usage.ts';
import { serverOf } from '../measure/server-process.ts';
import { percentile, spreadOf } from '../measure/statistics.ts';
import type { Comparison } from '../report/comparison.ts';
import { type StreamsSetup, withStreamServers } from './streams-setup.ts';

const EVENTS_PER_SECOND = 500;
/** Events are sent in ticks of so many milliseconds. */
const TICK_MS = 10;
/** Recordings under way at once. What does not fit waits, and its wait is measured. */
const CONNECTIONS = 64;
/** How long after the last request a round waits for what is under way. */
const PATIENCE_MS = 20_000;
/** Of a round, as a multiple of those of other parts: a queue takes its time to show. */
const LENGTH = 2;

interface Round {
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicros: number;
  /** Events that were not delivered within the patience, or refused. */
  readonly lost: number;
}

/** F3: each subscriber follows a user of its own, and single events are recorded at a steady pace, whatever comes back. */
export function measureDelivery(setup: StreamsSetup): Promise<Comparison> {
  return withStreamServers(setup, ['Synclog'], async (servers) => {
    const { database, options } = setup;
    const server = serverOf(servers, 'Synclog');
    const arrivals = new Map<string, (at: number) => void>();
    const wire = synclogWire(server, database.apiKey, (index) => ({ user: 1 + index }));
    const subscribers = await openSubscribers(wire, options.subscribers, (message) => {
      const at = performance.now();
      for (const [, id = ''] of message.toString('latin1').matchAll(/"id":"([-0-9a-f]{36})"/g)) arrivals.get(id)?.(at);
    });
    const publisher = synclogPublisher(server, database.apiKey, CONNECTIONS);
    const rounds: Round[] = [];
    for (let round = 0; round <= options.rounds; round += 1) {
      const before = usageOf(server.pid).cpuMicros;
      const { delays, lost } = await recordSteadily(publisher, arrivals, options.seconds * LENGTH, options.subscribers);
      const cpuMicros = (usageOf(server.pid).cpuMicros - before) / (delays.length + lost);
      if (round > 0) rounds.push({ p50: percentile(delays, 50), p99: percentile(delays, 99), cpuMicros, lost });
    }
    await subscribers.cut();
    await publisher.close();
    const figure = (of: (round: Round) => number) => spreadOf(rounds.map(of));
    return {
      id: 'F3',
      database: database.provider,
      title: `${options.subscribers.toLocaleString('en')} subscribers of a user each, ${EVENTS_PER_SECOND} single events/s`,
      lines: [
        {
          who: 'Synclog',
          figures: {
            'p50 ms': figure(({ p50 }) => p50),
            'p99 ms': figure(({ p99 }) => p99),
            'CPU µs/event': figure(({ cpuMicros }) => cpuMicros),
            'lost events': figure(({ lost }) => lost),
          },
        },
      ],
      results: [
        { of: 'p50 to delivery', reached: figure(({ p50 }) => p50), unit: ' ms', goal: { bound: 6, better: 'lower' } },
        { of: 'p99 to delivery', reached: figure(({ p99 }) => p99), unit: ' ms', goal: { bound: 50, better: 'lower' } },
      ],
    };
  });
}

/** Records for some seconds, and tells how long each event took from when it was to be sent to its subscriber. */
async function recordSteadily(
  publisher: Publisher,
  arrivals: Map<string, (at: number) => void>,
  seconds: number,
  users: number,
): Promise<{ readonly delays: number[]; readonly lost: number }> {
  const delays: number[] = [];
  const deliveries: Promise<void>[] = [];
  const total = Math.ceil(EVENTS_PER_SECOND * seconds);
  const begun = performance.now();
  while (deliveries.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - begun) / 1_000) * EVENTS_PER_SECOND));
    while (deliveries.length < due) {
      const sentAt = performance.now();
      const { text, send } = publisher.newsOf(1 + (deliveries.length % users));
      const arrived = new Promise<void>((resolve) =>
        arrivals.set(text, (at) => {
          arrivals.delete(text);
          delays.push(at - sentAt);
          resolve();
        }),
      );
      deliveries.push(Promise.all([arrived, send()]).then(() => {}));
    }
    await pause(TICK_MS);
  }
  await Promise.race([Promise.allSettled(deliveries), pause(PATIENCE_MS, undefined, { ref: false })]);
  const lost = total - delays.length;
  arrivals.clear();
  return { delays, lost };
}
