import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '../../prisma/scratch-postgres.ts';

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
  const server = await startPostgres(['track_commit_timestamp=on']);
  const urlOf = (database: string) => Object.assign(new URL(server.url), { pathname: `/${database}` }).href;

  const postgres: FaultyPostgres = {
    url: server.url,
    async createDatabase(name) {
      await postgres.query(`CREATE DATABASE ${name}`);
      return urlOf(name);
    },
    async stop(how = 'fast') {
      const pidFile = join(server.dataFolder, 'postmaster.pid');
      if (how === 'crash') process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGQUIT');
      await server.pause();
    },
    start: () => server.resume(),
    async query(sql, values = [], database = 'postgres') {
      const client = new pg.Client({ connectionString: urlOf(database) });
      client.on('error', () => {});
      await client.connect();
      try {
        return (await client.query(sql, values)).rows;
      } finally {
        await client.end();
      }
    },
    remove: () => server.stop(),
  };
  return postgres;
}
