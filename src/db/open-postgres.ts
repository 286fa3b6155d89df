import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { AppError } from '../errors.ts';
import { retry } from '../lib/retry.ts';
import { aroundStatements } from './around-statements.ts';
import type { Availability } from './availability.ts';
import { toColumn } from './columns.ts';
import type { Database, OpenOptions, Reader, Transaction } from './database.ts';
import { DatabaseFigures } from './database-figures.ts';
import { isCollision, isReadOnly, isStale } from './faults.ts';
import { Prisma, PrismaClient } from './generated/postgresql/client.ts';
import { type AroundQuery, changePostgres } from './postgres-change.ts';
import { createPool, dropIdle, POOL_SIZE, QUERY_TIMEOUT_MS, unlessSuspicious } from './postgres-pool.ts';
import { CONNECT_TIMEOUT_MS, type PostgresTarget } from './postgres-target.ts';
import { postgresTypes, toPostgresValue } from './postgres-types.ts';
import { toObjects, withRawReads } from './raw-reads.ts';
import { type StatementObserver, watchStatements } from './watch-statements.ts';

/** What transactions may still take once the server closes. */
const CLOSING_MS = 3_000;
/** Attempts of one transaction that collides with another. */
const COLLISION_ATTEMPTS = 5;

/**
 * Opens a migrated Postgres database. A commit is on its disk before it is acknowledged, whatever `synchronous_commit` is
 * elsewhere. Transactions of all instances run side by side; those that collide run again.
 */
export function openPostgres(target: PostgresTarget, watchers: OpenOptions): Database {
  const pool = createPool(target);
  const { figures = new DatabaseFigures() } = watchers;
  figures.pool = () => ({
    used: pool.totalCount - pool.idleCount,
    idle: pool.idleCount,
    most: POOL_SIZE,
    waiting: pool.waitingCount,
  });
  const guarded = guard(pool, watchers.availability, figures);
  const client = createClient(pool, target.schema, guarded, watchers.observe);
  const closing = new AbortController();
  const tooLate = rejectAfter(closing.signal, CLOSING_MS);
  const limits = { maxWait: CONNECT_TIMEOUT_MS, timeout: QUERY_TIMEOUT_MS };

  function attempt<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return unlessSuspicious(pool, (begun) =>
      client.$transaction((transaction) => {
        begun();
        return work(transaction);
      }, limits),
    );
  }

  const around: AroundQuery = async ({ text, values }, run) => {
    const result = await guarded(run);
    watchers.observe?.({ sql: text, values, rows: result.rows.length });
    return result;
  };

  function untilClosed<T>(attempt: () => Promise<T>): Promise<T> {
    const done = retry(attempt, {
      pauseMs: 0,
      attempts: COLLISION_ATTEMPTS,
      isTemporary: (error) => isCollision(error) || isStale(error),
      onFailure: async (error) => {
        if (isStale(error)) await dropIdle(pool); // theirs are stale, too
      },
    });
    return figures.transaction(Promise.race([leavingReadOnly(done), tooLate]));
  }

  /** A server that was demoted keeps the connections to it: those that wait are closed, so that new ones are made. */
  async function leavingReadOnly<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      watchers.availability?.failed(error); // what fails at BEGIN or COMMIT is no statement
      if (isReadOnly(error)) await dropIdle(pool);
      throw error;
    }
  }

  return {
    kind: 'postgresql',
    reader: client,
    transaction: (work) => untilClosed(() => attempt(work)),
    change: (decide, limits) =>
      untilClosed(() => unlessSuspicious(pool, (begun) => changePostgres(pool, decide, { around, begun, ...limits }))),
    async checkWrites() {
      await leavingReadOnly(guarded(() => pool.query(writesNothing)));
    },
    stopWaiting: () => closing.abort(),
    async close() {
      closing.abort();
      const closed = client.$disconnect().then(() => pool.end());
      await Promise.race([closed, tooLate]).catch(() => {}); // what still hangs ends with the process
    },
  };
}

/** Tables that do not have the name of their model. */
const namedOtherwise: Partial<Record<Prisma.ModelName, string>> = { ProviderLink: 'provider_connection' };

/** Changes no row of any table, and is refused like a statement that changes one. */
const writesNothing = `WITH ${Object.values(Prisma.ModelName)
  .map((model) => namedOtherwise[model] ?? toColumn(model).slice(1))
  .flatMap((table, at) => [
    `i${at} AS (INSERT INTO "${table}" SELECT * FROM "${table}" WHERE false RETURNING 1)`,
    `d${at} AS (DELETE FROM "${table}" WHERE false RETURNING 1)`,
  ])
  .join(', ')} SELECT 1`;

/** Runs a statement, and tells whether the database is there. */
type Guarded = <T>(run: () => Promise<T>) => Promise<T>;

function guard(pool: pg.Pool, availability: Availability | undefined, figures: DatabaseFigures): Guarded {
  return async (run) => {
    const begun = performance.now();
    try {
      const result = await unlessSuspicious(pool, run);
      figures.answered(begun);
      availability?.answered();
      return result;
    } catch (error) {
      availability?.failed(error);
      throw error;
    }
  };
}

function createClient(pool: pg.Pool, schema: string, guarded: Guarded, observe: StatementObserver | undefined): Reader {
  const driver = new PrismaPg(pool, { schema, disposeExternalPool: false });
  const adapter = aroundStatements(driver, (_, run) => guarded(run));
  const client = new PrismaClient({ adapter: observe ? watchStatements(adapter, observe) : adapter });
  // Both clients are generated from the same models; they differ in nothing that this server uses.
  return withRawReads(client as unknown as Reader, async ({ text, values }) => {
    const query = { text, values: values.map(toPostgresValue), rowMode: 'array', types: postgresTypes } as const;
    const { fields, rows } = await guarded(() => pool.query<unknown[]>(query));
    observe?.({ sql: text, values, rows: rows.length });
    const columns = fields.map(({ name }) => name);
    return toObjects(columns, [], rows);
  });
}

/** Rejects with UNAVAILABLE so many milliseconds after the signal has aborted. */
function rejectAfter(closing: AbortSignal, ms: number): Promise<never> {
  const rejected = new Promise<never>((_, reject) => {
    closing.addEventListener('abort', () => {
      const error = new AppError('UNAVAILABLE', 'The server is shutting down, and the database is slow');
      setTimeout(reject, ms, error).unref();
    });
  });
  rejected.catch(() => {});
  return rejected;
}
