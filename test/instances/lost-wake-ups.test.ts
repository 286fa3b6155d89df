import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Connections } from '../../src/connections/connections.ts';
import { watchedLinks } from '../../src/connections/watched-links.ts';
import type { Database } from '../../src/db/database.ts';
import type { ProviderLink, SyncRun } from '../../src/db/rows.ts';
import type { ConnectWire, DoorbellEvents } from '../../src/instances/doorbell.ts';
import { defaultLimits } from '../../src/limits.ts';
import { RowChanges } from '../../src/log/changes/row-changes.ts';
import { type EventLog, openEventLog } from '../../src/log/event-log.ts';
import { watchedRuns } from '../../src/runs/watched-runs.ts';
import { openNewDatabase } from '../support/database.ts';
import { holdLooks } from '../support/held-looks.ts';

const draft = { runId: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };

interface Instance {
  readonly log: EventLog;
  readonly runChanges: RowChanges<SyncRun>;
  readonly connectionChanges: RowChanges<ProviderLink>;
  readonly connections: Connections;
  /** What its wire is told of, and what it has sent, which reaches nobody. */
  readonly wire: DoorbellEvents;
  readonly sent: string[];
  readonly errors: unknown[];
}

/** An instance that looks by itself only after a long time. */
function openInstance(database: Database): Instance {
  const errors: unknown[] = [];
  const sent: string[] = [];
  let wire: DoorbellEvents | undefined;
  const connect: ConnectWire = (events) => {
    wire = events;
    return { send: (message) => sent.push(message), close: async () => {} };
  };
  const options = {
    ...{ database, limits: { ...defaultLimits, slowPollMs: 600_000 }, clock: Date.now },
    onError: (error: unknown) => errors.push(error),
  };
  const log = openEventLog({ ...options, doorbell: { connect, outage: { failed: () => {}, works: () => {} } } });
  onTestFinished(() => log.close());
  const runChanges = new RowChanges({ ...options, rows: watchedRuns(database), wakeUps: log.wakeUps });
  onTestFinished(() => runChanges.close());
  const connectionChanges = new RowChanges({ ...options, rows: watchedLinks(database), wakeUps: log.wakeUps });
  onTestFinished(() => connectionChanges.close());
  const connections = new Connections({ ...options, wakeUps: log.wakeUps });
  if (!wire) throw new Error('The doorbell opens its wire at once');
  return { log, runChanges, connectionChanges, connections, wire, sent, errors };
}

/** Two instances, of which nothing that one does reaches the other, and a user. */
async function start() {
  const { database } = await openNewDatabase();
  const userId = randomUUID();
  const create = (createdAt = new Date()) =>
    database.transaction((transaction) => transaction.user.create({ data: { id: userId, createdAt } }));
  const { createdAt } = await create();
  const [here, there] = [openInstance(database), openInstance(database)];
  return {
    ...{ database, userId, here, there, createdAt },
    /** Through the other instance. */
    record: (count: number) => there.log.record(Array.from({ length: count }, () => ({ ...draft, userId }))),
    /** Deletes the user and makes another one under the same id. */
    async makeAnew(at?: Date) {
      await database.transaction((transaction) => transaction.user.deleteMany({ where: { id: userId } }));
      await create(at);
    },
    async follow(after?: number) {
      const leaving = new AbortController();
      const follower = here.log.follow({ userId, after }, leaving.signal);
      onTestFinished(() => leaving.abort());
      const first = (await follower.next()).value ?? undefined;
      return { follower, first };
    },
  };
}

/** Watches the runs of an instance, from the sign that nothing can escape. */
async function watchRuns({ runChanges }: Instance) {
  const leaving = new AbortController();
  const changes = runChanges.follow({ wants: () => true }, leaving.signal);
  onTestFinished(() => leaving.abort());
  expect((await changes.next()).value).toEqual({ kind: 'began' });
  return changes;
}

const sequences = (step: { events: readonly { sequence: number }[] } | undefined) =>
  step?.events.map(({ sequence }) => sequence);

