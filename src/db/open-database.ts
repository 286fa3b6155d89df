import type { Database, Provider } from './database.ts';
import { openPostgres } from './postgres.ts';
import { openSqlite } from './sqlite.ts';
import type { StatementObserver } from './watch-statements.ts';

interface OpenOptions {
  /** Told of every statement. */
  readonly observe?: StatementObserver | undefined;
  /** Told of broken connections that nobody was using. */
  readonly onError?: (error: Error) => void;
}

/** What a database URL names. Settings let no other through. */
export function providerOf(url: string): Provider {
  return url.startsWith('file:') ? 'sqlite' : 'postgresql';
}

/** Opens a migrated database. */
export async function openDatabase(url: string, { observe, onError = () => {} }: OpenOptions = {}): Promise<Database> {
  return providerOf(url) === 'sqlite' ? openSqlite(url, observe) : openPostgres(url, onError, observe);
}
