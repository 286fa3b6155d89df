import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import type { SyncEventFilter } from '../../src/log/filter.ts';
import { type EventPageRequest, readPages } from '../../src/log/read-pages.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { numberedUser, writeHistories } from '../support/long-history.ts';
import { mulberry32 } from '../support/seeded.ts';
import { expectBoundedWalks } from '../support/walked-rows.ts';

/** Rows that one statement may look at: what it walks, and as much as it returns. */
const bound = 10_000 + 1_000;

describe('reads of long histories', () => {
  let file: TestDatabase;
  let database: Database;
  const statements: StatementReport[] = [];
  const long = { userId: numberedUser(1), headSequence: 150_000, tailSequence: 1 };

  beforeAll(async () => {
    file = await createDatabase();
    await migrate(file.url);
    database = await openDatabase(file.url, { observe: (report) => statements.push(report) });
    const others = Array.from({ length: 50 }, (_, n) => ({ user: n + 2, events: 1_000 }));
    await writeHistories(database, { first: 1, last: 30_000 }, [{ user: 1, events: 150_000 }, ...others]);
  });
  afterAll(async () => {
    await database.close();
    await file.drop();
  });
  beforeEach(() => {
    statements.length = 0;
  });

  const newest = (filter: SyncEventFilter): EventPageRequest => ({ log: long, filter, limit: 50, fromEnd: true });

  test.each<[string, EventPageRequest, { events: number; statements: number }]>([
    ['of nobody', newest({ providers: ['nobody'] }), { events: 0, statements: 15 }],
    ['that there are none of', newest({ statuses: ['failed'], stages: ['completed'] }), { events: 0, statements: 15 }],
    ['that there are many of', newest({ statuses: ['success'] }), { events: 50, statements: 1 }],
    ['of one run', newest({ runId: 'run_70' }), { events: 5, statements: 1 }],
    ['of one run with a status', newest({ runId: 'run_70', statuses: ['success'] }), { events: 1, statements: 2 }],
    ['from the oldest', { ...newest({ sources: ['sdk'] }), fromEnd: false }, { events: 0, statements: 15 }],
    ['between two', { ...newest({ sources: ['sdk'] }), after: 20_000, before: 60_001 }, { events: 0, statements: 4 }],
  ])('events %s are looked for in pieces', async (_, request, cost) => {
    const [events] = await readPages(database, [request]);
    expect({ events: events?.length, statements: statements.length }).toEqual(cost);
    await expectBoundedWalks(database, file.url, statements, bound);
  });

  test('pages of a hundred logs share what a statement looks through', async () => {
    const requests = Array.from({ length: 50 }, (_, n) => ({
      ...newest({ statuses: ['failed'] }),
      log: { userId: numberedUser(n + 2), headSequence: 1_000, tailSequence: 1 },
    }));
    expect(await readPages(database, [...requests, newest({ statuses: ['success'] })])).toHaveLength(51);
    expect(statements).toHaveLength(6);
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
    const whole = await readPages(database, requests, Number.MAX_SAFE_INTEGER);
    expect(new Set(whole.map((events) => Math.min(events.length, 9))).size).toBeGreaterThan(5);
    for (const walked of [300, 5_000]) expect(await readPages(database, requests, walked)).toEqual(whole);
    const firstThree = requests.slice(0, 3);
    for (const walked of [1, 10, 300]) expect(await readPages(database, firstThree, walked)).toEqual(whole.slice(0, 3));
  });
});