describe('when wake-ups were lost', () => {
  test('followers look at once as the doorbell is back', async () => {
    const { here, record, follow } = await start();
    const { follower, first } = await follow();
    expect(first).toMatchObject({ cursor: 0, caughtUp: true });
    const next = follower.next();
    await record(3);
    here.wire.onGap();
    expect(sequences((await next).value ?? undefined)).toEqual([1, 2, 3]);
  });

  test('streams of runs look at once as the doorbell is back', async () => {
    const { here, record } = await start();
    const next = (await watchRuns(here)).next();
    await record(3);
    here.wire.onGap();
    expect((await next).value).toMatchObject({ kind: 'changed', row: { runId: 'r', eventCount: 3 } });
  });

  test('streams of connections look at once as the doorbell is back, or as another instance tells of a change', async () => {
    const { here, there, userId } = await start();
    const leaving = new AbortController();
    onTestFinished(() => leaving.abort());
    const changes = here.connectionChanges.follow({ wants: () => true }, leaving.signal);
    expect((await changes.next()).value).toEqual({ kind: 'began' });
    const news = { userId, provider: 'oura', connectionId: null };
    await there.connections.tell({ ...news, kind: 'created', at: new Date() });
    await expect.poll(() => there.sent.splice(0)).not.toEqual([]); // lost
    here.wire.onGap();
    expect((await changes.next()).value).toMatchObject({ kind: 'changed', row: { state: 'connected' } });
    await there.connections.tell({ ...news, kind: 'revoked', reason: 'user_disconnected', at: new Date() });
    await expect.poll(() => there.sent).not.toEqual([]);
    for (const message of there.sent) here.wire.onMessage(message);
    expect((await changes.next()).value).toMatchObject({ kind: 'changed', row: { state: 'disconnected' } });
  });

  test('all look at once as the doorbell of another instance is back, which could not ring for what it has recorded', async () => {
    const { here, there, record, follow } = await start();
    const { follower } = await follow();
    const next = [follower.next(), (await watchRuns(here)).next()] as const;
    await record(3);
    await expect.poll(() => there.sent.splice(0)).not.toEqual([]); // lost
    there.wire.onGap();
    for (const message of there.sent) here.wire.onMessage(message);
    expect(sequences((await next[0]).value ?? undefined)).toEqual([1, 2, 3]);
    expect((await next[1]).value).toMatchObject({ kind: 'changed', row: { runId: 'r', eventCount: 3 } });
  });

  test.each([1, 2, 3])(
    'a log that was made anew, with %i events, ends those who follow the one of 2 before',
    async (count) => {
      const { here, record, follow, makeAnew, createdAt } = await start();
      await record(2);
      const { follower, first } = await follow(0);
      expect(sequences(first)).toEqual([1, 2]);
      const next = follower.next();
      await makeAnew(new Date(createdAt.getTime() + 1));
      await record(count);
      here.wire.onGap();
      expect(await next).toEqual({ done: true, value: undefined });
    },
  );

  test('a log that is shorter than it was is another one, even if its user was made in the same millisecond', async () => {
    const { here, record, follow, makeAnew, createdAt } = await start();
    await record(2);
    const { follower } = await follow(0);
    const next = follower.next();
    await makeAnew(createdAt);
    await record(1);
    here.wire.onGap();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test('a look that is asked for during another one comes after it', async () => {
    const { database, userId, record } = await start();
    const looks = holdLooks(database);
    const { log, wire } = openInstance(looks.database);
    const follower = log.follow({ userId }, new AbortController().signal);
    onTestFinished(async () => void (await follower.return()));
    await follower.next();
    const next = follower.next();
    const { arrived, release } = looks.hold();
    wire.onGap();
    await arrived; // it has found nothing
    await record(1);
    wire.onGap();
    release();
    expect(sequences((await next).value ?? undefined)).toEqual([1]);
  });

  test('a look at runs that is asked for during another one comes after it', async () => {
    const { database, record } = await start();
    const looks = holdLooks(database, 'takenAt');
    const instance = openInstance(looks.database);
    const next = (await watchRuns(instance)).next();
    const { arrived, release } = looks.hold();
    instance.wire.onGap();
    await arrived; // it has found nothing
    await record(1);
    instance.wire.onGap();
    release();
    expect((await next).value).toMatchObject({ kind: 'changed', row: { runId: 'r' } });
  });
});

test('a deletion that is heard of ends whoever follows, and who comes then follows the new log', async () => {
  const { here, userId, record, follow, makeAnew } = await start();
  await record(2);
  const { follower } = await follow();
  const idle = await follow(); // it is not asked for anything, and does not leave
  const next = follower.next();
  await makeAnew(new Date(Date.now() + 1_000));
  await record(1);
  here.wire.onMessage(JSON.stringify([randomUUID(), [[userId]]]));
  expect(await next).toEqual({ done: true, value: undefined });
  expect((await follow(0)).first).toMatchObject({ events: [{ sequence: 1 }], reset: null });
  expect(await idle.follower.next()).toEqual({ done: true, value: undefined });
});

test('a signal that names more than there is costs a look, and what follows is seen', async () => {
  const { here, userId, record, follow } = await start();
  await record(1);
  const { follower } = await follow();
  const next = follower.next();
  here.wire.onMessage(JSON.stringify([randomUUID(), [[userId, 1, 3_000]]]));
  await record(1);
  here.wire.onMessage(JSON.stringify([randomUUID(), [[userId, 1, 2]]]));
  expect(sequences((await next).value ?? undefined)).toEqual([2]);
  expect(here.errors).toEqual([]);
});
