import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { memoryLog } from '../support/memory-log.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';
import { hasProgram } from '../support/program.ts';
import { startServer } from '../support/server.ts';

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** An empty database, straight and through a PgBouncer with three server connections for everybody. */
async function behindPgBouncer(mode: 'session' | 'transaction' | 'statement') {
  const database = await createOnServer(postgres.url);
  onTestFinished(database.drop);
  const size = mode === 'session' ? 40 : 3;
  const bouncer = await startPgBouncer(postgres.url, mode, { default_pool_size: size });
  return { url: bouncer.urlOf(database.url), direct: database.url };
}

/** Runs statements on a connection to Postgres itself. */
async function onPostgres(url: string, ...statements: string[]): Promise<pg.QueryResult | undefined> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    let result: pg.QueryResult | undefined;
    for (const statement of statements) result = await client.query(statement);
    return result;
  } finally {
    await client.end();
  }
}

describe.runIf(hasProgram('pgbouncer'))('behind PgBouncer', () => {
  test.each(['session', 'transaction'] as const)(
    'in %s mode two instances start at once, record, read and follow',
    async (mode) => {
      const { url, direct } = await behindPgBouncer(mode);
      const start = () => startServer({ database: { url, drop: async () => {} } });
      const [one, other] = await Promise.all([start(), start()]);
      onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => {}));
      const users = await Promise.all(Array.from({ length: 8 }, () => one.user()));
      const batches = users.flatMap((userId) => [one, other].map((server) => server.record({ userId }, { userId })));
      await Promise.all(batches);
      for (const server of [one, other])
        for (const userId of users) {
          const { data } = await server.graphql(
            'query ($id: UUID!) { user(id: $id) { headCursor recentSyncEvents(limit: 9) { sequence timestamp recordedAt } } }',
            { id: userId },
          );
          expect(data.user).toMatchObject({ headCursor: '4', recentSyncEvents: { length: 4 } });
          for (const { recordedAt } of data.user.recentSyncEvents)
            expect(Math.abs(Date.parse(recordedAt) - Date.now())).toBeLessThan(60_000); // and not in another time zone
        }
      // Whatever others do on the same sessions finds them as they were.
      const left = await onPostgres(
        direct,
        "SELECT count(*)::int AS held FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
      );
      expect(left?.rows).toEqual([{ held: 0 }]);
    },
  );

  test('in transaction mode nothing is left set on the sessions that others use as well', async () => {
    const { url } = await behindPgBouncer('transaction');
    const read = async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const seen = new Set<string>();
      for (let turn = 0; turn < 10; turn += 1) {
        const { rows } = await client.query(
          `SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('search_path'), current_setting('lock_timeout')) AS all`,
        );
        seen.add(rows[0].all);
      }
      await client.end();
      return [...seen];
    };
    const before = await read();
    await migrate(url);
    const database = await openDatabase(url);
    onTestFinished(() => database.close());
    await Promise.all(Array.from({ length: 9 }, () => database.reader.user.findMany()));
    expect(await read()).toEqual(before);
  });

  test('in transaction mode every statement has its time-outs and its schema', async () => {
    const { url, direct } = await behindPgBouncer('transaction');
    await onPostgres(direct, 'CREATE SCHEMA app');
    const own = `${url}?schema=app`;
    await migrate(own);
    const database = await openDatabase(own);
    onTestFinished(() => database.close());
    const settings = `SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone'), current_setting('search_path')) AS all`;
    const expected = [{ all: '8s 2s 5s UTC "app"' }];
    const raw = Object.assign([settings], { raw: [settings] });
    expect(await database.reader.$queryRaw(raw)).toEqual(expected);
    expect(await database.transaction((transaction) => transaction.$queryRaw(raw))).toEqual(expected);
    const change = database.change(async (reading) => ({ answer: await reading.$queryRaw(raw), writes: [] }));
    expect(await change).toEqual(expected);
    const impatient = database.change(async (reading) => ({ answer: await reading.$queryRaw(raw), writes: [] }), {
      lockWaitMs: 250,
    });
    expect(await impatient).toEqual([{ all: '8s 250ms 5s UTC "app"' }]);
    // What is written together fails together.
    const write = (text: string, value: string) => ({ text, rows: [[value]] });
    const writes = [
      write(`INSERT INTO "user" (id, created_at) VALUES ($1, now())`, '0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001'),
      write('SELECT $1::int', 'no number'),
    ];
    await expect(database.change(async () => ({ answer: 0, writes }), { lockWaitMs: 100 })).rejects.toThrow(
      'no number',
    );
    expect(await database.reader.user.count()).toBe(0);
    const tables = await onPostgres(
      direct,
      "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
    );
    expect(tables?.rows).toEqual([{ table_schema: 'app' }]);
  });

  test('in transaction mode the log says why wake-ups fail, and DATABASE_DIRECT_URL makes them work', async () => {
    const { url, direct } = await behindPgBouncer('transaction');
    const { logger, about } = memoryLog();
    const database = { url, drop: async () => {} };
    const pooled = await startServer({ database, logger });
    onTestFinished(() => pooled.close());
    await expect.poll(() => about('DATABASE_DIRECT_URL')).toHaveLength(1);

    const straight = memoryLog();
    const settings = { DATABASE_DIRECT_URL: direct };
    const server = await startServer({ database, settings, logger: straight.logger });
    onTestFinished(() => server.close());
    await server.record({ userId: await server.user() });
    const listening = () =>
      onPostgres(
        direct,
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'synclog doorbell' AND query LIKE '%pg_notify%' AND datname = current_database()",
      );
    await expect.poll(async () => (await listening())?.rowCount).toBeGreaterThan(0);
    expect(straight.about('wake-ups')).toEqual([]);
  });

  test('in statement mode the server does not start, and says in one line why', async () => {
    const { url } = await behindPgBouncer('statement');
    await expect(migrate(url)).rejects.toThrow(/^[^\n]*(statement pooling|transaction blocks)[^\n]*$/i);
  });
});

describe('while another instance migrates', () => {
  test('the start waits and says so, and goes on once the other is gone, however it went', async () => {
    const database = await createOnServer(postgres.url);
    onTestFinished(database.drop);
    const other = new pg.Client({ connectionString: database.url });
    other.on('error', () => {});
    await other.connect();
    await other.query('SELECT pg_advisory_lock($1)', [0x73796e63]); // as an older release takes it
    const said: number[] = [];
    const migrated = migrate(database.url, undefined, {
      onWait(seconds) {
        said.push(seconds);
        if (said.length === 2)
          void onPostgres(postgres.url, `SELECT pg_terminate_backend(${Reflect.get(other, 'processID')})`);
      },
    });
    expect((await migrated).length).toBeGreaterThan(0);
    expect(said).toEqual([5, 10]);
  });
});
