import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { type Prisma, PrismaClient } from './generated/client/client.ts';
import { type StatementObserver, watchStatements } from './watch-statements.ts';

export type Reader = PrismaClient;
export type Transaction = Prisma.TransactionClient;

/** How long a statement waits for another process's write lock before it fails as busy. */
const BUSY_TIMEOUT_MS = 5_000;
/** Attempts of one transaction that meets a busy database. */
const BUSY_ATTEMPTS = 5;
/** A transaction that takes longer is rolled back; groups of recordings take milliseconds. */
const TRANSACTION_TIMEOUT_MS = 30_000;

/** The server's database. Whoever opens it closes it. */
export interface Database {
  /** For everything that only reads, outside of transactions. */
  readonly reader: Reader;
  /**
   * Runs `work` in a transaction and resolves once it is committed and durable. Transactions of one process run one
   * after another. The first statement of `work` must write: SQLite takes its write lock only then, and a transaction
   * that has read before it writes can fail for good. `work` may run again, so it must not change anything else.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * The driver for a database URL. Times are kept as milliseconds since 1970, so that they compare as numbers.
 * A PRAGMA set by hand would vanish after each transaction; what every connection needs is passed here.
 */
export function sqliteAdapter(url: string): PrismaLibSql {
  mkdirSync(dirname(url.slice('file:'.length)), { recursive: true });
  const config = { url, timeout: BUSY_TIMEOUT_MS };
  return new PrismaLibSql(config, { timestampFormat: 'unixepoch-ms' });
}

/**
 * Opens a migrated SQLite database in WAL mode. SQLite's default of `synchronous=FULL` stays: a commit is on the disk
 * before it is acknowledged.
 */
export async function openDatabase(url: string, observe?: StatementObserver): Promise<Database> {
  const adapter = observe ? watchStatements(sqliteAdapter(url), observe) : sqliteAdapter(url);
  const open = () => new PrismaClient({ adapter });
  const reader = open();
  let writer = open();
  let lastTransaction: Promise<unknown> = Promise.resolve();

  await writer.$queryRaw`PRAGMA journal_mode = WAL`;

  async function attempt<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    for (let failures = 0; ; ) {
      try {
        return await writer.$transaction(work, { timeout: TRANSACTION_TIMEOUT_MS });
      } catch (error) {
        failures += 1;
        if (!isBusy(error) || failures === BUSY_ATTEMPTS) throw error;
        // A busy database can leave the driver inside a BEGIN that nobody ends; a new connection has none.
        await writer.$disconnect();
        writer = open();
      }
    }
  }

  return {
    reader,
    transaction(work) {
      const result = lastTransaction.then(() => attempt(work));
      lastTransaction = result.catch(() => {});
      return result;
    },
    async close() {
      await lastTransaction;
      await Promise.all([reader.$disconnect(), writer.$disconnect()]);
    },
  };
}

/** Prisma's P1008 is what the libsql adapter makes of SQLITE_BUSY, once its own wait is over. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'P1008';
}
