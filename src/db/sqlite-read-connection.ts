import type { InValue } from '@libsql/client';
import LibSql, { type Statement } from 'libsql';
import { sqlitePath } from './sqlite-path.ts';

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
  #connection: LibSql.Database | undefined;
  /** The least recently used first. */
  readonly #prepared = new Map<string, Prepared>();

  /** @param busyTimeoutMs how long a statement waits for another process's lock; nothing else runs meanwhile. */
  constructor(url: string, busyTimeoutMs: number) {
    const path = sqlitePath(url);
    this.#open = () => {
      const connection = new LibSql(path, { timeout: busyTimeoutMs });
      connection.exec('PRAGMA query_only = ON');
      return connection;
    };
  }

  /** Runs a statement, and answers within the call. @throws SqliteError with its `code`, such as `SQLITE_BUSY` */
  all(text: string, values: readonly InValue[]): FoundRows {
    try {
      const { statement, columns, columnTypes } = this.#prepare(text);
      if (columns.length > 0) return { columns, columnTypes, rows: statement.all(values) as unknown[][] };
      statement.run(values);
      return { columns, columnTypes, rows: [] };
    } catch (error) {
      this.#prepared.delete(text);
      if (error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY') this.close();
      throw error;
    }
  }

  /** The next statement opens it again. */
  close(): void {
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
