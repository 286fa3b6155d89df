import { accessSync, constants } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SqlDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { AppError } from '../errors.ts';
import { retry } from '../lib/retry.ts';
import { aroundStatements } from './around-statements.ts';
import type { Database, OpenOptions } from './database.ts';
import { DatabaseFigures } from './database-figures.ts';
import { isBusy, isLostFile } from './faults.ts';
import { PrismaClient } from './generated/sqlite/client.ts';
import { OneConnectionLibSql, readOnlyLibSql } from './libsql-adapter.ts';
import { toObjects, withRawReads } from './raw-reads.ts';
import { SqliteChanges } from './sqlite-change.ts';
import { prepareSqliteFile } from './sqlite-file.ts';
import { sqlitePath, sqliteUrl } from './sqlite-path.ts';
import { SqlitePresence } from './sqlite-presence.ts';
import { SqliteReadConnection } from './sqlite-read-connection.ts';
import { fromSqliteType, toSqliteValue } from './sqlite-values.ts';
import { watchStatements } from './watch-statements.ts';

/**
 * How long a statement waits for another process's lock before it fails as busy. It is short, because libsql waits natively,
 * where nothing else runs meanwhile, and everything that meets a lock is attempted again.
 */
const BUSY_TIMEOUT_MS = 10;
/** What met a busy database is tried again after so long; the process goes on in between. */
const BUSY_PAUSE_MS = { first: 10, longest: 200 };
/** For how long the file is opened again and again while another process keeps it locked. */
const BUSY_OPEN_PATIENCE_MS = 5_000;
/** When a transaction gives up on a busy database. */
const BUSY_PATIENCE_MS = 25_000;
/** The same once the server closes. */
const CLOSING_PATIENCE_MS = 3_000;
/** A transaction that takes longer is rolled back; groups of recordings take milliseconds. */
const TRANSACTION_TIMEOUT_MS = 30_000;

const options = { timestampFormat: 'unixepoch-ms' } as const;

/** The driver for a file. Times are kept as milliseconds since 1970, so that they compare as numbers. */
export function sqliteAdapter(path: string): OneConnectionLibSql {
  return new OneConnectionLibSql({ url: sqliteUrl(path), timeout: BUSY_TIMEOUT_MS }, options);
}

/** Makes the file write ahead, for whoever opens it from now on. @returns where it is, without any symbolic link */
async function writeAhead(name: string): Promise<string> {
  prepareSqliteFile(name);
  const adapter = await sqliteAdapter(name).connect();
  const read = async (sql: string) => (await adapter.queryRaw({ sql, args: [], argTypes: [] })).rows[0]?.[0];
  try {
    await read('PRAGMA journal_mode = WAL');
    return String(await read("SELECT file FROM pragma_database_list WHERE name = 'main'"));
  } finally {
    await adapter.dispose();
  }
}

/** Opens something of the file, as often as another process keeps the file locked. */
function whenFree<T>(open: () => Promise<T>): Promise<T> {
  const begunAt = performance.now();
  return retry(open, {
    pauseMs: BUSY_PAUSE_MS,
    isTemporary: (error) => isBusy(error) && performance.now() - begunAt < BUSY_OPEN_PATIENCE_MS,
  });
}

/**
 * Opens a migrated SQLite database in WAL mode; its transactions run one after another. SQLite's default of
 * `synchronous=FULL` stays: a commit is on the disk before it is acknowledged.
 */
