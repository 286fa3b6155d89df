import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import type { Database, Queryable } from '../../src/db/database.ts';
import { isHeldUp, isUnavailable } from '../../src/db/faults.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { QUERY_TIMEOUT_MS } from '../../src/db/postgres-pool.ts';
import { sql } from '../../src/db/sql.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

async function newDatabase(): Promise<string> {
  const { url, drop } = await createOnServer(postgres.url);
  onTestFinished(drop);
  await migrate(url);
  return url;
}

async function open(url: string): Promise<Database> {
  const database = await openDatabase(url);
  onTestFinished(() => database.close());
  return database;
}

const readOne = ({ reader }: Database) => reader.$queryRaw(sql`SELECT 1 AS one`);

/** In milliseconds. */
async function timeOuts(queryable: Queryable) {
  const [row] = await queryable.$queryRaw<{ lock: number; statement: number; silence: number }[]>(sql`
    SELECT max(setting::int) FILTER (WHERE name = 'lock_timeout') AS lock,
      max(setting::int) FILTER (WHERE name = 'statement_timeout') AS statement,
      max(setting::int) FILTER (WHERE name = 'idle_in_transaction_session_timeout') AS silence
    FROM pg_settings`);
  return row;
}

describe('nothing in Postgres is waited for without end', () => {
  test('not a lock, a statement or a silent transaction, wherever the statement is sent', async () => {
    const database = await open(await newDatabase());
    const expected = { lock: 2_000, statement: 8_000, silence: 5_000 };
    expect(await timeOuts(database.reader)).toEqual(expected);
    expect(await database.transaction(timeOuts)).toEqual(expected);
    expect(await database.change(async (reading) => ({ answer: await timeOuts(reading), writes: [] }))).toEqual(
      expected,
    );
    const brief = database.change(async (reading) => ({ answer: await timeOuts(reading), writes: [] }), {
      lockWaitMs: 70,
    });
    expect(await brief).toEqual({ ...expected, lock: 70 });
    // pg itself gives up after Postgres has had its chance to say why.
    expect(QUERY_TIMEOUT_MS).toBeGreaterThan(expected.statement);
  });

  test('a row that somebody else keeps locked is given up, and the database is not taken for away', async () => {
    const url = await newDatabase();
    const database = await open(url);
    const { id } = await database.transaction((transaction) => transaction.user.create({ data: { id: randomUUID() } }));
    const stranger = new pg.Client(url);
    await stranger.connect();
    onTestFinished(() => stranger.end());
    await stranger.query('BEGIN');
    await stranger.query('SELECT 1 FROM "user" WHERE id = $1 FOR UPDATE', [id]);
    const begun = performance.now();
    const changed = database.transaction((transaction) =>
      transaction.user.update({ where: { id }, data: { firstName: 'Ada' } }),
    );
    expect(await changed.catch(isHeldUp)).toBe(true);
    expect(performance.now() - begun).toBeLessThan(6_000);
  });

  test('a network that swallows everything: others go on over new connections, and who waits is told', async () => {
    const proxy = await startFaultyProxy(await newDatabase());
    onTestFinished(() => proxy.close());
    const database = await open(proxy.url);
    await Promise.all([1, 2, 3, 4].map(() => database.reader.$queryRaw(sql`SELECT 1 AS one FROM pg_sleep(0.1)`)));
    expect(proxy.blackHole()).toBe(4);
    const lost = readOne(database).catch(isUnavailable);
    await expect.poll(() => proxy.open, { timeout: 6_000 }).toBe(1); // long before pg closes what is idle
    const begun = performance.now();
    expect(await readOne(database)).toEqual([{ one: 1 }]);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(await lost).toBe(true);
  });

  test('nor a change that cannot even begin, whose statements would be waited for longer', async () => {
    const proxy = await startFaultyProxy(await newDatabase());
    onTestFinished(() => proxy.close());
    const database = await open(proxy.url);
    const change = () =>
      database.change(async (reading) => ({ answer: await reading.$queryRaw(sql`SELECT 1 AS one`), writes: [] }));
    expect(await change()).toEqual([{ one: 1 }]);
    expect(proxy.blackHole()).toBe(1);
    const begun = performance.now();
    expect(await change().catch(isUnavailable)).toBe(true);
    expect(performance.now() - begun).toBeLessThan(QUERY_TIMEOUT_MS - 2_000);
    expect(await change()).toEqual([{ one: 1 }]);
  });
});
