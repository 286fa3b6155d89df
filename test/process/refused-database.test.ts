import { execFile } from 'node:child_process';
import { closeSync, linkSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { migrate } from '../../src/db/migrations.ts';
import { openMigrationSession } from '../../src/db/open-migration.ts';
import { createDatabase, newFileUrl, provider } from '../support/database.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

async function newDatabase(): Promise<string> {
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  return url;
}

async function run(url: string, script: string): Promise<void> {
  const session = await openMigrationSession(url);
  await session.run(script).finally(() => session.close());
}

/** The server or a command as a process, until it ends by itself. */
function start(url: string, script = 'src/main.ts', ...args: string[]) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', script, ...args],
      { env: { ...process.env, DATABASE_URL: url, PORT: '0' }, timeout: 50_000 },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  );
}

const pathOf = (url: string) => url.slice('file:'.length);

/** What cannot be migrated, and what is said of it. */
const sqlite: [string, () => Promise<string>, RegExp][] = [
  [
    'a file that is no database',
    async () => {
      const url = newFileUrl();
      writeFileSync(pathOf(url), 'a letter to somebody, and not a database at all\n'.repeat(100));
      return url;
    },
    /cannot be opened: file is not a database$/,
  ],
  [
    'a folder',
    async () => `file:${dirname(pathOf(newFileUrl()))}`,
    /cannot be opened: it is a folder, and not a file$/,
  ],
  [
    'a file that has another name',
    async () => {
      const url = newFileUrl();
      await migrate(url);
      linkSync(pathOf(url), `${pathOf(url)}.other`);
      return url;
    },
    /cannot be opened: the file has 2 names \(hard links\).+; remove the others$/,
  ],
  ['a folder that cannot be made', async () => 'file:/proc/synclog/synclog.db', /cannot be opened: .*ENOENT.+$/],
  [
    'a file in the place of a folder',
    async () => {
      const url = newFileUrl();
      writeFileSync(pathOf(url), '');
      return `${url}/synclog.db`;
    },
    /cannot be opened: .*(EEXIST|ENOTDIR).+$/,
  ],
  [
    'a database that is damaged',
    async () => {
      const url = newFileUrl();
      await migrate(url);
      const file = openSync(pathOf(url), 'r+');
      writeSync(file, Buffer.alloc(8_192, 'x'), 0, 8_192, 100);
      closeSync(file);
      return url;
    },
    /cannot be opened: .+$/,
  ],
];

/** A role of the test's own with what it may do, on an empty database. */
async function asRole(setUp: (role: string, database: string) => string): Promise<string> {
  const url = new URL(await newDatabase());
  const role = `role_${url.pathname.slice(-12)}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; ${setUp(role, url.pathname.slice(1))}`);
  onTestFinished(async () => {
    await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await client.end();
  });
  return Object.assign(new URL(url), { username: role, password: 'secret' }).href;
}

const given = async (change: Partial<URL>) => Object.assign(new URL(await newDatabase()), change).href;

const postgresql: [string, () => Promise<string>, RegExp][] = [
  ['a wrong password', () => given({ password: 'wrong' }), /cannot be opened: password authentication failed.+$/],
  [
    'a database that is not there',
    () => given({ pathname: '/nowhere' }),
    /cannot be opened: .*"nowhere" does not exist$/,
  ],
  ['a server that is not there', () => given({ port: '1' }), /cannot be opened: .*ECONNREFUSED.+$/],
  [
    'no right to make tables',
    () => asRole(() => 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'),
    /cannot be migrated: \d+_init: permission denied for schema public$/,
  ],
  [
    'no right to connect',
    () => asRole((_, database) => `REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`),
    /cannot be opened: permission denied for database.+$/,
  ],
  [
    'a server that is read-only',
    () =>
      asRole(
        (role) => `GRANT ALL ON SCHEMA public TO ${role}; ALTER ROLE ${role} SET default_transaction_read_only = on`,
      ),
    /cannot be migrated: \d+_init: cannot execute CREATE TABLE in a read-only transaction$/,
  ],
];

describe('a database that cannot be used', () => {
  test.each(provider === 'sqlite' ? sqlite : postgresql)(
    'because of %s is told in one sentence',
    async (_, make, words) => {
      const failure = await migrate(await make()).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(words) });
      expect(String(failure)).not.toMatch(/\n|secret/);
    },
  );

  test('ends the server and the commands at once, with one line', async () => {
    const [[, make] = ['', async () => '']] = provider === 'sqlite' ? sqlite : postgresql;
    const url = await make();
    for (const command of [
      ['src/main.ts'],
      ['src/cli/synclog.ts', 'migrate'],
      ['src/cli/synclog.ts', 'api-key', 'list'],
    ]) {
      const startedAt = performance.now();
      const [script = '', ...args] = command;
      const { code, stdout, stderr } = await start(url, script, ...args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^[^\n]*The database .+ cannot be opened: [^\n]+\n$/);
      expect(performance.now() - startedAt).toBeLessThan(30_000);
    }
  });

  test('because another program has its tables there is left alone', async () => {
    const url = await newDatabase();
    await run(url, 'CREATE TABLE invoice (id INTEGER PRIMARY KEY)');
    await expect(migrate(url)).rejects.toThrow(/holds tables of another program \(invoice\)/);
  });
});

describe('a database of a newer release', () => {
  const future = '99990101000000_turn_events_around';

  /** A database to which a newer release has applied a migration; `logs` is what it noted. */
  async function newerDatabase(logs: string): Promise<string> {
    const url = await newDatabase();
    await migrate(url);
    const now = 'CURRENT_TIMESTAMP';
    await run(
      url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count, logs)
       VALUES ('${future}', 'x', '${future}', ${now}, ${now}, 1, ${logs})`,
    );
    return url;
  }

  test('is refused, with both versions', async () => {
    const url = await newerDatabase(`'{"release":"7.3.1","onlyAddsIndexes":false}'`);
    await expect(migrate(url)).rejects.toThrow(
      `has migrations of a newer release: ${future} (by Synclog 7.3.1). This is Synclog ${version}, whose newest is `,
    );
  });

  test('is refused although that release has not noted its version', async () => {
    await expect(migrate(await newerDatabase('NULL'))).rejects.toThrow(
      `${future} (by a release that did not note its version)`,
    );
  });

  test('is used, with a warning, where only indexes were added', async () => {
    const url = await newerDatabase(`'{"release":"7.3.1","onlyAddsIndexes":true}'`);
    const warnings: string[] = [];
    expect(await migrate(url, undefined, { onWarning: (text) => warnings.push(text) })).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/Synclog 7\.3\.1.+they only add indexes, so it goes on$/)]);
  });

  test('is told by what this release notes with each of its own', async () => {
    const url = await newDatabase();
    await migrate(url);
    const session = await openMigrationSession(url);
    onTestFinished(() => session.close());
    const rows = await session.rows('SELECT migration_name, logs FROM _prisma_migrations');
    const noteOf = (name: string) => rows.find((row) => String(row.migration_name).endsWith(name))?.logs;
    expect(noteOf('_init')).toBe(JSON.stringify({ release: version, onlyAddsIndexes: false }));
    expect(noteOf('_index_kinds_of_events')).toBe(JSON.stringify({ release: version, onlyAddsIndexes: true }));
  });
});
