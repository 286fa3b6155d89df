import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { rawSql, type Sql, sql } from '../../src/db/sql.ts';
import { WakeUps } from '../../src/instances/wake-ups.ts';
import { defaultLimits } from '../../src/limits.ts';
import { startFillingSearchTexts } from '../../src/users/fill-search-texts.ts';
import { textsOf } from '../../src/users/search-text.ts';
import { Users } from '../../src/users/users.ts';
import { openNewDatabase } from '../support/database.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

async function find(search: string, on = server): Promise<string[]> {
  const { data, errors } = await on.graphql(
    'query ($search: String) { users(first: 100, search: $search) { edges { node { id } } } }',
    { search },
  );
  expect(errors).toEqual([]);
  return data.users.edges.map(({ node }: { node: { id: string } }) => node.id);
}

/** Fills users once, after `meanwhile`, which runs when they have been read. @returns how many it has filled */
async function fillAfter(database: Database, meanwhile: () => Promise<unknown>): Promise<number> {
  let stop = async () => {};
  try {
    return await new Promise<number>((filled, failed) => {
      stop = startFillingSearchTexts(
        {
          ...{ kind: database.kind, reader: database.reader },
          async transaction(work) {
            await meanwhile();
            const result = await database.transaction(work);
            filled(Number(result));
            return result;
          },
        },
        failed,
      );
    });
  } finally {
    await stop();
  }
}

const uuidOf = ({ kind }: Database) => rawSql(kind === 'postgresql' ? 'uuid' : 'text');

const composed = (text: string) => text.normalize('NFC');
const apart = (text: string) => text.normalize('NFD');

describe('a search finds a name', () => {
  test.each([
    ['in another case', 'Ömer', ['ömer', 'ÖMER', 'öMEr', 'me']],
    ['whose accents are written apart', apart('Zoë'), [composed('zoë'), apart('ZOË'), composed('oË')]],
    ['whose accents are sought apart', composed('Łódź Ångström'), [apart('łódź'), apart('ÅNGSTRÖM'), 'Łódź å']],
    [
      'with a dotted İ or a dotless ı',
      'İlkay Işık',
      ['ilkay', 'İLKAY', 'ILKAY', 'ışık', 'IŞIK', 'işık', apart('İlkay')],
    ],
    ['with ß', 'Strauß', ['STRAUSS', 'strauß', 'STRAUẞ', 'Strauss', 'sS']],
    ['with ss', 'Weiss', ['weiß', 'WEIẞ', 'WEISS']],
    ['with a sigma at an end', 'Οδυσσεύς', ['οδυσσεύσ', 'ΟΔΥΣΣΕΎΣ', 'ΔΥΣς', apart('οδυσσεύς')]],
    ['in upper-case Greek', 'ΣΊΣΥΦΟΣ', ['σίσυφος', 'σίσυφοσ', 'ΦΟς']],
    ['in Cyrillic', 'Йосип Ёлкин', ['йосип', 'ЁЛКИН', apart('й'), 'п ё']],
    ['in full-width letters', 'Ｔａｎａｋａ', ['tanaka', 'ＴＡＮＡＫＡ', 'naka']],
    ['by full-width letters', 'Suzuki', ['ｓｕｚｕ', 'ＫＩ']],
    ['with a ligature', 'Steﬃe', ['steffie', 'STEFFI']],
    [
      'with other blanks',
      'Ana\u00a0 Maria\u3000Silva',
      ['ana maria', 'MARIA SILVA', 'a\t m', ' ana ', '\u3000silva\n'],
    ],
    ['with characters that mean something to a database', '100%_\\ \'";--', ['%_\\', '0%', "\\ '", '";--', '_']],
    ['with an emoji', 'Kim 👩‍🚀', ['👩‍🚀', 'm 👩']],
  ])('%s', async (_, name, searches) => {
    const inEach = await Promise.all([
      server.user({ firstName: name }),
      server.user({ lastName: name }),
      server.user({ email: name }),
      server.user({ externalUserId: name }),
    ]);
    for (const search of searches) {
      const found = await find(search);
      expect({ search, found: inEach.filter((id) => found.includes(id)) }).toEqual({ search, found: inEach });
    }
  });
});

