import type { InValue } from '@libsql/client';
import LibSql, { type Statement } from 'libsql';
import { retry } from '../lib/retry.ts';
import { isBusy } from './faults.ts';

/** What a statement found. */
export interface FoundRows {
  readonly columns: readonly string[];
  /** The type that a column was declared with; empty for what is no column of a table. */
  readonly columnTypes: readonly string[];
  readonly rows: unknown[][];
}

interface Prepared {
  readonly statement: Statement<unknown[]>;
  readonly columns: readonly string[];
  readonly columnTypes: readonly string[];
}

/**
 * How long a statement waits within the driver, where nothing else runs meanwhile; hundreds of reads may meet the same lock.
 * The rest of the wait is ours.
 */
const BUSY_TIMEOUT_MS = 1;
const BUSY_PAUSE_MS = { first: 1, longest: 100 };
/** For how long a read waits for another process's lock in all. */
const BUSY_PATIENCE_MS = 5_000;

/** Statements that stay prepared. The server has some dozens of texts; a filter makes more of them. */
const PREPARED_STATEMENTS = 100;

/**
 * A connection that cannot write, nor begin a transaction: it would wait for the write lock within the driver, and
 * nothing else would run meanwhile. Its statements stay prepared, which is two thirds of what a small one costs.
 *
 * The driver may leave a statement open that meets a busy database, and as long as one is open, its connection goes on
 * reading what was there at the next read. So the connection is closed then, and the next statement opens another one.
 */
export class SqliteReadConnection {
  readonly #open: () => LibSql.Database;
  readonly #patienceMs: number;
  readonly #check: () => void;
  #isClosed = false;
  #connection: LibSql.Database | undefined;
  /** The least recently used first. */
  readonly #prepared = new Map<string, Prepared>();

  /**
   * @param patienceMs for how long a statement is tried again while it meets another process's lock
   * @param check throws where the file must not be read, nor be made; asked before each attempt
   */
  constructor(path: string, { patienceMs = BUSY_PATIENCE_MS, check = () => {} } = {}) {
    this.#open = () => {
      const connection = new LibSql(path, { timeout: BUSY_TIMEOUT_MS });
      connection.exec('PRAGMA query_only = ON');
      return connection;
    };
    this.#patienceMs = patienceMs;
    this.#check = check;
  }

  /** Runs a statement. @throws SqliteError with its `code`, such as `SQLITE_BUSY` */
  all(text: string, values: readonly InValue[]): Promise<FoundRows> {
    return this.whenFree(async () => this.once(text, values));
  }

  /** Attempts something again for as long as it meets another process's lock and a read has patience. */
  whenFree<T>(attempt: () => Promise<T>): Promise<T> {
    const begunAt = performance.now();
    return retry(attempt, {
      pauseMs: BUSY_PAUSE_MS,
      isTemporary: (error) => isBusy(error) && performance.now() - begunAt < this.#patienceMs,
    });
  }

  /** A single attempt at a statement. @throws SqliteError */
  once(text: string, values: readonly InValue[]): FoundRows {
    if (this.#isClosed) throw new Error('The database is closed');
    this.#check();
    try {
      const { statement, columns, columnTypes } = this.#prepare(text);
      if (columns.length > 0) return { columns, columnTypes, rows: statement.all(values) as unknown[][] };
      statement.run(values);
      return { columns, columnTypes, rows: [] };
    } catch (error) {
      this.#prepared.delete(text);
      if (isBusy(error)) this.leave();
      throw error;
    }
  }

  /** For good: a statement that still waits for a lock opens no other connection. */
  close(): void {
    this.#isClosed = true;
    this.leave();
  }

  /** The next statement opens another connection. */
  leave(): void {
    this.#prepared.clear();
    this.#connection?.close();
    this.#connection = undefined;
  }

  #prepare(text: string): Prepared {
    const known = this.#prepared.get(text);
    if (known) {
      this.#prepared.delete(text);
      this.#prepared.set(text, known);
      return known;
    }
    this.#connection ??= this.#open();
    const statement = this.#connection.prepare(text);
    const described = columnsOf(statement);
    const prepared = {
      statement,
      columns: described.map(({ name }) => name),
      columnTypes: described.map(({ type }) => type ?? ''),
    };
    this.#prepared.set(text, prepared);
    const [oldest] = this.#prepared.keys();
    if (this.#prepared.size > PREPARED_STATEMENTS && oldest !== undefined) this.#prepared.delete(oldest);
    return prepared;
  }
}

/** None for a statement that finds nothing: the driver does not let it be asked for rows. */
function columnsOf(statement: Statement<unknown[]>) {
  try {
    statement.raw(true);
    return statement.columns();
  } catch {
    return [];
  }
}
