import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import type { Page } from '../../src/lib/page.ts';
import { defaultLimits } from '../../src/limits.ts';
import type { EventPageRequest } from '../../src/log/event-pages.ts';
import type { SyncEventFilter } from '../../src/log/filter.ts';
import { LogReads } from '../../src/log/log-reads.ts';
import { filterBounds } from '../../src/log/read-filtered.ts';
import { readPages } from '../../src/log/read-pages.ts';
import { type RunPageRequest, Runs } from '../../src/runs/runs.ts';
import { Quarantine } from '../../src/sources/quarantine.ts';
import { type UserKey, Users } from '../../src/users/users.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { numberedUser, seenAt, startOfHistories, writeHistories, writeQuarantine } from '../support/long-history.ts';
import { mulberry32 } from '../support/seeded.ts';
import { expectBoundedWalks } from '../support/walked-rows.ts';

/** Rows that one statement may look at: what it walks, and as much as it returns. */
const bound = 20_000 + 1_000;

/** Where the run with this number stands in the list of the long log's runs. */
const runAt = (number: number) => ({
  userId: numberedUser(1),
  runId: `run_${number}`,
  lastEventAt: new Date(startOfHistories + (number + 1) * 5_000),
});

/** When the event with this sequence was recorded. */
const recordedAt = (sequence: number) => new Date(startOfHistories + sequence * 1_000);

/** Where the user with this number stands in the list of users. */
const userAt = (number: number) => ({ id: numberedUser(number), createdAt: new Date(startOfHistories + number) });

