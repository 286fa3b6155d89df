import { setInterval as every, setTimeout as wait } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import { reasonOf } from '../lib/outages.ts';
import { nameOf, providerOf } from './open-database.ts';
import type { PostgresSession } from './postgres-session.ts';
import { quotedName } from './session-settings.ts';

/** Any number that nothing else on the server locks: the letters of "sync". */
const MIGRATION_LOCK = 0x73796e63;

/** How long an instance waits for another one that migrates. */
const WAIT_MS = 120_000;
/** How often it looks, and how often it says that it waits. */
const LOOK_MS = 250;
const SAY_MS = 5_000;

/** How often the holder shows that it is there; Postgres takes the lock from one that is silent for longer. */
const ALIVE_MS = 5_000;
const session = {
  name: 'synclog migrations',
  timeouts: { lock_timeout: 0, statement_timeout: 0, idle_in_transaction_session_timeout: 30_000 },
};

/**
 * Runs `work` while no other instance migrates the same Postgres: holds an advisory lock of a transaction, which ends with
 * it whatever happens to this process or its network, behind a pooler too. A schema that is missing is made first. SQLite
 * has no such lock: there `work` runs at once.
 * @param onWait told every five seconds for how long another instance has been waited for, in seconds.
 * @throws AppError UNAVAILABLE when the database cannot be reached, or another instance migrates for longer than two minutes.
 */
export async function withMigrationLock<T>(
  url: string,
  onWait: ((seconds: number) => void) | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (providerOf(url) === 'sqlite') return work();
  const { openSession, reachPostgres } = await import('./postgres-target.ts');
  const target = await reachPostgres(url);
  const holder = await openSession(target, session);
  const done = new AbortController();
  try {
    await takeLock(holder, url, onWait);
    void showLife(holder, done.signal);
    await createMissingSchema(() => openSession(target, session), target.schema, url);
    return await work();
  } finally {
    done.abort();
    await holder.query('ROLLBACK').catch(() => {}); // where the connection is broken, the transaction has ended
    await holder.end().catch(() => {});
  }
}

/** Waits outside of a transaction: behind a pooler it would keep one of the few sessions that the other instance needs. */
async function takeLock(holder: PostgresSession, url: string, onWait?: (seconds: number) => void): Promise<void> {
  for (let waited = 0; ; waited += LOOK_MS) {
    await holder.query('BEGIN');
    const { rows } = await holder.query('SELECT pg_try_advisory_xact_lock($1) AS taken', [MIGRATION_LOCK]);
    if (rows[0]?.taken) return;
    await holder.query('ROLLBACK');
    if (waited >= WAIT_MS)
      throw new AppError(
        'UNAVAILABLE',
        `Another instance has been migrating ${nameOf(url)} for ${WAIT_MS / 1000} s; try again`,
      );
    if (waited > 0 && waited % SAY_MS === 0) onWait?.(waited / 1000);
    await wait(LOOK_MS);
  }
}

async function showLife(holder: PostgresSession, done: AbortSignal): Promise<void> {
  try {
    for await (const _ of every(ALIVE_MS, undefined, { signal: done })) await holder.query('SELECT');
  } catch {
    // The end; or the lock is gone with its connection, and the migration meets the same end on its own one.
  }
}

async function createMissingSchema(open: () => Promise<PostgresSession>, schema: string, url: string): Promise<void> {
  const client = await open();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    if (rowCount === 0) await client.query(`CREATE SCHEMA ${quotedName(schema)}`);
  } catch (error) {
    throw new AppError('UNAVAILABLE', `The schema of ${nameOf(url)} cannot be created: ${reasonOf(error)}`);
  } finally {
    await client.end().catch(() => {});
  }
}
