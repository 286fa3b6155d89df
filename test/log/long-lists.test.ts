import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { defaultLimits } from '../../src/limits.ts';
import { RowChanges } from '../../src/log/changes/row-changes.ts';
import { openEventLog } from '../../src/log/event-log.ts';
import { FollowedLogs } from '../../src/log/follow/followed-logs.ts';
import { LogFigures } from '../../src/log/log-figures.ts';
import { LogReads } from '../../src/log/log-reads.ts';
import { watchedRuns } from '../../src/runs/watched-runs.ts';
import { Quarantine } from '../../src/sources/quarantine.ts';
import { Users } from '../../src/users/users.ts';
import { openNewDatabase } from '../support/database.ts';
import { startServer } from '../support/server.ts';
import { plainSql } from '../support/sql.ts';

/** More than Prisma puts into one statement: 997 on SQLite. */
const many = 1_001;
const newIds = (count = many) => Array.from({ length: count }, () => randomUUID());
const wireEvent = { provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };

/** Does something for each, with no more at once than there are connections to Postgres. */
async function inGroups<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < all.length; start += 10)
    results.push(...(await Promise.all(all.slice(start, start + 10).map(work))));
  return results;
}

/** The nouns on a new database, and a way to see which statements something takes. */
async function open() {
  const { database, statements } = await openNewDatabase();
  const options = { database, limits: defaultLimits, clock: Date.now, wakeUps: new WakeUps() };
  return {
    ...options,
    users: new Users(options),
    keys: new ApiKeys(options),
    quarantine: new Quarantine(options),
    async statementsOf(work: () => Promise<unknown>) {
      statements.length = 0;
      await work();
      // Postgres' adapter tells of the end of a transaction, too.
      return statements.map(plainSql).filter((sql) => sql !== 'COMMIT');
    },
    statements,
  };
}