describe('reads of long histories', () => {
  let file: TestDatabase;
  let database: Database;
  const statements: StatementReport[] = [];
  const long = { userId: numberedUser(1), headSequence: 150_000, tailSequence: 1 };
  const ofLongTexts = { userId: numberedUser(51), headSequence: 1_000, tailSequence: 1 };

  beforeAll(async () => {
    file = await createDatabase();
    await migrate(file.url);
    database = await openDatabase(file.url, { observe: (report) => statements.push(report) });
    const others = Array.from({ length: 50 }, (_, n) => ({ user: n + 2, events: 1_000 }));
    await writeHistories(database, { first: 1, last: 30_000 }, [{ user: 1, events: 150_000 }, ...others]);
    await writeQuarantine(database, 'a source', 50_000);
    const error = 'x'.repeat(defaultLimits.errorLength);
    await database.transaction(
      (transaction) =>
        transaction.$executeRaw`UPDATE sync_event SET error = ${error} WHERE user_id = ${ofLongTexts.userId}`,
    );
  });
  afterAll(async () => {
    await database.close();
    await file.drop();
  });
  beforeEach(() => {
    statements.length = 0;
  });

  const usersOf = (walked?: number) =>
    new Users({ database, limits: defaultLimits, clock: Date.now, wakeUps: new WakeUps(), ...(walked && { walked }) });
  const newest = (filter: SyncEventFilter): EventPageRequest => ({ log: long, filter, limit: 50, fromEnd: true });

  test.each<[string, EventPageRequest, { events: number; statements: number }]>([
    ['of nobody', newest({ providers: ['nobody'] }), { events: 0, statements: 2 }],
    ['that there are none of', newest({ statuses: ['failed'], stages: ['completed'] }), { events: 0, statements: 2 }],
    ['that there are many of', newest({ statuses: ['success'] }), { events: 50, statements: 1 }],
    ['of one run', newest({ runId: 'run_70' }), { events: 5, statements: 1 }],
    ['of one run with a status', newest({ runId: 'run_70', statuses: ['success'] }), { events: 1, statements: 2 }],
    ['from the oldest', { ...newest({ sources: ['sdk'] }), fromEnd: false }, { events: 0, statements: 2 }],
    [
      'of a time of recording',
      newest({ recordedSince: recordedAt(70_000), recordedUntil: recordedAt(70_040) }),
      { events: 40, statements: 2 },
    ],
    [
      'of a time of recording with a status',
      newest({ recordedSince: recordedAt(70_000), recordedUntil: recordedAt(70_040), statuses: ['success'] }),
      { events: 8, statements: 2 },
    ],
    ['that were recorded later than all', newest({ recordedSince: recordedAt(150_001) }), { events: 0, statements: 1 }],
    [
      'that happened after all',
      { ...newest({ since: recordedAt(150_001) }), after: 1_000 },
      { events: 0, statements: 60 },
    ],
    [
      'that happened at a time of a time of recording',
      newest({ since: recordedAt(70_000), recordedUntil: recordedAt(70_040), recordedSince: recordedAt(69_000) }),
      { events: 40, statements: 3 },
    ],
    ['with a text that none has', { ...newest({ search: 'nothing' }), after: 1_000 }, { events: 0, statements: 60 }],
    ['with a text that the newest have', newest({ search: 'RUN_2999' }), { events: 50, statements: 2 }],
    ['of one run with a text', newest({ search: '_70', runId: 'run_70' }), { events: 5, statements: 2 }],
    ['between two', { ...newest({ sources: ['sdk'] }), after: 20_000, before: 60_001 }, { events: 0, statements: 2 }],
  ])('events %s are found in few statements', async (_, request, cost) => {
    const [events] = await readPages(new LogReads(database), [request]);
    expect({ events: events?.length, statements: statements.length }).toEqual(cost);
    await expectBoundedWalks(database, file.url, statements, bound);
  });

  test.each<[string, SyncEventFilter, { kinds: number }, { events: number; statements: number }]>([
    ['that match is read kind by kind', { statuses: ['success'] }, { kinds: 4 }, { events: 50, statements: 3 }],
    [
      'is walked to its end if it has too many kinds',
      { sources: ['sdk'] },
      { kinds: 3 },
      { events: 0, statements: 1_501 },
    ],
  ])('what is beyond the first piece of a log %s', async (_, filter, { kinds }, cost) => {
    const [events] = await readPages(new LogReads(database), [newest(filter)], {
      ...filterBounds,
      nearest: 100,
      walked: 100,
      kinds,
    });
    expect({ events: events?.length, statements: statements.length }).toEqual(cost);
    await expectBoundedWalks(database, file.url, statements.slice(0, 20), 500);
  });

  test('the longer the texts are, the fewer of them a statement looks through', async () => {
    const request = { ...newest({ search: 'nothing' }), log: ofLongTexts };
    const [events] = await readPages(new LogReads(database), [request]);
    // A statement looks through as much as 5,000 events without texts, of which each weighs as much as 500 bytes.
    const pieces = Math.ceil(1_000 / Math.ceil((5_000 * 500) / (500 + defaultLimits.errorLength)));
    expect({ events, statements: statements.length }).toEqual({ events: [], statements: 2 * pieces });
  });

  test('pages of a hundred logs share what a statement looks through', async () => {
    const requests = Array.from({ length: 50 }, (_, n) => ({
      ...newest({ statuses: ['failed'] }),
      log: { userId: numberedUser(n + 2), headSequence: 1_000, tailSequence: 1 },
    }));
    expect(await readPages(new LogReads(database), [...requests, newest({ statuses: ['success'] })])).toHaveLength(51);
    expect(statements).toHaveLength(5);
    await expectBoundedWalks(database, file.url, statements, bound);
  });

  test('the size of the pieces does not show in pages of events', async () => {
    const random = mulberry32(7);
    const below = (most: number) => Math.floor(random() * most);
    const some = <T>(all: readonly T[]) => (random() < 0.6 ? undefined : all.filter(() => random() < 0.5));
    const requests = Array.from({ length: 200 }, () => ({
      log: { userId: numberedUser(2 + below(50)), headSequence: below(400), tailSequence: 1 + below(200) },
      filter: {
        runId: random() < 0.3 ? `run_${below(60)}` : undefined,
        providers: some(['garmin', 'nobody']),
        stages: some(['completed', 'fetching', 'queued']),
        statuses: some(['success', 'failed']),
      },
      limit: 1 + below(60),
      fromEnd: random() < 0.5,
      after: random() < 0.3 ? below(300) : undefined,
      before: random() < 0.3 ? below(400) : undefined,
    }));
    const whole = await readPages(new LogReads(database), requests, {
      nearest: Number.MAX_SAFE_INTEGER,
      walked: Number.MAX_SAFE_INTEGER,
      weighed: Number.MAX_SAFE_INTEGER,
      kinds: 0,
      found: 1,
    });
    expect(new Set(whole.map((events) => Math.min(events.length, 9))).size).toBeGreaterThan(5);
    const firstThree = requests.slice(0, 3);
    for (const kinds of [0, 4, 100]) {
      for (const walked of [300, 5_000])
        expect(
          await readPages(new LogReads(database), requests, { ...filterBounds, nearest: walked, walked, kinds }),
        ).toEqual(whole);
      for (const walked of [1, 10, 300])
        expect(
          await readPages(new LogReads(database), firstThree, { ...filterBounds, nearest: walked, walked, kinds }),
        ).toEqual(whole.slice(0, 3));
    }
  });

  const ofLong = { visible: { kind: 'all' }, now: Date.now(), limit: 51, fromEnd: false } as const;
  test.each<[string, Omit<RunPageRequest, keyof typeof ofLong>, { runs: number; statements: number }]>([
    ['of a provider that never synced', { filter: { providers: ['nobody'] } }, { runs: 0, statements: 6 }],
    ['that failed', { filter: { statuses: ['failed'], sources: ['pull'] } }, { runs: 0, statements: 6 }],
    ['after another one', { filter: { sources: ['sdk'] }, after: runAt(15_000) }, { runs: 0, statements: 4 }],
    ['of any of two providers', { filter: { providers: ['oura', 'garmin'] } }, { runs: 51, statements: 2 }],
    ['that have ended', { filter: { health: ['ended'] } }, { runs: 51, statements: 1 }],
    ['of all kinds', { filter: {} }, { runs: 51, statements: 1 }],
    [
      'that happened in a time',
      { filter: { since: recordedAt(5_000), until: recordedAt(5_050) } },
      { runs: 10, statements: 1 },
    ],
    ['that were recorded after all', { filter: { recordedSince: recordedAt(150_001) } }, { runs: 0, statements: 22 }],
    ['with a text that none has', { filter: { search: 'nothing' } }, { runs: 0, statements: 22 }],
    ['that were recorded before all', { filter: { recordedUntil: recordedAt(1) } }, { runs: 0, statements: 2 }],
  ])('runs of one user %s are looked for in pieces', async (_, request, cost) => {
    const runs = new Runs({ database });
    const filter = { ...request.filter, userId: long.userId };
    const [found] = await runs.list([{ ...ofLong, ...request, filter }]);
    expect({ runs: found?.length, statements: statements.length }).toEqual(cost);
    const [ofViewer] = await runs.list([{ ...ofLong, ...request, visible: { kind: 'one', userId: long.userId } }]);
    expect(ofViewer).toEqual(found);
    await expectBoundedWalks(database, file.url, statements, bound);
  });

  test('the size of the pieces does not show in pages of runs', async () => {
    const random = mulberry32(8);
    const below = (most: number) => Math.floor(random() * most);
    const some = <T>(all: readonly T[]) => (random() < 0.5 ? undefined : all.filter(() => random() < 0.5));
    const requests = Array.from({ length: 60 }, () => {
      const userId = numberedUser(2 + below(10));
      const place = () => (random() < 0.3 ? { ...runAt(below(220)), userId } : undefined);
      return {
        ...({ visible: { kind: 'all' }, now: startOfHistories + below(3_000_000), limit: 1 + below(40) } as const),
        ...{ fromEnd: random() < 0.5, after: place(), before: place() },
        filter: {
          userId: random() < 0.9 ? userId : undefined,
          providers: some(['garmin', 'nobody']),
          statuses: some(['success', 'in_progress', 'failed']),
          health: some(['active', 'quiet', 'stalled', 'ended'] as const),
        },
      };
    });
    const whole = await new Runs({ database, walked: Number.MAX_SAFE_INTEGER }).list(requests);
    expect(new Set(whole.map((runs) => Math.min(runs.length, 9))).size).toBeGreaterThan(5);
    for (const walked of [1_800, 12_000]) expect(await new Runs({ database, walked }).list(requests)).toEqual(whole);
  });

  const newestUsers = { limit: 21, fromEnd: false } as const;
  test.each<[string, Page<UserKey>, string, { users: number; statements: number }]>([
    ['that nobody has', newestUsers, 'nobody@', { users: 0, statements: 8 }],
    ['that the oldest one has', newestUsers, 'person1@', { users: 1, statements: 8 }],
    ['that the newest one has', newestUsers, 'PERSON30000@', { users: 1, statements: 8 }],
    ['that many have', newestUsers, 'First2', { users: 21, statements: 2 }],
    ['that many have, from the end', { ...newestUsers, fromEnd: true }, 'First1', { users: 21, statements: 2 }],
    [
      'that nobody after a cursor has',
      { ...newestUsers, after: userAt(15_000) },
      'nobody@',
      { users: 0, statements: 4 },
    ],
    ['in an empty search', newestUsers, '', { users: 21, statements: 1 }],
  ])('users with a text %s are looked for in pieces', async (_, page, search, cost) => {
    const users = await usersOf().list({ visible: { kind: 'all' }, search, ...page });
    expect({ users: users.length, statements: statements.length }).toEqual(cost);
    await expectBoundedWalks(database, file.url, statements, bound);
  });

  test('the size of the pieces does not show in pages of users', async () => {
    const random = mulberry32(9);
    const below = (most: number) => Math.floor(random() * most);
    for (let round = 0; round < 20; round += 1) {
      const place = () => (random() < 0.4 ? userAt(1 + below(30_000)) : undefined);
      const page = { limit: 1 + below(20), fromEnd: random() < 0.5, after: place(), before: place() };
      const search = `t${below(30_000)}`.slice(0, 2 + below(5));
      const request = { visible: { kind: 'all' }, search, ...page } as const;
      const whole = await usersOf(Number.MAX_SAFE_INTEGER).list(request);
      expect(await usersOf(1_000).list(request)).toEqual(whole);
      expect(await usersOf(9_999).list(request)).toEqual(whole);
    }
  });

  test('a page of a long quarantine is entered at its cursor', async () => {
    const quarantine = new Quarantine({ database, limits: defaultLimits, clock: Date.now });
    const keyOf = (number: number) => ({
      firstSeenAt: seenAt(number),
      fingerprint: `f${String(number).padStart(10, '0')}`,
    });
    for (const [page, first, last] of [
      [{ after: keyOf(20_500), fromEnd: false }, 20_499, 20_450],
      [{ before: keyOf(20_500), fromEnd: true }, 20_550, 20_501],
      [{ after: keyOf(40_000), before: keyOf(39_990), fromEnd: false }, 39_999, 39_991],
      [{ fromEnd: true }, 50, 1],
    ] as const) {
      const found = await quarantine.list('a source', { ...page, limit: 50 });
      expect([found[0], found.at(-1)]).toMatchObject([keyOf(first), keyOf(last)]);
    }
    await expectBoundedWalks(database, file.url, statements, 100);
  });
});
