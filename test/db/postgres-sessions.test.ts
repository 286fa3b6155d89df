import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { startProcess } from '../support/server-process.ts';

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** A connection to a new database, and its URL. */
async function newDatabase(): Promise<{ url: string; client: pg.Client; name: string }> {
  const { url, drop } = await createOnServer(postgres.url);
  onTestFinished(drop);
  return { url, client: await connect(url), name: new URL(url).pathname.slice(1) };
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // the database is dropped with the connection
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

async function serve(url: string): Promise<TestServer> {
  const server = await startServer({ database: { url, drop: async () => {} } });
  onTestFinished(() => server.close());
  return server;
}

const written = {
  ...{ startedAt: '2020-02-03T04:05:06.789Z', timestamp: '2026-11-12T13:14:15.016Z', progress: 0.1 + 0.2 },
  ...{ message: "back\\slash 'quote' NULL é", itemsProcessed: null },
};

/** Records on a server, and reads what it has recorded. */
async function writeAndRead(server: TestServer): Promise<void> {
  const userId = await server.user({ firstName: "O'Neil\\" });
  await server.record({ userId, ...written });
  const { data } = await server.graphql(
    `query ($id: UUID!) { user(id: $id) { firstName recentSyncEvents(limit: 1) {
      startedAt timestamp progress message itemsProcessed
    } syncRuns(first: 1) { edges { node { startedAt progress } } } } }`,
    { id: userId },
  );
  const { startedAt, progress } = written;
  expect(data.user).toEqual({
    firstName: "O'Neil\\",
    recentSyncEvents: [written],
    syncRuns: { edges: [{ node: { startedAt, progress } }] },
  });
}

const nameOf = (text: string) => `synclog_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`;

async function runMessages(server: TestServer, userId: string): Promise<string[]> {
  const { data } = await server.graphql(
    'query ($id: UUID!) { user(id: $id) { syncRuns(first: 10) { edges { node { message } } } } }',
    { id: userId },
  );
  return data.user.syncRuns.edges.map(({ node }: { node: { message: string } }) => node.message);
}

const schemasOfTables = `SELECT array_agg(DISTINCT table_schema::text) AS schemas FROM information_schema.tables
  WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`;

describe('whatever the database sets for its sessions', () => {
  test('the server starts, again too, and values are what they were', async () => {
    const { url, client, name } = await newDatabase();
    const settings = {
      ...{
        DateStyle: `'SQL, DMY'`,
        TimeZone: `'Asia/Kathmandu'`,
        IntervalStyle: 'sql_standard',
        client_encoding: 'LATIN1',
      },
      ...{ extra_float_digits: -15, bytea_output: 'escape', standard_conforming_strings: 'off', array_nulls: 'off' },
      ...{ default_transaction_isolation: 'serializable', synchronous_commit: 'off', statement_timeout: 500 },
      ...{ lock_timeout: 1, idle_in_transaction_session_timeout: 1, transform_null_equals: 'on' },
      ...{ idle_session_timeout: 200, transaction_timeout: 300, exit_on_error: 'on' },
    };
    for (const [setting, value] of Object.entries(settings))
      await client.query(`ALTER DATABASE ${name} SET ${setting} = ${value}`);
    await migrate(url);
    const server = await serve(url);
    await writeAndRead(server);
    await server.restart();
    await writeAndRead(server);
    const database = await openDatabase(url);
    onTestFinished(() => database.close());
    const read = [
      "SELECT current_setting('synchronous_commit') AS durable, current_setting('transaction_isolation') AS isolation",
    ];
    const rows = await database.transaction((transaction) => transaction.$queryRaw(Object.assign(read, { raw: read })));
    expect(rows).toEqual([{ durable: 'on', isolation: 'read committed' }]);
  });

  test('a stricter synchronous_commit stays', async () => {
    const { url, client, name } = await newDatabase();
    await client.query(`ALTER DATABASE ${name} SET synchronous_commit = remote_apply`);
    const database = await openDatabase(url);
    onTestFinished(() => database.close());
    const read = ["SELECT current_setting('synchronous_commit') AS durable"];
    expect(await database.reader.$queryRaw(Object.assign(read, { raw: read }))).toEqual([{ durable: 'remote_apply' }]);
  });
});

describe('statements of recordings stay prepared', () => {
  test('and a column that has got another type meanwhile fails none of them', async () => {
    const { url, client } = await newDatabase();
    const server = await serve(url);
    const userId = await server.user();
    await server.record({ userId });
    for (const type of ['varchar(5000)', 'text']) {
      await client.query(`ALTER TABLE sync_run ALTER COLUMN message TYPE ${type}`);
      await server.record({ userId, message: type });
    }
    expect(await runMessages(server, userId)).toContain('text');
  });

  test('under a name that is the same in every process, and is another text of nobody', async () => {
    const { url } = await newDatabase();
    await migrate(url);
    const database = await openDatabase(url);
    onTestFinished(() => database.close());
    const template = (...parts: string[]) => Object.assign(parts, { raw: parts });
    const prepared = ['SELECT name, statement FROM pg_prepared_statements WHERE name <> ', ''];
    const name = nameOf(prepared.join('$1'));
    let attempts = 0;
    const change = database.change(async (reading) => {
      attempts += 1;
      if (attempts === 1) await reading.$queryRaw(template(`PREPARE ${name} AS SELECT 'of somebody else'`));
      return { answer: await reading.$queryRaw(template(...prepared), ''), writes: [] };
    });
    expect(await change).toEqual([{ name, statement: prepared.join('$1') }]);
    expect(attempts).toBe(2);
  });

  test('and none of them is planned to walk through a table, for tables grow while plans are kept', async () => {
    const { url } = await newDatabase();
    await migrate(url);
    const database = await openDatabase(url);
    onTestFinished(() => database.close());
    const read = ["SELECT current_setting('enable_seqscan') AS walks"];
    const statement = Object.assign(read, { raw: read });
    const walks = await database.change(async (reading) => ({
      answer: await reading.$queryRaw(statement),
      writes: [],
    }));
    expect(walks).toEqual([{ walks: 'off' }]);
    expect(await database.reader.$queryRaw(statement)).toEqual([{ walks: 'on' }]);
  });
});

describe('all tables are in one schema', () => {
  test.each([
    ['of the search_path of the database', '', 'app'],
    ['of the options in the URL', '?options=-c%20search_path%3Dapp,public', 'app'],
    ['that the URL names, which is made if need be', '?schema=My%20own', 'My own'],
    ['that the URL names, whatever the search_path is', '?schema=public&options=-c search_path=app', 'public'],
  ])('%s', async (_, query, schema) => {
    const { url, client, name } = await newDatabase();
    await client.query('CREATE SCHEMA app');
    if (query === '') await client.query(`ALTER DATABASE ${name} SET search_path = app, public`);
    const server = await serve(`${url}${query}`);
    await writeAndRead(server);
    await server.restart();
    await writeAndRead(server);
    expect((await client.query(schemasOfTables)).rows).toEqual([{ schemas: [schema] }]);
  });

  test('that has them already, even when another one comes first by now', async () => {
    const { url, client } = await newDatabase();
    await migrate(url);
    await client.query('CREATE SCHEMA synclog'); // the role's name, which is first on the default search_path
    await writeAndRead(await serve(url));
    expect((await client.query(schemasOfTables)).rows).toEqual([{ schemas: ['public'] }]);
  });

  test('and a search_path that leads to none is named', async () => {
    const { url, client, name } = await newDatabase();
    await client.query(`ALTER DATABASE ${name} SET search_path = nowhere`);
    await expect(migrate(url)).rejects.toThrow('its search_path leads to no schema');
  });

  test('two installations in one database neither see nor hear one another', async () => {
    const { url } = await newDatabase();
    const [one, ofOne, other, ofOther] = await Promise.all(
      ['one', 'one', 'other', 'other'].map((schema) => serve(`${url}?schema=${schema}`)),
    );
    if (!one || !ofOne || !other || !ofOther) throw new Error('four were started');
    const id = await one.user();
    expect((await other.graphql('query ($id: UUID!) { user(id: $id) { id } }', { id })).data.user).toBeNull();

    const [heardByOne, heardByOther] = [ofOne, ofOther].map(({ app }) => {
      const heard: string[] = [];
      onTestFinished(app.services.log.wakeUps.listen(({ userId }) => void heard.push(userId)));
      return heard;
    });
    const next = await other.user();
    // Nobody is heard before both ends are connected. Postgres delivers in one order to everybody.
    await expect.poll(() => one.record({ userId: id }).then(() => heardByOne)).toContain(id);
    await expect.poll(() => other.record({ userId: next }).then(() => heardByOther)).toContain(next);
    expect(heardByOne).not.toContain(next);
    expect(heardByOther).not.toContain(id);
  });
});

describe('an instance that is lost in the middle of a transaction', () => {
  /** Begins a recording through `instance`, which stops where it has locked its user, and resolves when it is there. */
  async function stuckRecording(
    instance: { url: string; headers: Record<string, string> },
    client: pg.Client,
    userId: string,
  ) {
    await client.query('BEGIN; LOCK TABLE sync_run IN ACCESS EXCLUSIVE MODE');
    void fetch(`${instance.url}/api/v1/users/${userId}/sync/events`, {
      method: 'POST',
      headers: { ...instance.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ run_id: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' }),
    }).catch(() => {});
    const waiting = () => client.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'sync_run'::regclass");
    await expect.poll(async () => (await waiting()).rowCount).toBeGreaterThan(0);
  }

  /** Records through another instance until that works; returns how long it took, in milliseconds. */
  async function recordAtLast(server: TestServer, userId: string): Promise<number> {
    const start = performance.now();
    await expect
      .poll(() => server.record({ userId }).then(() => 'recorded', String), { timeout: 30_000 })
      .toBe('recorded');
    return performance.now() - start;
  }

  test('to the network keeps its users from others for seconds only', async () => {
    const { url, client } = await newDatabase();
    const proxy = await startFaultyProxy(url);
    onTestFinished(() => proxy.close());
    const other = await serve(url);
    const cutOff = await serve(proxy.url);
    const userId = await other.user();
    await writeAndRead(cutOff);
    await stuckRecording({ url: cutOff.url, headers: other.admin }, client, userId);
    proxy.blackHole();
    await client.query('ROLLBACK');
    expect(await recordAtLast(other, userId)).toBeLessThan(15_000);
  });

  test('to SIGSTOP keeps its users from others for seconds only, and goes on by itself afterwards', async () => {
    const { url, client } = await newDatabase();
    const other = await serve(url);
    const paused = await startProcess({ DATABASE_URL: url, LOG_LEVEL: 'silent' });
    onTestFinished(() => paused.remove());
    const userId = await other.user();
    await stuckRecording({ url: paused.url, headers: other.admin }, client, userId);
    process.kill(paused.pid ?? 0, 'SIGSTOP');
    await client.query('ROLLBACK');
    expect(await recordAtLast(other, userId)).toBeLessThan(15_000);
    process.kill(paused.pid ?? 0, 'SIGCONT');
    const record = () =>
      fetch(`${paused.url}/api/v1/users/${userId}/sync/events`, {
        method: 'POST',
        headers: { ...other.admin, 'content-type': 'application/json' },
        body: JSON.stringify({
          run_id: 'r',
          provider: 'oura',
          source: 'pull',
          stage: 'fetching',
          status: 'in_progress',
        }),
      });
    await expect.poll(async () => (await record()).status).toBe(201);
  });
});
