import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import type { Database, Transaction } from './database.ts';
import { isBusy } from './faults.ts';
import { PrismaClient } from './generated/sqlite/client.ts';
import { type StatementObserver, watchStatements } from './watch-statements.ts';

/** How long a statement waits for another process's write lock before it fails as busy. */
const BUSY_TIMEOUT_MS = 5_000;
/** Attempts of one transaction that meets a busy database. */
const BUSY_ATTEMPTS = 5;
/** A transaction that takes longer is rolled back; groups of recordings take milliseconds. */
const TRANSACTION_TIMEOUT_MS = 30_000;

/**
 * The driver for a SQLite file. Times are kept as milliseconds since 1970, so that they compare as numbers.
 * A PRAGMA set by hand would vanish after each transaction; what every connection needs is passed here.
 */
export function sqliteAdapter(url: string): PrismaLibSql {
  mkdirSync(dirname(url.slice('file:'.length)), { recursive: true });
  const config = { url, timeout: BUSY_TIMEOUT_MS };
  return new PrismaLibSql(config, { timestampFormat: 'unixepoch-ms' });
}

/**
 * Opens a migrated SQLite database in WAL mode. SQLite's default of `synchronous=FULL` stays: a commit is on the disk
 * before it is acknowledged. Transactions run one after another.
 */
export async function openSqlite(url: string, observe?: StatementObserver): Promise<Database> {
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
    kind: 'sqlite',
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
