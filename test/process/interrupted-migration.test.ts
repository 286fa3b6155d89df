import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { schemaDifference } from '../../prisma/schema-difference.ts';
import { type Migration, readMigrations, statementsOf } from '../../src/db/migration.ts';
import type { MigrationSession } from '../../src/db/migration-session.ts';
import { migrate, migrationsFolder } from '../../src/db/migrations.ts';
import { openMigrationSession } from '../../src/db/open-migration.ts';
import { createDatabase, provider } from '../support/database.ts';
import { migrateUpTo } from '../support/earlier-release.ts';

const migrations = readMigrations(migrationsFolder(provider));
const user = '0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad0aa';
const [init] = migrations.map(({ name }) => name);

/** An empty database that goes with the test. */
async function newDatabase(): Promise<string> {
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  return url;
}

/** Runs `work` on a connection of its own. */
async function withSession<T>(url: string, work: (session: MigrationSession) => Promise<T>): Promise<T> {
  const session = await openMigrationSession(url);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/** A database as it was before a migration, with a user, two runs and their events. */
async function databaseBefore(name: string | undefined, events = 4): Promise<string> {
  const url = await newDatabase();
  if (name === init) return url;
  await migrateUpTo(url, (each) => each === init);
  await withSession(url, (session) => session.run(rowsOf(events)));
  await migrateUpTo(url, (each) => name !== undefined && each < name);
  return url;
}

const rowsOf = (events: number) => {
  const at = provider === 'sqlite' ? '1750000000000' : "'2025-06-15T15:06:40Z'";
  const series =
    provider === 'sqlite'
      ? `(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ${events}) SELECT n FROM s)`
      : `(SELECT n FROM generate_series(1, ${events}) n)`;
  const id = provider === 'sqlite' ? "printf('00000000-0000-4000-8000-%012d', n)" : 'gen_random_uuid()';
  return `
    INSERT INTO "user" (id, created_at, head_sequence) VALUES ('${user}', ${at}, ${events});
    INSERT INTO sync_event (user_id, sequence, id, run_id, provider, source, stage, status, items_processed, metadata,
        primary_user_id, timestamp, recorded_at, late)
      SELECT '${user}', n, ${id}, 'run_' || (n % 2), 'oura', 'pull', 'completed', 'success', n, '{}', '${user}', ${at}, ${at}, false
      FROM ${series} AS numbers;
    INSERT INTO sync_run (user_id, run_id, provider, source, stage, status, items_processed, primary_user_id,
        last_event_at, last_sequence, event_count)
      SELECT '${user}', 'run_' || (n % 2), 'oura', 'pull', 'completed', 'success', n, '${user}', ${at}, n, 2
      FROM ${series} AS numbers WHERE n > ${events - 2}`;
};

/** Everything that the migrations have made of the rows. */
const contentsOf = (url: string) =>
  withSession(url, async (session) => ({
    difference: await schemaDifference(url),
    runs: await session.rows('SELECT * FROM sync_run ORDER BY run_id'),
    connections: await session.rows('SELECT * FROM provider_connection'),
    events: await session.rows('SELECT count(*) AS number, max(sequence) AS last FROM sync_event'),
    history: await session.rows(
      'SELECT migration_name, finished_at IS NULL AS unfinished FROM _prisma_migrations ORDER BY migration_name',
    ),
  }));

/** What Prisma's engine wrote before the first statement. */
const beginOf = ({ name }: Migration) => `
  INSERT INTO _prisma_migrations (id, checksum, migration_name, applied_steps_count) VALUES ('${name}', 'x', '${name}', 0)`;

/** The server as a process, with all that it writes. */
function startServerOn(url: string, command = [process.execPath, '--import', 'tsx', 'src/main.ts']) {
  const [file = '', ...args] = command;
  const child = spawn(file, args, {
    env: { ...process.env, DATABASE_URL: url, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = Promise.all([text(child.stdout), text(child.stderr)]).then((texts) => texts.join(''));
  return { child, output, exit: once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]> };
}

async function end({ child, exit }: { child: ChildProcess; exit: Promise<unknown> }, signal: NodeJS.Signals) {
  child.kill(signal);
  return exit;
}

/** The last migration that was ever run one statement at a time; later ones are transactions from the start. */
const lastByStatements = '20261128223035_order_of_changes';

describe('a migration that an earlier release left in the middle', () => {
  test.each(migrations.filter(({ name }) => name <= lastByStatements))(
    'goes on where it was, after any statement of $name',
    async (migration) => {
      const expected = await databaseBefore(migration.name).then(async (url) => {
        await migrate(url);
        return contentsOf(url);
      });
      const statements = statementsOf(migration.sql);
      for (let done = 0; done <= statements.length; done += 1)
        for (const told of done === 0 ? [true] : [true, false]) {
          const url = await databaseBefore(migration.name);
          await withSession(url, async (session) => {
            // The table of applied migrations is there before the first of them.
            await session.begin();
            await session.run('COMMIT');
            if (told) await session.run(beginOf(migration));
            for (const statement of statements.slice(0, done)) await session.run(statement);
          });
          expect(await migrate(url)).toEqual(
            migrations.filter(({ name }) => name >= migration.name).map(({ name }) => name),
          );
          expect([done, told, await contentsOf(url)]).toEqual([done, told, expected]);
        }
    },
    240_000,
  );

  test('is not guessed at where the schema is in none of its states', async () => {
    const [, , , connections] = migrations;
    const url = await databaseBefore(connections?.name);
    await withSession(url, async (session) => {
      if (connections) await session.run(beginOf(connections));
      await session.run('ALTER TABLE sync_run ADD COLUMN stray TEXT');
    });
    const before = await withSession(url, (session) => session.facts());
    await expect(migrate(url)).rejects.toThrow(/cannot be migrated: \d+_add_connections: it was cut off in the middle/);
    expect(await withSession(url, (session) => session.facts())).toEqual(before);
  });
});

/** Resolves when the process has written so much of a transaction to the disk, or got to the statement. */
type MidMigration = (url: string) => Promise<{ reached(): Promise<boolean>; release(): Promise<void> }>;

const grownTo =
  (bytes: number): MidMigration =>
  async (url) => ({
    async reached() {
      const journal = `${url.slice('file:'.length)}-journal`;
      const { size } = statSync(url.slice('file:'.length));
      return existsSync(journal) && size - untouched > bytes;
    },
    async release() {},
  });
let untouched = 0;

const atCommand =
  (number: number): MidMigration =>
  async (url) => {
    await withSession(url, (session) =>
      session.run(`
        CREATE SEQUENCE commands;
        CREATE FUNCTION wait_at_command() RETURNS event_trigger LANGUAGE plpgsql AS $$
          BEGIN IF nextval('commands') = ${number} THEN PERFORM pg_sleep(600); END IF; END $$;
        CREATE EVENT TRIGGER wait_at_command ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX')
          EXECUTE FUNCTION wait_at_command()`),
    );
    return {
      reached: () =>
        withSession(url, async (session) => {
          const rows = await session.rows(`SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'PgSleep'`);
          return rows.length > 0;
        }),
      // Postgres notices that its client is gone when the statement has ended.
      release: () =>
        withSession(url, async (session) => {
          await session.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'PgSleep'`);
          await session.run(
            'DROP EVENT TRIGGER wait_at_command; DROP FUNCTION wait_at_command(); DROP SEQUENCE commands',
          );
        }),
    };
  };

const indexing = migrations.find(({ name }) => name.endsWith('_index_kinds_of_events'))?.name;

describe('a server that is killed while it migrates', () => {
  const points: [string, string | undefined, number, MidMigration][] =
    provider === 'sqlite'
      ? [
          ['as it begins', indexing, 200_000, grownTo(0)],
          ['in the middle of it', indexing, 200_000, grownTo(4_000_000)],
          ['near its end', indexing, 200_000, grownTo(7_000_000)],
        ]
      : [
          ['in its first migration', init, 0, atCommand(3)],
          ['after it has changed rows', migrations[3]?.name, 1_000, atCommand(4)],
          ['in its last one', indexing, 1_000, atCommand(1)],
        ];

  test.each(points)('%s leaves what was there before, and the next one goes on', async (_, name, events, point) => {
    const url = await databaseBefore(name, events);
    if (provider === 'sqlite') untouched = statSync(url.slice('file:'.length)).size;
    const before = await withSession(url, (session) => session.facts());
    const { reached, release } = await point(url);
    const server = startServerOn(url);
    await expect.poll(reached, { interval: 5, timeout: 60_000 }).toBe(true);
    expect(await end(server, 'SIGKILL')).toEqual([null, 'SIGKILL']);
    await release();
    const expected = migrations
      .filter((migration) => name && migration.name >= name)
      .map((migration) => migration.name);
    expect(await withSession(url, (session) => session.facts())).toEqual(before);
    expect(await migrate(url)).toEqual(expected);
    expect((await contentsOf(url)).difference).toBe('');
  });
});

describe('a server that is told to stop while it starts', () => {
  /** The process with number 1 of its own namespace, which no signal ends that it does not handle. */
  const asFirst = ['unshare', '--fork', '--pid', '--mount-proc', '--kill-child'];
  const canBeFirst = spawnSync(asFirst[0] ?? '', [...asFirst.slice(1), 'true']).status === 0;

  test.runIf(provider === 'postgresql').each(['SIGTERM', 'SIGINT'] as const)(
    'by %s ends at once with 0, also in the middle of a migration',
    async (signal) => {
      const url = await databaseBefore(indexing, 1_000);
      const { reached, release } = await atCommand(1)(url);
      const server = startServerOn(url);
      await expect.poll(reached).toBe(true);
      expect(await end(server, signal)).toEqual([0, null]);
      await release();
      expect(await migrate(url)).toEqual(
        migrations.map(({ name }) => name).filter((name) => indexing && name >= indexing),
      );
    },
  );

  test.runIf(provider === 'postgresql' && canBeFirst)('ends as the first process of a container, too', async () => {
    const url = await databaseBefore(indexing, 1_000);
    const { reached, release } = await atCommand(1)(url);
    const { child, exit } = startServerOn(url, [...asFirst, process.execPath, '--import', 'tsx', 'src/main.ts']);
    await expect.poll(reached).toBe(true);
    const first = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'));
    process.kill(first, 'SIGTERM');
    expect(await exit).toEqual([0, null]);
    await release();
  });
});
