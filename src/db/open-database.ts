import type { Database, OpenOptions, Provider } from './database.ts';
import { nameOfPostgres } from './postgres-url.ts';

/** What a database URL names. Settings let no other through. */
export function providerOf(url: string): Provider {
  return url.startsWith('file:') ? 'sqlite' : 'postgresql';
}

/** How a database is named where people read it: a Postgres without its user and password. */
export function nameOf(url: string): string {
  return providerOf(url) === 'sqlite' ? url : nameOfPostgres(url);
}

/** Opens a migrated database. Of the two drivers, a process loads the one that it needs. @throws AppError UNAVAILABLE for a Postgres that cannot be reached, with the reason. */
export async function openDatabase(url: string, watchers: OpenOptions = {}): Promise<Database> {
  if (providerOf(url) === 'sqlite') {
    const { openSqlite } = await import('./open-sqlite.ts');
    return openSqlite(url, watchers);
  }
  const { openPostgres } = await import('./open-postgres.ts');
  const { reachPostgres } = await import('./postgres-target.ts');
  return openPostgres(await reachPostgres(url), watchers);
}
