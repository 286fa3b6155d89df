import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ConnectWire, connectDoorbell } from '../../src/instances/doorbell.ts';
import { type LogChange, WakeUps } from '../../src/instances/wake-ups.ts';

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
    const doorbells: { close(): Promise<void> }[] = [];
    for (const [side, wakeUps] of sides.entries()) {
      const outage = { failed: () => {}, works: () => {} };
      const doorbell = connectDoorbell(wakeUps, connect, outage);
      wakeUps.listen(
        () => {},
        () => gaps.push(side),
      );
      onTestFinished(() => doorbell.close());
      doorbells.push(doorbell);
    }
    const heard: LogChange[] = [];
    sides[1].listen((change) => heard.push(change));
    const hear = (message: string) => receivers[1]?.(message);
    return { here: sides[0], there: sides[1], messages, heard, hear, events, gaps, close: () => doorbells[0]?.close() };
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

  test('tells what has changed beside the log apart from how the log has grown', async () => {
    const { here, messages, heard } = connectTwo();
    const userId = randomUUID();
    const [grown, touched] = [
      { kind: 'grown', userId, previousHead: 3, head: 5 } as const,
      { kind: 'touched', userId } as const,
    ];
    for (const change of [touched, grown, touched]) here.notify(change);
    await expect.poll(() => heard).toHaveLength(2);
    expect(heard).toEqual(expect.arrayContaining([grown, touched]));
    expect(messages).toHaveLength(1);
  });

  test('tells the last news when it is closed', async () => {
    const { here, heard, close } = connectTwo();
    const change = { kind: 'grown', userId: randomUUID(), previousHead: 0, head: 1 } as const;
    here.notify(change);
    await close();
    expect(heard).toEqual([change]);
  });

  test('tells whoever rings it once, and passes on nothing that others have told', async () => {
    const { here, there, heard, messages } = connectTwo();
    const own: LogChange[] = [];
    here.listen((change) => own.push(change));
    const change = { kind: 'grown', userId: randomUUID(), previousHead: 0, head: 1 } as const;
    here.notify(change);
    await expect.poll(() => heard).toHaveLength(1);
    there.notify({ ...change, previousHead: 1, head: 2 });
    await expect.poll(() => own).toHaveLength(2);
    expect(heard).toHaveLength(2);
    expect(messages).toHaveLength(2);
  });

  test('takes what it can read of a message, and nothing of what is none', () => {
    const { heard, hear } = connectTwo();
    const userId = randomUUID();
    hear(
      JSON.stringify([
        'another',
        [['nobody'], [userId, -1, 1], [userId, 0, 2 ** 31], [userId, 'seen'], [userId, 0, 1]],
      ]),
    );
    for (const message of ['', '{}', 'heartbeat', '["another"]', `["another",${'['.repeat(100)}`]) hear(message);
    expect(heard).toEqual([{ kind: 'grown', userId, previousHead: 0, head: 1 }]);
  });

  test('after a gap whoever listens is told, on this side and, as it could not ring meanwhile, on the others', () => {
    const { events, gaps, heard, messages } = connectTwo();
    events[0]?.gap();
    expect(gaps.sort()).toEqual([0, 1]);
    expect({ heard, messages: messages.length }).toEqual({ heard: [], messages: 1 }); // who hears of a gap tells nobody
  });
});
