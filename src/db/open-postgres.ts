import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { AppError } from '../errors.ts';
import type { Outage } from '../lib/outages.ts';
import { aroundStatements } from './around-statements.ts';
import type { Database, Reader, Transaction } from './database.ts';
import { isCollision, isHeldUp, isUnavailable } from './faults.ts';
import { PrismaClient } from './generated/postgresql/client.ts';
import { type StatementObserver, watchStatements } from './watch-statements.ts';

/** Connections of one instance's pool. Streams hold none while they wait. */
const POOL_SIZE = 10;
/** How long a request waits for a connection before the database counts as away. */
const CONNECT_TIMEOUT_MS = 3_000;
/** A row that somebody else keeps locked for so long is given up. Writers of this server hold theirs for milliseconds. */
const LOCK_TIMEOUT_MS = 2_000;
/** No statement of this server takes so long on its own. */
const STATEMENT_TIMEOUT_MS = 8_000;
/** A connection on which nothing is heard for so long is dead, whatever the network says. */
const QUERY_TIMEOUT_MS = 10_000;
/** An answer that takes so long makes the connections suspicious that wait in the pool: a new one costs little. */
const SUSPICIOUS_MS = 1_000;
/** What transactions may still take once the server closes. */
const CLOSING_MS = 3_000;
/** Attempts of one transaction that collides with another. */
const COLLISION_ATTEMPTS = 5;

/** Connections that notice when the database goes: bounded in number and in time. */
function createPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    // Prisma's adapter drops the offset of the times it reads and writes none, so every session has to be in UTC.
    onConnect: (client) => client.query("SET TIME ZONE 'UTC'"),
    application_name: 'synclog',
  });
  // A connection broke that nobody was using: the pool makes another one.
  pool.on('error', () => {});
  return pool;
}

/**
 * Opens a migrated Postgres database. Postgres' default of `synchronous_commit=on` stays: a commit is on its disk
 * before it is acknowledged. Transactions of all instances run side by side; those that collide run again.
 */
export function openPostgres(
  url: string,
  { observe, outage }: { observe?: StatementObserver | undefined; outage?: Outage | undefined },
): Database {
  const pool = createPool(url);
  const adapter = aroundStatements(new PrismaPg(pool, { disposeExternalPool: false }), async (_, run) => {
    try {
      const result = await unlessSuspicious(pool, run);
      outage?.works();
      return result;
    } catch (error) {
      if (isUnavailable(error) && !isHeldUp(error)) outage?.failed(error);
      throw error;
    }
  });
  // Both clients are generated from the same models; they differ in nothing that this server uses.
  const client = new PrismaClient({
    adapter: observe ? watchStatements(adapter, observe) : adapter,
  }) as unknown as Reader;

  async function attempt<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    for (let collisions = 0; ; ) {
      try {
        return await unlessSuspicious(pool, (begun) =>
          client.$transaction(
            (transaction) => {
              begun();
              return work(transaction);
            },
            { maxWait: CONNECT_TIMEOUT_MS, timeout: QUERY_TIMEOUT_MS },
          ),
        );
      } catch (error) {
        collisions += 1;
        if (!isCollision(error) || collisions === COLLISION_ATTEMPTS) throw error;
      }
    }
  }

  const closing = new AbortController();
  const tooLate = new Promise<never>((_, reject) => {
    closing.signal.addEventListener('abort', () => {
      const error = new AppError('UNAVAILABLE', 'The server is shutting down, and the database is slow');
      setTimeout(reject, CLOSING_MS, error).unref();
    });
  });
  tooLate.catch(() => {});

  return {
    kind: 'postgresql',
    reader: client,
    transaction: (work) => Promise.race([attempt(work), tooLate]),
    stopWaiting: () => closing.abort(),
    async close() {
      closing.abort();
      const closed = client.$disconnect().then(() => pool.end());
      await Promise.race([closed, tooLate]).catch(() => {}); // what still hangs ends with the process
    },
  };
}

/**
 * Runs something on the database. When there is no answer for a while, the connections that wait in the pool are
 * dropped: a network that swallows packets has swallowed theirs as well, and one after another would be tried.
 * @param run is told what to call when the answer is there before its end.
 */
async function unlessSuspicious<T>(pool: pg.Pool, run: (answered: () => void) => Promise<T>): Promise<T> {
  const timer = setTimeout(() => void dropIdle(pool), SUSPICIOUS_MS).unref();
  const answered = () => clearTimeout(timer);
  try {
    return await run(answered);
  } finally {
    answered();
  }
}

async function dropIdle(pool: pg.Pool): Promise<void> {
  const drop = async () => (await pool.connect()).release(true);
  await Promise.allSettled(Array.from({ length: pool.idleCount }, drop));
}
