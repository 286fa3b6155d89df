import pg from 'pg';
import { AppError } from '../errors.ts';
import { isHeldUp } from './faults.ts';
import { migrationConnection } from './migration-connection.ts';
import { nameOf, providerOf } from './open-database.ts';

/** Any number that nothing else on the server locks: the letters of "sync". */
const MIGRATION_LOCK = 0x73796e63;

/** How long an instance waits for another one that migrates. */
const LOCK_TIMEOUT_MS = 120_000;

/**
 * Runs `work` while no other instance migrates the same Postgres: holds an advisory lock on a connection of its own,
 * which a crash ends together with the connection. SQLite has no such lock: there `work` runs at once.
 * @throws AppError UNAVAILABLE when another instance migrates for longer than two minutes.
 */
export async function withMigrationLock<T>(url: string, work: () => Promise<T>): Promise<T> {
  if (providerOf(url) === 'sqlite') return work();
  const client = new pg.Client({
    ...migrationConnection(url),
    lock_timeout: LOCK_TIMEOUT_MS,
  });
  client.on('error', () => {}); // the lock is gone, and the migration meets the same end on its own connection
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]).catch((error: unknown) => {
      if (!isHeldUp(error)) throw error;
      const seconds = LOCK_TIMEOUT_MS / 1000;
      throw new AppError(
        'UNAVAILABLE',
        `Another instance has been migrating ${nameOf(url)} for ${seconds} s; try again`,
      );
    });
    return await work();
  } finally {
    await client.end();
  }
}