describe('a search does not find', () => {
  test('a name without its accents, nor one that another text of the user only completes', async () => {
    const id = await server.user({ firstName: 'Jürgen', lastName: 'Müller', email: 'x\u001fy@example.org' });
    for (const search of ['jurgen', 'muller', 'juergen', 'nmü', 'jürgenmüller', '\u001f', 'orgj'])
      expect({ search, found: (await find(search)).includes(id) }).toEqual({ search, found: search === '\u001f' });
  });

  test('a text that the user has had before', async () => {
    const id = await server.user({ firstName: 'Früher', externalUserId: 'platform-1' });
    const change = (input: object) =>
      server.graphql('mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { id } }', { input });
    await change({ id, firstName: 'Später' });
    expect([await find('FRÜHER'), await find('SPÄTER')]).toEqual([[], [id]]);
    await change({ externalUserId: 'platform-1', firstName: null });
    expect([await find('SPÄTER'), await find('PLATFORM-1')]).toEqual([[], [id]]);
  });
});

test('a search for nothing but blanks is none', async () => {
  const all = await find('');
  expect(await find(' \t\u00a0\u3000\n')).toEqual(all);
  expect(all.length).toBeGreaterThan(0);
});

describe('while an earlier release writes beside this one', () => {
  /** Statements as an instance of that release sends them: it knows nothing of what a search looks through. */
  function earlierRelease(database: Database) {
    const run = (statement: Sql) => database.transaction((transaction) => transaction.$executeRaw(statement));
    return {
      async make(firstName: string): Promise<string> {
        const id = crypto.randomUUID();
        await run(sql`INSERT INTO "user" (id, first_name) VALUES (CAST(${id} AS ${uuidOf(database)}), ${firstName})`);
        return id;
      },
      rename: (id: string, firstName: string) =>
        run(sql`UPDATE "user" SET first_name = ${firstName} WHERE id = CAST(${id} AS ${uuidOf(database)})`),
    };
  }

  async function startBesideEarlier() {
    const other = await startServer();
    onTestFinished(() => other.close());
    return { other, ...earlierRelease(other.app.services.database) };
  }

  test('the users whom it makes are found by the letters that the database knows, in either case', async () => {
    const { other, make } = await startBesideEarlier();
    const id = await make('Émile Zola');
    for (const search of ['émile', 'ÉMILE', 'Émile', 'ÉMILE ZOLA', 'zOLA'])
      expect({ search, found: await find(search, other) }).toEqual({ search, found: [id] });
  });

  test('a user whom it renames is found by the new name alone, and by every letter of it later on', async () => {
    const { other, rename } = await startBesideEarlier();
    const id = await other.user({ firstName: 'Früher' });
    await rename(id, 'Weiß');
    expect(await find('FRÜHER', other)).toEqual([]);
    expect(await find('weiß', other)).toEqual([id]);
    await other.restart();
    await expect.poll(() => find('WEISS', other)).toEqual([id]);
    expect(await find('FRÜHER', other)).toEqual([]);
  });

  // Without a server, as what that fills by itself might come first.
  test('a name that it changes while the user is filled is not taken for the one that was read', async () => {
    const { database } = await openNewDatabase();
    const { make, rename } = earlierRelease(database);
    const id = await make('Früher');
    expect(await fillAfter(database, () => rename(id, 'Weiß'))).toBe(0);
    const users = new Users({ database, wakeUps: new WakeUps(), limits: defaultLimits, clock: Date.now });
    const found = async (search: string) =>
      (await users.list({ visible: { kind: 'all' }, search, limit: 9, fromEnd: false })).map((user) => user.id);
    expect(await found('FRÜHER')).toEqual([]);
    expect(await found('weiß')).toEqual([id]);
  });

  test('a user whom another instance fills meanwhile is not written again', async () => {
    const { database } = await openNewDatabase();
    await earlierRelease(database).make('Weiß');
    let filledMeanwhile = 0;
    const filled = await fillAfter(database, async () => {
      filledMeanwhile = await fillAfter(database, async () => {});
    });
    expect({ filledMeanwhile, filled }).toEqual({ filledMeanwhile: 1, filled: 0 });
  });
});

