import type { Outage } from '../lib/outages.ts';
import type { Database, Provider } from './database.ts';
import { openPostgres } from './open-postgres.ts';
import { openSqlite } from './open-sqlite.ts';
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
  if (providerOf(url) === 'sqlite') return url;
  const { host, pathname } = new URL(url);
  return `postgresql://${host}${pathname}`;
}

/** Opens a migrated database. */
export async function openDatabase(url: string, { observe, outage }: OpenOptions = {}): Promise<Database> {
  return providerOf(url) === 'sqlite' ? openSqlite(url, observe) : openPostgres(url, { observe, outage });
}
