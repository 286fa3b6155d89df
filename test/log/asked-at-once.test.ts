import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import type { StatementReport } from '../../src/db/watch-statements.ts';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { defaultLimits } from '../../src/limits.ts';
import { LogReads } from '../../src/log/log-reads.ts';
import { Users } from '../../src/users/users.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { numberedUser, writeHistories } from '../support/long-history.ts';

let database: Database;
let testDatabase: TestDatabase;
const statements: StatementReport[] = [];
let users: Users;
let reads: LogReads;

/** Users 1 to 10,000, of whom each of the first forty has as many events as the number says. */
beforeAll(async () => {
  testDatabase = await createDatabase();
  await migrate(testDatabase.url);
  database = await openDatabase(testDatabase.url, { observe: (report) => statements.push(report) });
  const histories = Array.from({ length: 40 }, (_, index) => ({ user: index + 1, events: index + 1 }));
  await writeHistories(database, { first: 1, last: 10_000 }, [...histories, { user: 50, events: 600 }]);
  users = new Users({ database, limits: defaultLimits, clock: Date.now, wakeUps: new WakeUps() });
  reads = new LogReads(database);
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

async function statementsOf(work: () => Promise<void>): Promise<number> {
  statements.length = 0;
  await work();
  return statements.length;
}

describe('what many ask for at once, each for its own', () => {
  for (const many of [1_001, 10_000])
    test(`${many} users are found with a statement for each thousand, and who does not exist is not found`, async () => {
      const ids = [...Array.from({ length: many - 1 }, (_, index) => numberedUser(index + 1)), randomUUID()];
      const taken = await statementsOf(async () => {
        const found = await Promise.all(ids.map((id) => users.byIds([id])));
        expect(found.map((each) => each.map(({ id }) => id))).toEqual([...ids.slice(0, -1).map((id) => [id]), []]);
      });
      expect(taken).toBe(Math.ceil(many / 1_000));
    });

  test('the ends of a log are found with one statement for all who follow another, or the same one', async () => {
    const ids = [1, 2, 2, 3, 40].map(numberedUser);
    const taken = await statementsOf(async () => {
      const found = await Promise.all([...ids, randomUUID()].map((id) => reads.find(id)));
      expect(found.map((log) => log?.headSequence)).toEqual([1, 2, 2, 3, 40, undefined]);
    });
    expect(taken).toBe(1);
  });

  test('ranges of logs are read with a statement for many who ask, and each is told its own', async () => {
    const asked = Array.from({ length: 20 }, (_, index) => [
      { userId: numberedUser(index + 1), after: 0, upTo: 50 },
      { userId: numberedUser(40), after: index, upTo: index + 2 },
    ]);
    const taken = await statementsOf(async () => {
      const answers = await Promise.all(asked.map((ranges) => reads.ranges(ranges)));
      for (const [index, answer] of answers.entries()) {
        const sequences = [0, 1].map((at) =>
          answer.flatMap(({ event, page }) => (page === at ? [event.sequence] : [])).sort((a, b) => a - b),
        );
        expect(sequences).toEqual([Array.from({ length: index + 1 }, (_, place) => place + 1), [index + 1, index + 2]]);
        expect(new Set(answer.map(({ event }) => event.userId))).toEqual(
          new Set([numberedUser(index + 1), numberedUser(40)]),
        );
      }
    });
    expect(taken).toBe(database.kind === 'sqlite' ? 3 : 1);
  });

  test('whoever asks for much has a statement alone, and holds up nobody', async () => {
    const much = [
      { userId: numberedUser(50), after: 0, upTo: 200 },
      { userId: numberedUser(50), after: 599, upTo: 600 },
    ];
    const little = [{ userId: numberedUser(50), after: 0, upTo: 200 }];
    const taken = await statementsOf(async () => {
      const answers = await Promise.all([much, little, little, much].map((ranges) => reads.ranges(ranges)));
      expect(answers.map(({ length }) => length)).toEqual([201, 200, 200, 201]);
    });
    expect(taken).toBe(3);
  });
});
