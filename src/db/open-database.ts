import type { Outage } from '../lib/outages.ts';
import type { Database, Provider } from './database.ts';
import { openPostgres } from './open-postgres.ts';
import { openSqlite } from './open-sqlite.ts';
import { nameOfPostgres, reachPostgres } from './postgres-target.ts';
import type { StatementObserver } from './watch-statements.ts';

interface OpenOptions {
  /** Told of every statement. */
  readonly observe?: StatementObserver | undefined;
  /** Told whether Postgres answers; a file does not go away. */
  readonly outage?: Outage;
}

/** What a database URL names. Settings let no other through. */
export function providerOf(url: string): Provider {
  return url.startsWith('file:') ? 'sqlite' : 'postgresql';
}

/** How a database is named where people read it: a Postgres without its user and password. */
export function nameOf(url: string): string {
  return providerOf(url) === 'sqlite' ? url : nameOfPostgres(url);
}

/** Opens a migrated database. @throws AppError UNAVAILABLE for a Postgres that cannot be reached, with the reason. */
export async function openDatabase(url: string, { observe, outage }: OpenOptions = {}): Promise<Database> {
  if (providerOf(url) === 'sqlite') return openSqlite(url, observe);
  return openPostgres(await reachPostgres(url), { observe, outage });
}