export async function openSqlite(
  url: string,
  { observe, availability, figures = new DatabaseFigures() }: OpenOptions = {},
): Promise<Database> {
  const failed = (error: unknown) => {
    if (!isBusy(error)) availability?.failed(error);
  };
  async function watched<T>(run: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      const result = await run();
      figures.answered(begun);
      availability?.answered();
      return result;
    } catch (error) {
      failed(error);
      throw error;
    }
  }
  const open = (driver: SqlDriverAdapterFactory) => {
    // The driver answers within the call, so that without this a long series of statements would let nobody else in.
    const adapter = aroundStatements(driver, async (_, run) => {
      await nextTurn();
      return watched(async () => {
        presence.checkNowAndThen();
        return run();
      });
    });
    return new PrismaClient({ adapter: observe ? watchStatements(adapter, observe) : adapter });
  };
  const name = sqlitePath(url);
  // Every connection opens the file itself: its name may be a link, which may come to lead to another one.
  const path = await whenFree(() => writeAhead(name));
  const openWriter = () => open(sqliteAdapter(path));
  const presence = await whenFree(async () => new SqlitePresence(path, name));
  const changes = new SqliteChanges(path, BUSY_TIMEOUT_MS, observe);
  const reading = new SqliteReadConnection(path, { check: () => presence.checkNowAndThen() });
  const reader = withRawReads(open(readOnlyLibSql(reading)), async ({ sql, values }) => {
    await nextTurn();
    const { columns, columnTypes, rows } = await watched(() => reading.all(sql, values.map(toSqliteValue)));
    observe?.({ sql, values, rows: rows.length });
    return toObjects(columns, columnTypes.map(fromSqliteType), rows);
  });
  let writer = openWriter();
  let lastMoment = Number.POSITIVE_INFINITY;
  let lastTransaction: Promise<unknown> = Promise.resolve();

  /** What is acknowledged is in the file, and no connection makes a new file in its place. */
  async function present<T>(work: () => Promise<T>): Promise<T> {
    presence.check();
    const answer = await work();
    presence.check();
    return answer;
  }

  /** One after the other, each as often as it meets a busy database. */
  function inTurn<T>(work: () => Promise<T>, afterBusy = async () => {}): Promise<T> {
    const attempt = () => present(work);
    const result = lastTransaction.then(() => {
      const deadline = performance.now() + BUSY_PATIENCE_MS;
      return retry(attempt, {
        pauseMs: BUSY_PAUSE_MS,
        isTemporary: isBusy,
        async onFailure() {
          await afterBusy();
          if (performance.now() > Math.min(deadline, lastMoment))
            throw new AppError('UNAVAILABLE', 'The database is busy; try again');
        },
      });
    });
    lastTransaction = result.catch(async (error: unknown) => {
      failed(error); // what fails at BEGIN or COMMIT is no statement
      if (isLostFile(error)) await reopen().catch(() => {}); // what cannot be opened fails the next one
    });
    return result;
  }

  /** A file that could not be written when it was opened is never written by the connection that opened it. */
  async function reopen(): Promise<void> {
    reading.leave();
    changes.close();
    await replaceWriter();
  }

  /** The driver leaves a statement that met a busy database open, and no transaction can then be committed. */
  async function replaceWriter(): Promise<void> {
    await writer.$disconnect();
    writer = openWriter();
  }

  presence.start((error) => {
    if (error !== undefined) failed(error);
  });

  return {
    kind: 'sqlite',
    reader,
    transaction: (work) =>
      figures.transaction(inTurn(() => writer.$transaction(work, { timeout: TRANSACTION_TIMEOUT_MS }), replaceWriter)),
    change: (decide) => figures.transaction(inTurn(() => changes.run(decide))),
    async checkWrites() {
      try {
        accessSync(path, constants.W_OK);
      } catch (error) {
        throw Object.assign(new Error(`The file of the database cannot be written`, { cause: error }), {
          code: 'SQLITE_READONLY',
        });
      }
    },
    stopWaiting() {
      lastMoment = Math.min(lastMoment, performance.now() + CLOSING_PATIENCE_MS);
    },
    async close() {
      await lastTransaction;
      changes.close();
      await Promise.all([reader.$disconnect(), writer.$disconnect()]);
      reading.close(); // Prisma disconnects only what it has connected
      await presence.close();
    },
  };
}
