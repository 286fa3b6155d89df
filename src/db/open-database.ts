import type { Database, OpenOptions, Provider } from './database.ts';
import { openPostgres } from './open-postgres.ts';
import { openSqlite } from './open-sqlite.ts';
import { nameOfPostgres, reachPostgres } from './postgres-target.ts';

/** What a database URL names. Settings let no other through. */
export function providerOf(url: string): Provider {
  return url.startsWith('file:') ? 'sqlite' : 'postgresql';
}

/** How a database is named where people read it: a Postgres without its user and password. */
export function nameOf(url: string): string {
  return providerOf(url) === 'sqlite' ? url : nameOfPostgres(url);
}

/** Opens a migrated database. @throws AppError UNAVAILABLE for a Postgres that cannot be reached, with the reason. */
export async function openDatabase(url: string, watchers: OpenOptions = {}): Promise<Database> {
  if (providerOf(url) === 'sqlite') return openSqlite(url, watchers);
  return openPostgres(await reachPostgres(url), watchers);
}
