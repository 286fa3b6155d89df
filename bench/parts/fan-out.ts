import { type Publisher, rawPublisher, stockPublisher, synclogPublisher } from '../clients/publishers.ts';
import { openSubscribers, type Subscribers, type Wire } from '../clients/subscribers.ts';
import { rawWire, stockWire, synclogWire } from '../clients/wires.ts';
import { usageOf } from '../measure/process-usage.ts';
import { turns } from '../measure/rounds.ts';
import { type MeasuredServer, serverOf } from '../measure/server-process.ts';
import { ratios, spreadOf } from '../measure/statistics.ts';
import type { Comparison } from '../report/comparison.ts';
import { type StreamsSetup, withStreamServers } from './streams-setup.ts';

/** Events of a round, for each second of its length. */
const EVENTS = 20;
/** Whom everybody follows, and somebody whom nobody follows. */
const FOLLOWED = 1;
const ALONE = 2;
const GOAL = 2;

interface Contestant {
  readonly name: string;
  readonly server: MeasuredServer;
  readonly wire: Wire;
  readonly publisher: Publisher;
}

/** F1: all follow one user. Events are recorded one by one, each when all have the one before. */
export function measureFanOut(setup: StreamsSetup): Promise<Comparison> {
  return withStreamServers(setup, ['Synclog', 'stock-pubsub', 'raw-broadcast'], async (servers) => {
    const { apiKey, provider } = setup.database;
    const { rounds, seconds, subscribers: count } = setup.options;
    const followed = () => ({ user: FOLLOWED });
    const [synclog, stock, raw] = ['Synclog', 'stock-pubsub', 'raw-broadcast'].map((name) => serverOf(servers, name));
    if (!synclog || !stock || !raw) throw new Error('A server was not started');
    const recorder = synclogPublisher(synclog, apiKey);
    const wire = synclogWire(synclog, apiKey, followed);
    const contestants: Contestant[] = [
      { name: 'Synclog', server: synclog, wire, publisher: recorder },
      { name: 'stock-pubsub', server: stock, wire: stockWire(stock, followed), publisher: stockPublisher(stock) },
      {
        name: 'raw-broadcast',
        server: raw,
        wire: rawWire(raw, followed),
        publisher: rawPublisher(raw, await messageOf(wire, recorder)),
      },
    ];
    const events = Math.ceil(EVENTS * seconds);
    const subscribers = new Map<string, Subscribers>();
    for (const { name, wire: own } of contestants) subscribers.set(name, await openSubscribers(own, count));
    const cpu = contestants.map(({ name }) => ({ name, perDelivery: [] as number[], publishing: [] as number[] }));
    for (const [{ name, server, publisher }, round] of turns(contestants, rounds + 1)) {
      const alone = await cpuOf(server, async () => {
        for (let event = 0; event < events; event += 1) await publisher.newsOf(ALONE).send();
      });
      const total = await cpuOf(server, async () => {
        for (let event = 0; event < events; event += 1) await deliver(publisher, subscribers.get(name), count);
      });
      if (round === 0) continue; // a warm-up
      const own = cpu.find((each) => each.name === name);
      own?.perDelivery.push(total / events / count);
      own?.publishing.push(alone / events / count);
    }
    for (const each of subscribers.values()) await each.cut();
    for (const { publisher } of contestants) await publisher.close();
    const of = (wanted: string) => cpu.find(({ name }) => name === wanted)?.perDelivery ?? [];
    return {
      id: 'F1',
      database: provider,
      title: `${count.toLocaleString('en')} subscribers of one user`,
      lines: cpu.map(({ name, perDelivery, publishing }) => ({
        who: name,
        figures: {
          'CPU µs/delivery': spreadOf(perDelivery),
          'of it for recording': spreadOf(publishing),
        },
      })),
      results: [
        {
          of: 'CPU against raw-broadcast',
          reached: ratios(of('Synclog'), of('raw-broadcast')),
          unit: 'x',
          goal: { bound: GOAL, better: 'lower' },
        },
        { of: 'CPU against stock-pubsub', reached: ratios(of('Synclog'), of('stock-pubsub')), unit: 'x' },
      ],
    };
  });
}

/** The message that a follower gets. */
async function messageOf(wire: Wire, recorder: Publisher): Promise<string> {
  let last = '';
  const subscriber = await openSubscribers(wire, 1, (message) => {
    last = message.toString();
  });
  await deliver(recorder, subscriber, 1);
  await subscriber.cut();
  return last;
}

/** Publishes one event and waits until all have it. */
async function deliver(publisher: Publisher, subscribers: Subscribers | undefined, count: number): Promise<void> {
  if (!subscribers) throw new Error('Nobody has subscribed');
  const { text, send } = publisher.newsOf(FOLLOWED);
  await Promise.all([subscribers.seen(text, count), send()]);
}

async function cpuOf({ pid }: MeasuredServer, work: () => Promise<void>): Promise<number> {
  const before = usageOf(pid).cpuMicros;
  await work();
  return usageOf(pid).cpuMicros - before;
}
