import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import { type ConnectWire, connectDoorbell, type DoorbellWire } from '../../src/instances/doorbell.ts';
import { notifyWire } from '../../src/instances/notify-wire.ts';
import { redisWire } from '../../src/instances/redis-wire.ts';
import { type LogChange, WakeUps } from '../../src/instances/wake-ups.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';

let postgres: ScratchPostgres;
let redis: FaultyRedis | undefined;

beforeAll(async () => {
  postgres = await startPostgres();
  if (hasRedis()) redis = await startFaultyRedis();
});
afterAll(async () => {
  await postgres.stop();
  await redis?.stop();
});

const wires: [string, () => string, (url: string) => ConnectWire][] = [
  ['NOTIFY', () => postgres.url, (url) => (events) => notifyWire(url, events)],
];
if (hasRedis()) wires.push(['Redis', () => redis?.url ?? '', (url) => (events) => redisWire(url, events)]);

describe.each(wires)('a wire over %s', (_, urlOf, wireTo) => {
  test('that is silently cut is noticed by its heartbeat, and tells that messages may have been lost', async () => {
    const proxy = await startFaultyProxy(urlOf());
    onTestFinished(() => proxy.close());
    let gaps = 0;
    const errors: unknown[] = [];
    const heard: string[] = [];
    const wire: DoorbellWire = wireTo(proxy.url)({
      onMessage: (message) => heard.push(message),
      onGap: () => {
        gaps += 1;
      },
      onError: (error) => errors.push(error),
    });
    onTestFinished(() => wire.close());
    await expect.poll(() => gaps).toBeGreaterThan(0);
    expect(errors).toEqual([]);
    const before = gaps;
    expect(proxy.blackHole()).toBeGreaterThan(0);
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    await expect.poll(() => gaps).toBeGreaterThan(before);
    wire.send('after');
    await expect.poll(() => heard).toContain('after');
  });
});

describe('the doorbell', () => {
  /** Two of them on a wire in memory, with what goes over it. */
  function connectTwo() {
    const messages: string[] = [];
    const receivers: ((message: string) => void)[] = [];
    const events: { gap: () => void }[] = [];
    const connect: ConnectWire = ({ onMessage, onGap }) => {
      receivers.push(onMessage);
      events.push({ gap: onGap });
      return {
        send(message) {
          messages.push(message);
          for (const receive of receivers) receive(message);
        },
        close: async () => {},
      };
    };
    const sides = [new WakeUps(), new WakeUps()] as const;
    const gaps: number[] = [];
    for (const [side, wakeUps] of sides.entries()) {
      const outage = { failed: () => {}, works: () => {} };
      const doorbell = connectDoorbell(wakeUps, connect, { onGap: () => gaps.push(side), outage });
      onTestFinished(() => doorbell.close());
    }
    const heard: LogChange[] = [];
    sides[1].listen((change) => heard.push(change));
    return { here: sides[0], messages, heard, events, gaps };
  }

  test('folds what comes at once: one change from the lowest to the newest head', async () => {
    const { here, messages, heard } = connectTwo();
    const [userId, other] = [randomUUID(), randomUUID()];
    here.notify({ kind: 'grown', userId, previousHead: 3, head: 5 });
    here.notify({ kind: 'grown', userId: other, previousHead: 0, head: 1 });
    here.notify({ kind: 'grown', userId, previousHead: 5, head: 9 });
    await expect.poll(() => heard).toHaveLength(2);
    expect(heard).toContainEqual({ kind: 'grown', userId, previousHead: 3, head: 9 });
    expect(heard).toContainEqual({ kind: 'grown', userId: other, previousHead: 0, head: 1 });
    expect(messages).toHaveLength(1);
  });

  test('keeps a deletion apart from the new log under the same id', async () => {
    const { here, heard } = connectTwo();
    const userId = randomUUID();
    here.notify({ kind: 'grown', userId, previousHead: 3, head: 5 });
    here.notify({ kind: 'deleted', userId });
    here.notify({ kind: 'grown', userId, previousHead: 0, head: 1 });
    await expect.poll(() => heard).toHaveLength(2);
    expect(heard).toEqual([
      { kind: 'deleted', userId },
      { kind: 'grown', userId, previousHead: 0, head: 1 },
    ]);
  });

  test('says when there is a gap', () => {
    const { events, gaps } = connectTwo();
    events[1]?.gap();
    expect(gaps).toEqual([1]);
  });
});