describe(`of ${many} at once`, () => {
  test('followed logs are looked at with one statement', async () => {
    const { users, statementsOf, ...options } = await open();
    const ids = newIds();
    await users.ensure(new Map(ids.map((id) => [id, new Date()])));
    const errors: unknown[] = [];
    const limits = { ...defaultLimits, slowPollMs: 3_600_000 };
    const followed = new FollowedLogs({
      ...options,
      figures: new LogFigures(),
      reads: new LogReads(options.database),
      limits,
      onError: (error) => errors.push(error),
    });
    onTestFinished(() => followed.close());
    const logs = await inGroups(ids, (id) => followed.acquire(id));
    await options.database.transaction((transaction) => transaction.user.updateMany({ data: { tailSequence: 7 } }));
    expect(await statementsOf(() => followed.look())).toHaveLength(1);
    expect(logs.map((acquired) => acquired?.log.tail.oldest)).toEqual(ids.map(() => 7));
    expect(errors).toEqual([]);
  });

  test('followed logs are looked at while others write, and what is acknowledged is read at once', async () => {
    let looks = 0;
    const errors: string[] = [];
    const server = await startServer({
      limits: { slowPollMs: 100 },
      logger: pino({ level: 'error' }, { write: (line: string) => errors.push(line) }),
      onStatement({ sql, rows }) {
        if (/FROM user u WHERE/.test(plainSql(sql)) && rows === many) looks += 1;
      },
    });
    onTestFinished(() => server.close());
    const { users, log } = server.app.services;
    const ids = newIds();
    await users.ensure(new Map(ids.map((id) => [id, new Date()])));
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const followers = ids.map((userId) => log.follow({ userId }, stop.signal));
    onTestFinished(async () => {
      stop.abort();
      await Promise.all(followers.map((follower) => follower.return()));
    });
    await inGroups(followers, (follower) => follower.next());

    const write = async (userId: string) => {
      for (let sequence = 1; looks < 3; sequence += 1) {
        expect((await server.record({ userId }))[0]?.event.sequence).toBe(sequence);
        const { data } = await server.graphql(`{ user(id: "${userId}") { headCursor } }`);
        expect(data.user.headCursor).toBe(String(sequence));
      }
    };
    looks = 0;
    await Promise.all(ids.slice(0, 4).map(write));
    expect(errors).toEqual([]);
  });

  test('keys are looked at with one statement', async () => {
    const { database, keys, statementsOf } = await open();
    const ids = newIds();
    const data = ids.map((id) => ({ id, name: id, secretHash: id, scopes: 'read', createdAt: new Date() }));
    await database.transaction((transaction) => transaction.apiKey.createMany({ data }));
    const [revoked = ''] = ids;
    await keys.revoke(revoked);
    let unrevoked: Iterable<string> = [];
    const statements = await statementsOf(async () => {
      unrevoked = (await keys.unrevoked(ids)).keys();
    });
    expect(new Set(unrevoked)).toEqual(new Set(ids.slice(1)));
    expect(statements).toHaveLength(1);
  });

  test('secrets are verified with a statement for each thousand', async () => {
    const { keys, statementsOf } = await open();
    const { secret } = await keys.create({ name: 'a key', scopes: ['read'], expiresAt: null });
    let verified: unknown[] = [];
    const statements = await statementsOf(async () => {
      verified = await Promise.all([secret, ...newIds(many - 1)].map((each) => keys.verify(each)));
    });
    expect(verified).toEqual([expect.objectContaining({ name: 'a key' }), ...Array(many - 1).fill(null)]);
    expect(statements).toHaveLength(Math.ceil(many / 1_000));
  });

  test('users are made with the statements of one, but for those who were deleted, and found with one', async () => {
    const { database, users, statementsOf } = await open();
    const ids = newIds();
    const [deleted = '', back = ''] = ids;
    const deletedAt = new Date('2026-05-01T12:00:00.123Z');
    const heardAt = new Date('2026-06-01T12:00:00.456Z');
    await database.transaction((transaction) =>
      transaction.deletedUser.createMany({ data: [deleted, back].map((id) => ({ id, deletedAt })) }),
    );
    const heardOf = (some: readonly string[]) =>
      new Map(some.map((id) => [id, id === deleted ? undefined : heardAt] as const));

    const ofOne = await statementsOf(() => users.ensure(heardOf(newIds(1))));
    const ofMany = await statementsOf(() => users.ensure(heardOf(ids)));
    expect(ofMany.slice(0, ofOne.length)).toEqual(ofOne);
    expect(ofMany.slice(ofOne.length)).toEqual([expect.stringMatching(/^DELETE FROM user/)]);

    let found: readonly { id: string; createdAt: Date }[] = [];
    expect(
      await statementsOf(async () => {
        found = await users.byIds([...ids, randomUUID()]);
      }),
    ).toHaveLength(1);
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set(ids.slice(1)));
    for (const { createdAt } of found) expect(Date.now() - createdAt.getTime()).toBeLessThan(60_000);
    expect(await users.byIds([])).toEqual([]);

    let deletions: ReadonlyMap<string, Date> = new Map();
    expect(
      await statementsOf(async () => {
        deletions = await users.deletions([...ids, ...ids]);
      }),
    ).toHaveLength(1);
    expect(deletions).toEqual(new Map([deleted, back].map((id) => [id, deletedAt])));
  });

  test('entries in quarantine are found with one statement', async () => {
    const { database, quarantine, statementsOf } = await open();
    await database.transaction((transaction) => transaction.source.create({ data: { name: 'a source' } }));
    const texts = newIds();
    const entry = { reason: 'not_json', detail: 'no JSON', place: 'a list' } as const;
    await quarantine.add('a source', texts.slice(1).map((text) => ({ ...entry, text }))); // biome-ignore format: one thought
    let held: ReadonlySet<string> = new Set();
    const statements = await statementsOf(async () => {
      held = await quarantine.holds('a source', texts);
    });
    expect(held).toEqual(new Set(texts.slice(1)));
    expect(statements).toHaveLength(1);
  });

  test('users whose runs are watched and have changed are looked at and read with as many statements as a few', async () => {
    const { statements, ...options } = await open();
    const { users, database } = options;
    const ids = newIds();
    await users.ensure(new Map(ids.map((id) => [id, new Date()])));
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    // Nobody wakes it: the log is another instance's.
    const limits = { ...defaultLimits, slowPollMs: 20 };
    const changes = new RowChanges({ ...options, rows: watchedRuns(database), limits, onError });
    const log = openEventLog({ ...options, onError });
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const of = (only: string) => changes.follow({ only, wants: ({ userId }) => userId === only }, stop.signal);
    const watched = ids.map(of);
    onTestFinished(async () => {
      stop.abort();
      await Promise.all(watched.map((runs) => runs.return()));
      changes.close();
      await log.close();
    });
    for (const { value } of await Promise.all(watched.map((runs) => runs.next()))) expect(value?.kind).toBe('began');
    const first = watched.map((runs) => runs.next());
    const count = (text: string) => statements.map(plainSql).filter((sql) => sql.includes(text)).length;
    await expect.poll(() => count('change >=')).toBeGreaterThan(1);
    statements.length = 0;

    const events = ids.map((userId) => ({ ...wireEvent, userId, runId: `run of ${userId}` }));
    for (let start = 0; start < many; start += defaultLimits.eventsPerRecording)
      await log.record(events.slice(start, start + defaultLimits.eventsPerRecording));
    const runs = await Promise.all(first);
    expect(runs.map(({ value }) => value?.kind === 'changed' && value.row.runId)).toEqual(
      events.map(({ runId }) => runId),
    );
    // A look may come between two recordings, and a thousand users are read at a time.
    expect(count('last_sequence >')).toBeLessThanOrEqual(4);
    const looks = count('FROM user u WHERE');
    expect(looks).toBeGreaterThan(0);
    expect(Math.abs(looks - count('change >='))).toBeLessThanOrEqual(1);

    const [gone = ''] = ids;
    await database.transaction((transaction) => transaction.user.delete({ where: { id: gone } }));
    expect(await watched[0]?.next()).toEqual({ done: true, value: undefined });
    expect(errors).toEqual([]);
  });
});
