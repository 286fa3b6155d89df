import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import type { Limits } from '../../src/limits.ts';
import { Retention } from '../../src/log/retention.ts';
import { readEntry } from '../../src/sources/open-wearables/read-entry.ts';
import { EntryRecorder } from '../../src/sources/record-entries.ts';
import { startInstances } from '../support/instances.ts';
import { wireEvent } from '../support/open-wearables-emitter.ts';
import { headOf, refusals, tryRecord } from '../support/recording.ts';
import { startServer } from '../support/server.ts';

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** No recording is given up while a test looks. */
const patient = { heldUpMs: 60_000 };

async function connect(url: string) {
  const client = new pg.Client(url);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** A server, and a stranger in its database who holds the locks that a test takes until `release`. */
async function startWithStranger(limits: Partial<Limits> = {}) {
  const server = await startServer({ database: await createOnServer(postgres.url), limits });
  onTestFinished(() => server.close());
  const client = await connect(server.databaseUrl);
  await client.query('BEGIN');
  return {
    server,
    users: (count: number) => Promise.all(Array.from({ length: count }, () => server.user())),
    lock: (userIds: readonly string[]) => client.query('SELECT 1 FROM "user" WHERE id = ANY($1) FOR UPDATE', [userIds]),
    query: (text: string, values: readonly string[] = []) => client.query(text, [...values]),
    release: () => client.query('ROLLBACK'),
    /** How many locks somebody waits for. */
    awaitedLocks: async () => (await client.query('SELECT 1 FROM pg_locks WHERE NOT granted')).rowCount,
    heldUp: () => server.app.services.log.heldUpRecordings,
  };
}

/** Records one event for each user at once. `settled` counts those that are answered. */
function recordFor(
  server: { record(draft: object): Promise<unknown> },
  userIds: readonly string[],
  event: object = {},
) {
  let settled = 0;
  const all = Promise.allSettled(
    userIds.map((userId) => server.record({ userId, ...event }).finally(() => (settled += 1))),
  );
  return { all, settled: () => settled };
}

describe('while somebody keeps the rows of some users locked', () => {
  test('others are recorded, also those of the same transaction, and the users are UNAVAILABLE', async () => {
    const { server, users, lock, release } = await startWithStranger();
    const [locked = '', free = ''] = await users(2);
    await lock([locked]);
    const { all } = recordFor(server, [locked, free, locked, free]);
    const outcomes = await all;
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[0]).toMatchObject({ reason: { message: 'The database is busy with these rows; try again' } });
    await release();
    expect(await server.record({ userId: locked })).toMatchObject([{ event: { sequence: 1 } }]);
  });

  test('nobody else waits for them, however many they are', async () => {
    const { server, users, lock, release, heldUp } = await startWithStranger(patient);
    const locked = await users(20);
    await lock(locked);
    const waiting = recordFor(server, [...locked, ...locked]);
    await expect.poll(heldUp).toBe(40);
    for (const free of await users(20))
      for (const sequence of [1, 2]) // one request after the other
        expect(await server.record({ userId: free })).toMatchObject([{ event: { sequence } }]);
    expect(waiting.settled()).toBe(0);
    await release();
    expect((await waiting.all).map(({ status }) => status)).toEqual(Array(40).fill('fulfilled'));
    expect(heldUp()).toBe(0);
    expect(await Promise.all(locked.map((userId) => headOf(server, userId)))).toEqual(Array(20).fill('2'));
  });

  test('a user who is free again is recorded while others are still locked, in the order of the requests', async () => {
    const { server, users, lock, release, heldUp } = await startWithStranger(patient);
    const [first = '', second = ''] = await users(2);
    await lock([first]);
    const other = await connect(server.databaseUrl);
    await other.query('BEGIN');
    await other.query('SELECT 1 FROM "user" WHERE id = $1 FOR UPDATE', [second]);
    const lockedFor = recordFor(server, [first]);
    const ids: Promise<unknown>[] = [];
    for (let count = 1; count <= 5; count += 1) {
      ids.push(server.record({ userId: second, message: `${count}` }));
      await expect.poll(heldUp).toBe(1 + count);
    }
    await other.query('ROLLBACK');
    const results = await Promise.all(ids);
    expect(results).toMatchObject([1, 2, 3, 4, 5].map((sequence) => [{ event: { sequence } }]));
    expect(lockedFor.settled()).toBe(0);
    await release();
    await lockedFor.all;
  });

  test('a batch that holds one of them is refused with its place, and its other users are recorded in other batches', async () => {
    const { server, users, lock } = await startWithStranger();
    const [locked = '', free = ''] = await users(2);
    await lock([locked]);
    const batch = tryRecord(server, [{ userId: free }, { userId: locked }]);
    expect(await server.record({ userId: free })).toMatchObject([{ event: { sequence: 1 } }]);
    const answer = await batch;
    expect(refusals(answer)).toEqual(['UNAVAILABLE']);
    expect(answer.errors[0]?.extensions).toMatchObject({
      problems: [{ index: 1, field: 'userId', message: 'is of a user whom somebody else keeps locked' }],
    });
    expect(await headOf(server, free)).toBe('1');
  });

  test('a source goes on with what it has of others, and records theirs when they are free', async () => {
    const { server, users, lock, release } = await startWithStranger({ heldUpMs: 200 });
    const [locked = '', free = ''] = await users(2);
    await lock([locked]);
    const { services } = server.app;
    const source = await services.sources.open('another', { exclusive: false });
    const recorder = new EntryRecorder(
      { ...services, source, quarantine: services.sources.quarantine },
      { readEntry: (entry) => readEntry(entry, services.limits), onDelay: () => {}, onRefused: () => {} },
    );
    const entries = [locked, free].map((user_id) => ({ text: JSON.stringify(wireEvent({ user_id })), place: 'here' }));
    const recorded = recorder.record(entries, new AbortController().signal);
    await expect.poll(() => headOf(server, free)).toBe('1');
    expect(await headOf(server, locked)).toBe('0');
    await release();
    await recorded;
    expect(await headOf(server, locked)).toBe('1');
  });

  test('retention goes on with others, and comes back', async () => {
    const { server, users, lock, release } = await startWithStranger({ retainedEvents: 1 });
    const [locked = '', ...others] = (await users(3)).sort();
    for (const userId of [locked, ...others]) await server.record({ userId }, { userId });
    await lock([locked]);
    const { database, limits } = server.app.services;
    const inTwoDays = () => Date.now() + 2 * 86_400_000;
    const retention = new Retention({
      ...{ database, limits: { ...limits, retainedEvents: 1, retentionDoubtMs: 0 }, days: 1, clock: inTwoDays },
      onError: (error) => expect.unreachable(String(error)),
    });
    onTestFinished(() => retention.close());
    const sweep = async () => {
      let swept = await retention.sweep();
      while (retention.doubtsClock) swept = await retention.sweep(); // such a jump is believed at the second look
      return swept.events;
    };
    expect(await sweep()).toBe(2);
    await release();
    expect(await sweep()).toBe(1);
  });

  test('so many recordings wait for them, and further ones are refused at once', async () => {
    const { server, users, lock, release, heldUp } = await startWithStranger({ ...patient, heldUpRecordings: 3 });
    const [locked = ''] = await users(1);
    await lock([locked]);
    const waiting = recordFor(server, [locked, locked, locked]);
    await expect.poll(heldUp).toBe(3);
    expect(refusals(await tryRecord(server, [{ userId: locked }]))).toEqual(['UNAVAILABLE']);
    await release();
    expect((await waiting.all).map(({ status }) => status)).toEqual(Array(3).fill('fulfilled'));
  });

  test('they are waited for in the order of their ids, and nobody else is kept locked meanwhile', async () => {
    const { server, users, lock, query, release } = await startWithStranger(patient);
    const sorted = (await users(6)).sort();
    const [, , first = '', , second = ''] = sorted;
    await lock([first, second]);
    const drafts = sorted.map((userId) => ({ userId }));
    const batch = tryRecord(server, drafts.toReversed());
    const other = await connect(server.databaseUrl);
    const waits = async () =>
      (await query('SELECT waitstart::text FROM pg_locks WHERE NOT granted')).rows[0]?.waitstart;
    /** The users whom others can lock while one and the same wait lasts. */
    const free = async () => {
      const before = await waits();
      const text = 'SELECT id FROM "user" WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED';
      const { rows } = await other.query(text, [sorted]);
      return before && before === (await waits()) ? rows.map(({ id }) => id) : undefined;
    };
    const expected = sorted.filter((userId) => userId !== first && userId !== second);
    for (let look = 0; look < 3; look += 1) {
      let seen: string[] | undefined;
      while (!seen) seen = await free();
      expect(seen).toEqual(expected);
    }
    await release();
    expect(refusals(await batch)).toEqual([]);
  });

  /** Two strangers, each with a lock of their own, and which of them somebody waits for, again and again. */
  async function startWithTwo(split: (userIds: readonly string[]) => readonly [readonly string[], readonly string[]]) {
    const first = await startWithStranger(patient);
    const userIds = (await first.users(12)).sort();
    const [ofFirst, ofOther] = split(userIds);
    await first.lock(ofFirst);
    const other = await connect(first.server.databaseUrl);
    await other.query('BEGIN');
    await other.query('SELECT 1 FROM "user" WHERE id = ANY($1) FOR UPDATE', [ofOther]);
    const pidOf = async ({ rows: [row] }: pg.QueryResult) => row?.pid;
    const ownPid = 'SELECT pg_backend_pid() AS pid';
    const pids = [await pidOf(await first.query(ownPid)), await pidOf(await other.query(ownPid))];
    /** Which stranger is waited for next, 0 for the first one and 1 for the other, and since when. */
    async function nextWait(): Promise<{ stranger: number; since: string }> {
      for (;;) {
        const { rows } = await first.query(
          'SELECT waitstart::text AS since, pg_blocking_pids(pid) AS blockers FROM pg_locks WHERE NOT granted',
        );
        const [wait] = rows;
        if (wait?.since && wait.blockers.length > 0)
          return { stranger: pids.indexOf(wait.blockers[0]), since: wait.since };
      }
    }
    return {
      ...{ server: first.server, userIds, nextWait, release: first.release },
      awaited: async () => (await nextWait()).stranger,
    };
  }

  test('the first of them by id is waited for before the others, so that two who wait cannot meet', async () => {
    const { server, userIds, awaited } = await startWithTwo((ids) => [ids.slice(0, 1), ids.slice(1)]);
    const drafts = userIds.map((userId) => ({ userId }));
    void tryRecord(server, drafts.toReversed());
    for (let wait = 0; wait < 5; wait += 1) expect(await awaited()).toBe(0);
  });

  test('each of them is waited for in turn', async () => {
    const { server, userIds, awaited } = await startWithTwo((ids) => [ids.slice(0, 6), ids.slice(6)]);
    recordFor(server, userIds);
    await expect.poll(awaited).toBe(1);
    await expect.poll(awaited).toBe(0);
    await expect.poll(awaited).toBe(1);
  });

  test('who waits for one of them again keeps the others of the batch free', async () => {
    const { server, userIds, nextWait, release } = await startWithTwo((ids) => [ids.slice(0, 1), ids.slice(1)]);
    const other = await connect(server.databaseUrl);
    const waitFor = async (stranger: number) => {
      let wait = await nextWait();
      while (wait.stranger !== stranger) wait = await nextWait();
      return wait.since;
    };
    void tryRecord(
      server,
      userIds.map((userId) => ({ userId })),
    );
    const asNew = await waitFor(0);
    await expect.poll(() => waitFor(0), { interval: 1 }).not.toBe(asNew);
    await release(); // the first user comes free while being waited for
    let seen: number | null | undefined;
    while (seen === undefined) {
      const since = await waitFor(1);
      const { rowCount } = await other.query('SELECT 1 FROM "user" WHERE id = $1 FOR UPDATE SKIP LOCKED', [userIds[0]]);
      if (since === (await waitFor(1))) seen = rowCount;
    }
    expect(seen).toBe(1);
  });

  test('a burst that meets another instance’s transaction waits for it, and is not refused', async () => {
    const { server, users, lock, release, heldUp } = await startWithStranger({ ...patient, heldUpRecordings: 3 });
    const locked = await users(20);
    await lock(locked);
    const waiting = recordFor(server, locked);
    await expect.poll(heldUp).toBe(20);
    await release();
    expect((await waiting.all).map(({ status }) => status)).toEqual(Array(20).fill('fulfilled'));
  });

  test('rows that only refer to them hold nobody up', async () => {
    const { server, users, query } = await startWithStranger();
    const [userId = ''] = await users(1);
    await query('SELECT 1 FROM "user" WHERE id = $1 FOR KEY SHARE', [userId]); // as inserting a row of theirs does
    expect(await server.record({ userId })).toMatchObject([{ event: { sequence: 1 } }]);
  });

  test('the log is closed when all of them are answered', async () => {
    const { server, users, lock, heldUp } = await startWithStranger({ heldUpMs: 300 });
    const [locked = ''] = await users(1);
    await lock([locked]);
    const { log } = server.app.services;
    const draft = { runId: 'r', provider: 'oura', source: 'pull', stage: 'queued', status: 'in_progress' };
    let answer: unknown;
    log.record([{ ...draft, userId: locked }]).catch((error: unknown) => {
      answer = error;
    });
    await expect.poll(heldUp).toBe(1);
    await log.close();
    expect(answer).toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('the server closes within its ten seconds', async () => {
    const { server, users, lock, heldUp } = await startWithStranger();
    const [locked = ''] = await users(1);
    await lock([locked]);
    const lost = recordFor(server, [locked]);
    await expect.poll(heldUp).toBe(1);
    const begun = performance.now();
    await server.app.close();
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(await lost.all).toMatchObject([{ status: 'rejected' }]);
  });
});

describe('while somebody keeps other rows locked', () => {
  test.each(['sync_run', 'provider_connection'])(
    'of %s, others are recorded, and whose they are is known from then on',
    async (table) => {
      const { server, users, query, release, heldUp } = await startWithStranger({ heldUpMs: 1_000 });
      const [locked = '', free = ''] = await users(2);
      for (const userId of [locked, free]) await server.record({ userId });
      await query(`SELECT 1 FROM "${table}" WHERE user_id = $1 FOR UPDATE`, [locked]);
      const ending = { stage: 'COMPLETED', status: 'SUCCESS', itemsProcessed: 1 };
      const outcomes = await recordFor(server, [locked, free, locked, free], ending).all;
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
      const waiting = recordFor(server, [locked], ending);
      await expect.poll(heldUp).toBe(1);
      for (const sequence of [4, 5, 6])
        expect(await server.record({ userId: free })).toMatchObject([{ event: { sequence } }]);
      await release();
      await waiting.all;
      expect(await server.record({ userId: locked })).toMatchObject([{ duplicate: false }]);
    },
  );

  test('of one user of a batch, the others of that batch are recorded by themselves', async () => {
    const { server, users, query, release, heldUp } = await startWithStranger(patient);
    const userIds = await users(20);
    const [locked = '', ...free] = userIds;
    await Promise.all(userIds.map((userId) => server.record({ userId })));
    await query('SELECT 1 FROM sync_run WHERE user_id = $1 FOR UPDATE', [locked]);
    const batch = tryRecord(
      server,
      userIds.map((userId) => ({ userId })),
    );
    await expect.poll(heldUp).toBe(1);
    for (const userId of free) expect(await server.record({ userId })).toMatchObject([{ event: { sequence: 2 } }]);
    expect(heldUp()).toBe(1);
    await release();
    expect(refusals(await batch)).toEqual([]);
  });

  test('a whole table, recordings are UNAVAILABLE, and go on when it is free', async () => {
    const { server, users, query, release } = await startWithStranger();
    const userIds = await users(30);
    await query('LOCK TABLE "user" IN ACCESS EXCLUSIVE MODE');
    const begun = performance.now();
    const outcomes = await recordFor(server, userIds).all;
    expect(performance.now() - begun).toBeLessThan(10_000); // and not the time-out of each, one after another
    expect(outcomes.map(({ status }) => status)).toEqual(Array(30).fill('rejected'));
    await release();
    const again = await recordFor(server, userIds).all;
    expect(again.map(({ status }) => status)).toEqual(Array(30).fill('fulfilled'));
  });
});

test('instances that record for the same users at once hold nobody up for good', async () => {
  const instances = await startInstances((await createOnServer(postgres.url)).url);
  onTestFinished(() => instances.close());
  const userIds = await Promise.all(Array.from({ length: 8 }, () => instances.user()));
  const recorded = instances.apps.flatMap((app) =>
    userIds.map(async (userId) => {
      for (let count = 0; count < 20; count += 1) await instances.record(app, userId);
    }),
  );
  await Promise.all(recorded);
  const [{ services }] = instances.apps;
  const heads = (await services.users.byIds(userIds)).map(({ headSequence }) => headSequence);
  expect(heads).toEqual(Array(8).fill(40));
  expect(services.log.heldUpRecordings).toBe(0);
});
