import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../../prisma/scratch-postgres.ts';
import { fillStatements, type Population } from './fill.ts';
import { postgresDialect, sqliteDialect } from './sql-dialects.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

/** The databases that Synclog runs on. */
export const providers = ['sqlite', 'postgresql'] as const;
export type Provider = (typeof providers)[number];

/** What the servers under measurement need to start, beside the database. */
export const serverSettings = {
  JWT_SECRET: 'a secret for the bench, long enough',
  // What the bench writes is old, and is to stay.
  RETENTION_DAYS: '3650',
  // One key opens all streams.
  MAX_STREAMS: '1000000',
  // It asks and records as fast as it can. What it costs to count that is measured all the same.
  RATE_LIMITS: '9999',
  // It measures what a server takes that has too much to do.
  LOAD_SHEDDING: 'off',
} as const;

/** A migrated database with people in it. */
export interface FilledDatabase {
  readonly provider: Provider;
  /** Such as `PostgreSQL 18.4`. */
  readonly version: string;
  readonly url: string;
  /** The secret of an API key with the scopes `read` and `write`. */
  readonly apiKey: string;
  /** Makes another one. */
  createApiKey(): Promise<string>;
  /** Writes more people. */
  fill(populations: readonly Population[]): Promise<void>;
  remove(): Promise<void>;
}

/** A driver to write with. */
interface Writer {
  readonly version: string;
  run(statements: readonly string[]): Promise<void>;
}

/** Linux' file system in memory, and what has to be free in it for the databases of a run, in bytes. */
const memoryFolder = '/dev/shm';
const memoryNeeded = 4 * 2 ** 30;

/**
 * Databases lie in memory where there is room and `TMPDIR` does not say otherwise: how long a disk takes is nothing that
 * servers differ in.
 */
export function preferMemory(): void {
  try {
    const { bavail, bsize } = statfsSync(memoryFolder);
    if (!process.env.TMPDIR && bavail * bsize >= memoryNeeded) process.env.TMPDIR = memoryFolder;
  } catch {
    // There is no such folder, so that the usual one for temporary files is taken.
  }
}

/** Makes a database, migrates it with the product's own command and fills it. */
export async function openFilled(provider: Provider, populations: readonly Population[]): Promise<FilledDatabase> {
  const { url, remove } = provider === 'sqlite' ? sqliteFile() : await scratchPostgres();
  try {
    const apiKey = await createApiKey(url);
    const writer = provider === 'sqlite' ? sqliteWriter(url) : await postgresWriter(url);
    const dialect = provider === 'sqlite' ? sqliteDialect : postgresDialect;
    const fill = async (added: readonly Population[]) => {
      const { run: write } = await writer;
      await write(added.flatMap((population) => fillStatements(population, dialect)));
    };
    await fill(populations);
    const { version } = await writer;
    return { provider, version, url, apiKey, createApiKey: () => createApiKey(url), fill, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The command migrates the database first. */
async function createApiKey(databaseUrl: string): Promise<string> {
  const command = [
    '--import',
    'tsx',
    'src/cli/synclog.ts',
    'api-key',
    'create',
    '--name',
    'bench',
    '--scopes',
    'read,write',
  ];
  const { stdout } = await run(process.execPath, command, {
    cwd: root,
    env: { ...process.env, ...serverSettings, DATABASE_URL: databaseUrl },
  });
  return stdout.trim().split('\n').at(-1) ?? '';
}

function sqliteFile() {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-bench-'));
  return {
    url: `file:${join(folder, 'bench.db')}`,
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** In UTC: Prisma's driver adapter, as stock stacks use it, reads times wrongly where the server is elsewhere. */
async function scratchPostgres() {
  const server = await startPostgres(['shared_buffers=512MB', 'max_wal_size=8GB', 'timezone=UTC']);
  return { url: server.url, remove: () => server.stop() };
}

async function sqliteWriter(url: string): Promise<Writer> {
  // Where only Postgres is measured, the native driver need not be there.
  const { default: Sqlite } = await import('better-sqlite3');
  const open = () => new Sqlite(url.slice('file:'.length));
  const database = open();
  const version = `SQLite ${database.prepare('SELECT sqlite_version()').pluck().get()}`;
  database.close();
  return {
    version,
    async run(statements) {
      const writing = open();
      writing.pragma('synchronous = OFF');
      for (const statement of statements) writing.exec(statement);
      writing.exec('ANALYZE');
      writing.pragma('wal_checkpoint(TRUNCATE)');
      writing.close();
    },
  };
}

async function postgresWriter(url: string): Promise<Writer> {
  const connected = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  return {
    version: await connected(async (client) => {
      const { rows } = await client.query('SHOW server_version');
      return `PostgreSQL ${rows[0].server_version}`;
    }),
    run: (statements) =>
      connected(async (client) => {
        await client.query('SET session_replication_role = replica'); // no trigger looks up each event's user
        for (const statement of statements) await client.query(statement);
        await client.query('VACUUM ANALYZE');
        // What was written is to be on the disk before anything is measured.
        await client.query('CHECKPOINT');
      }),
  };
}
