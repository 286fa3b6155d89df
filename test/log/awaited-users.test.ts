import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { Users } from '../../src/users/users.ts';
import { openAgain, openNewDatabase } from '../support/database.ts';
import { holdLooks } from '../support/held-looks.ts';

const said = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
/** What a log tells that is empty, or whose user is awaited. */
const nothingYet = { done: false, value: { events: [], cursor: 0, head: 0, caughtUp: true, reset: null } };

/** The log of an instance that awaits users and looks at nothing by itself, and of another one that it hears nothing of. */
async function openTwo() {
  const { url, database } = await openNewDatabase();
  const elsewhere = await openAgain(url);
  const held = holdLooks(database);
  const open = (of: typeof database) => {
    const log = openEventLog({
      database: of,
      awaitsUsers: true,
      limits: { ...defaultLimits, slowPollMs: 600_000 },
      clock: Date.now,
      onError: (error) => expect.unreachable(String(error)),
    });
    onTestFinished(() => log.close());
    return log;
  };
  const other = open(elsewhere);
  const users = new Users({ database: elsewhere, wakeUps: new WakeUps(), limits: defaultLimits, clock: Date.now });
  const log = open(held.database);
  const userId = randomUUID();
  return {
    ...{ log, users, userId, database },
    hold: held.hold,
    follow(after?: number) {
      const leaving = new AbortController();
      onTestFinished(() => leaving.abort());
      return log.follow({ userId, after }, leaving.signal);
    },
    /** Makes the user if there is none, and records events through the other instance. Resolves to the new head. */
    async record(count: number): Promise<number> {
      await users.upsert({ id: userId });
      const recorded = await other.record(Array.from({ length: count }, () => ({ ...said, userId })));
      return recorded.at(-1)?.event.sequence ?? 0;
    },
    /** What the other instance would say. */
    ring: (head: number) => log.wakeUps.hear({ kind: 'grown', userId, head, previousHead: 0 }),
  };
}

const sequences = ({ value }: IteratorResult<{ events: readonly { sequence: number }[] }, void>) =>
  value?.events.map(({ sequence }) => sequence);

test('the stream of a user who is not there begins as that of an empty log, and goes on with the first event', async () => {
  const { follow, record, ring, log, database } = await openTwo();
  const [first, second] = [follow(), follow(0)];
  expect(await first.next()).toEqual(nothingYet);
  expect(await second.next()).toEqual(nothingYet);
  expect(await database.reader.user.count()).toBe(0);
  expect(log.followedLogs).toBe(1);
  const waiting = [first.next(), second.next()];
  ring(await record(2));
  for (const step of await Promise.all(waiting)) expect(sequences(step)).toEqual([1, 2]);
  ring(await record(1));
  for (const follower of [first, second]) expect(sequences(await follower.next())).toEqual([3]);
});

test('a user whose making is not heard of is found by the next look', async () => {
  const { follow, record, log } = await openTwo();
  const follower = follow();
  expect(await follower.next()).toEqual(nothingYet);
  const waiting = follower.next();
  log.wakeUps.tellGap();
  await record(3);
  log.wakeUps.tellGap();
  expect(sequences(await waiting)).toEqual([1, 2, 3]);
});

test('a user who is made while being looked for is met', async () => {
  const { follow, record, ring, hold } = await openTwo();
  const { arrived, release } = hold();
  const follower = follow();
  const beginning = follower.next();
  await arrived;
  ring(await record(1));
  release();
  const first = await beginning;
  expect(sequences(first)).toEqual([]);
  expect(sequences(await follower.next())).toEqual([1]);
});

test('a look that began before the user was made ends nothing', async () => {
  const { follow, record, ring, hold, log } = await openTwo();
  const follower = follow();
  expect(await follower.next()).toEqual(nothingYet);
  const { arrived, release } = hold();
  log.wakeUps.tellGap();
  await arrived;
  ring(await record(1));
  expect(sequences(await follower.next())).toEqual([1]);
  release();
  ring(await record(1));
  expect(sequences(await follower.next())).toEqual([2]);
});

test('a look that found the user before the deletion ends nothing of the one who was met after it', async () => {
  const { follow, record, ring, hold, users, userId, log } = await openTwo();
  const follower = follow();
  expect(await follower.next()).toEqual(nothingYet);
  await users.upsert({ id: userId });
  const { arrived, release } = hold();
  log.wakeUps.tellGap();
  await arrived;
  await users.delete(userId);
  ring(await record(1));
  expect(sequences(await follower.next())).toEqual([1]);
  release();
  ring(await record(1));
  expect(sequences(await follower.next())).toEqual([2]);
});

test('who was met and is deleted ends the stream, and is awaited by the next one', async () => {
  const { follow, record, ring, users, userId, log } = await openTwo();
  const follower = follow();
  expect(await follower.next()).toEqual(nothingYet);
  ring(await record(2));
  expect(sequences(await follower.next())).toEqual([1, 2]);
  await users.delete(userId);
  log.wakeUps.hear({ kind: 'deleted', userId });
  expect(await follower.next()).toEqual({ done: true, value: undefined });
  const next = follow(2);
  expect((await next.next()).value).toMatchObject({
    events: [],
    cursor: 0,
    reset: { reason: 'CURSOR_AHEAD', head: 0 },
  });
  ring(await record(1));
  expect(sequences(await next.next())).toEqual([1]);
});

test('who is made and deleted before an event is still awaited', async () => {
  const { follow, record, ring, users, userId, log } = await openTwo();
  const follower = follow();
  expect(await follower.next()).toEqual(nothingYet);
  await users.upsert({ id: userId });
  await users.delete(userId);
  log.wakeUps.hear({ kind: 'deleted', userId });
  ring(await record(1));
  expect(sequences(await follower.next())).toEqual([1]);
});

test('a signal of what is not there makes nobody be met', async () => {
  const { follow, record, ring } = await openTwo();
  const follower = follow();
  expect(await follower.next()).toEqual(nothingYet);
  ring(5);
  ring(await record(1));
  expect(sequences(await follower.next())).toEqual([1]);
});

test('what is no longer kept when the user is met is told of', async () => {
  const { follow, record, ring, database, userId } = await openTwo();
  const follower = follow();
  expect(await follower.next()).toEqual(nothingYet);
  const head = await record(3);
  await database.transaction(async (transaction) => {
    await transaction.user.update({ where: { id: userId }, data: { tailSequence: 3 } });
    await transaction.syncEvent.deleteMany({ where: { userId, sequence: { lt: 3 } } });
  });
  ring(head);
  const step = await follower.next();
  expect(step.value).toMatchObject({ reset: { reason: 'CURSOR_EXPIRED', oldest: 3, head: 3 } });
  expect(sequences(step)).toEqual([3]);
});

test('nothing is kept of a user for whom nobody waits any more', async () => {
  const { follow, log } = await openTwo();
  const follower = follow();
  await follower.next();
  expect(log.followedLogs).toBe(1);
  await follower.return();
  expect(log.followedLogs).toBe(0);
});