test('users of an earlier release are found by every letter once they are filled in, after any start', async () => {
  const other = await startServer();
  onTestFinished(() => other.close());
  const ids = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      other.user({ firstName: `Weiß ${index}`, email: `Person${index}@example.org` }),
    ),
  );
  await other.app.services.database.transaction((transaction) =>
    transaction.user.updateMany({ data: { searchText: null, foldedFrom: null } }),
  );
  expect(await find('PERSON7@', other)).toEqual([ids[7]]);
  expect(await find('WEISS 7', other)).toEqual([]);
  await other.restart();
  await expect.poll(async () => (await find('WEISS', other)).length).toBe(ids.length);
  expect(await find('WEISS 7', other)).toEqual([ids[7]]);
});

async function planOf({ kind, reader }: Database, statement: string): Promise<string> {
  const nothing = Array.from(statement.matchAll(/\?/g), () => null);
  const steps = await (kind === 'sqlite'
    ? reader.$queryRawUnsafe<{ detail: string }[]>(`EXPLAIN QUERY PLAN ${statement}`, ...nothing)
    : reader.$queryRawUnsafe<{ 'QUERY PLAN': string }[]>(`EXPLAIN (GENERIC_PLAN) ${statement}`));
  return steps.map((step) => ('detail' in step ? step.detail : step['QUERY PLAN'])).join('\n');
}

test('of 20,000 users, an index leads to those who are to be filled, whatever the database knows of them', async () => {
  const { database, statements } = await openNewDatabase();
  const run = (statement: Sql) => database.transaction((transaction) => transaction.$executeRaw(statement));
  if (database.kind === 'postgresql') await run(sql`ALTER TABLE "user" SET (autovacuum_enabled = off)`);
  const users = new Users({ database, wakeUps: new WakeUps(), limits: defaultLimits, clock: Date.now });
  const ids = Array.from({ length: 20_000 }, () => crypto.randomUUID());
  for (const some of [ids.slice(0, 10_000), ids.slice(10_000)])
    await users.ensure(new Map(some.map((id) => [id, new Date()])));

  await users.list({ visible: { kind: 'all' }, search: 'zoë', limit: 9, fromEnd: false });
  const searches = statements.filter((statement) => statement.includes('u.search_text'));
  expect(searches.length).toBeGreaterThan(1);
  async function expectIndexInSearches(known: string) {
    for (const search of searches) {
      const plan = await planOf(database, search);
      expect(plan, known).toMatch(/(SEARCH u USING INDEX|Index Scan Backward using) user_to_fold_idx/);
      expect(plan, known).not.toMatch(/SCAN u$|Seq Scan on "user" u_/m);
    }
  }
  await expectIndexInSearches('nothing');
  await run(sql`UPDATE "user" SET folded_from = NULL`);
  await run(sql`ANALYZE`);
  await run(sql`UPDATE "user" AS u SET folded_from = ${textsOf(database.kind)}`);
  await expectIndexInSearches('what was true before they were filled');
  await run(sql`ANALYZE`);
  await expectIndexInSearches('what is true');

  await run(sql`UPDATE "user" SET folded_from = NULL WHERE id = CAST(${ids[0]} AS ${uuidOf(database)})`);
  statements.length = 0;
  expect(await fillAfter(database, async () => {})).toBe(1);
  const look = await planOf(database, statements[0] ?? '');
  expect(look).toMatch(/(SEARCH u USING INDEX|Index Scan using) user_to_fold_idx/);
});

test('of 10,000 users, a search looks at all with two statements', async () => {
  const statements: string[] = [];
  const other = await startServer({ onStatement: ({ sql }) => statements.push(sql) });
  onTestFinished(() => other.close());
  const { users } = other.app.services;
  const ids = Array.from({ length: 10_000 }, () => crypto.randomUUID());
  await users.ensure(new Map(ids.map((id) => [id, new Date()])));
  const last = await other.user({ firstName: 'Zoë' });
  for (const [search, expected] of [
    ['ZOË', [last]],
    ['nobody', []],
  ] as const) {
    statements.length = 0;
    expect(await find(search, other)).toEqual(expected);
    const ofSearch = statements.filter((sql) => /FROM "user" u/.test(sql));
    expect(ofSearch.length).toBeLessThanOrEqual(4);
  }
});
