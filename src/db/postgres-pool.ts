import pg from 'pg';
import { PostgresSession } from './postgres-session.ts';
import { CONNECT_TIMEOUT_MS, type PostgresTarget, prepareSession, sessionConfig } from './postgres-target.ts';

/** Connections of one instance's pool. Streams hold none while they wait. */
export const POOL_SIZE = 10;

/** What Postgres gives up by itself. */
const timeouts = {
  /** A row that somebody else keeps locked for so long is given up. Writers of this server hold theirs for milliseconds. */
  lock_timeout: 2_000,
  /** No statement of this server takes so long on its own. */
  statement_timeout: 8_000,
  /**
   * A transaction of this server waits for milliseconds between two statements. One that is silent for longer belongs to
   * an instance that is paused or cut off, and would keep its users locked for everybody.
   */
  idle_in_transaction_session_timeout: 5_000,
};

/** A connection on which nothing is heard for so long is dead, whatever the network says. */
export const QUERY_TIMEOUT_MS = 10_000;
/**
 * After this silence the idle connections of the pool are closed: a network that swallows packets has cut all of them
 * at once, and a new connection costs little.
 */
const SUSPICIOUS_MS = 1_000;

/** Connections that notice when the database goes: bounded in number and in time. */
export function createPool(target: PostgresTarget): pg.Pool {
  const config = {
    ...sessionConfig(target, 'synclog'),
    max: POOL_SIZE,
    connectionTimeoutMillis: target.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    Client: PostgresSession,
    onConnect: (session: pg.ClientBase) =>
      session instanceof PostgresSession ? prepareSession(session, target, timeouts) : undefined,
  };
  const pool = new pg.Pool(config);
  // A connection broke that nobody was using: the pool makes another one.
  pool.on('error', () => {});
  return pool;
}

/**
 * Runs something on the database. When there is no answer for `SUSPICIOUS_MS`, the connections that wait in the pool are
 * closed; otherwise each of them would be tried in turn.
 * @param run is told what to call when the answer is there before its end.
 */
export async function unlessSuspicious<T>(pool: pg.Pool, run: (answered: () => void) => Promise<T>): Promise<T> {
  const timer = setTimeout(() => void dropIdle(pool), SUSPICIOUS_MS).unref();
  const answered = () => clearTimeout(timer);
  try {
    return await run(answered);
  } finally {
    answered();
  }
}

/** Closes the connections that nobody is using. */
export async function dropIdle(pool: pg.Pool): Promise<void> {
  const drop = async () => (await pool.connect()).release(true);
  await Promise.allSettled(Array.from({ length: pool.idleCount }, drop));
}
