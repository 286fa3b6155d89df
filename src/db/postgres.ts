import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Outage } from '../outages.ts';
import { aroundStatements } from './around-statements.ts';
import type { Database, Reader, Transaction } from './database.ts';
import { isCollision, isUnavailable } from './faults.ts';
import { PrismaClient } from './generated/postgresql/client.ts';
import { type StatementObserver, watchStatements } from './watch-statements.ts';

/** Connections of one instance's pool. Streams hold none while they wait. */
const POOL_SIZE = 10;
/** How long a request waits for a connection before the database counts as away. */
const CONNECT_TIMEOUT_MS = 3_000;
/** No statement of this server takes so long on its own. */
const STATEMENT_TIMEOUT_MS = 15_000;
/** A connection on which nothing is heard for so long is dead, whatever the network says. */
const QUERY_TIMEOUT_MS = 20_000;
/** Attempts of one transaction that collides with another. */
const COLLISION_ATTEMPTS = 5;

/** Connections that notice when the database goes: bounded in number and in time. */
function createPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'synclog',
  });
  return pool.on('error', () => {}); // a connection broke that nobody was using: the pool makes another one
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
      const result = await run();
      outage?.works();
      return result;
    } catch (error) {
      if (isUnavailable(error)) outage?.failed(error);
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
        return await client.$transaction(work, {
          maxWait: CONNECT_TIMEOUT_MS,
          timeout: QUERY_TIMEOUT_MS,
        });
      } catch (error) {
        collisions += 1;
        if (!isCollision(error) || collisions === COLLISION_ATTEMPTS) throw error;
      }
    }
  }

  return {
    kind: 'postgresql',
    reader: client,
    transaction: attempt,
    stopWaiting() {}, // a transaction waits for no longer than its statements may take
    async close() {
      await client.$disconnect();
      await pool.end();
    },
  };
}
