import { setImmediate as nextTurn } from 'node:timers/promises';
import type { InValue } from '@libsql/client';
import Libsql from 'libsql';
import { inPieces } from '../lib/in-pieces.ts';
import type { Decide, Write } from './database.ts';
import { overwriteDeleted } from './libsql-adapter.ts';
import { type FromColumn, toObjects } from './raw-reads.ts';
import { type SqlTemplate, toSql } from './sql.ts';
import { fromSqliteType, toSqliteValue } from './sqlite-values.ts';
import type { StatementObserver } from './watch-statements.ts';

/** Rows that are written before others get a turn: some two milliseconds. */
const ROWS_PER_TURN = 100;

/**
 * Memory for pages of the database, in KiB; SQLite's default is 2,000. Ids are random, so that the pages of their index
 * are soon more than that, and nearly every event would read one again.
 */
const CACHE_KIB = 16_000;

interface PreparedRead {
  readonly statement: Libsql.Statement;
  readonly names: readonly string[];
  /** One for each column. */
  readonly convert: readonly FromColumn[];
}

/**
 * The connection of changes: it keeps its statements prepared, which Prisma's adapter would prepare again each time. What
 * begins a transaction is not kept: the driver leaves a statement open that meets a busy database, and no transaction could
 * then be committed.
 */
export class SqliteChanges {
  readonly #open: () => Libsql.Database;
  /** Undefined until the next change opens it. */
  #opened: Libsql.Database | undefined;
  readonly #observe: StatementObserver | undefined;
  readonly #reads = new Map<string, PreparedRead>();
  readonly #statements = new Map<string, Libsql.Statement>();

  constructor(path: string, busyTimeoutMs: number, observe?: StatementObserver) {
    this.#open = () => {
      const connection = new Libsql(path, { timeout: busyTimeoutMs });
      connection.exec(`PRAGMA cache_size = -${CACHE_KIB}; ${overwriteDeleted}`);
      return connection;
    };
    this.#observe = observe;
  }

  /** Runs a change; there must be no other at the same time. */
  async run<T>(decide: Decide<T>): Promise<T> {
    await nextTurn();
    const connection = this.#connection();
    connection.exec('BEGIN IMMEDIATE');
    try {
      let last: Promise<unknown> = Promise.resolve();
      const { answer, writes } = await decide({
        $queryRaw: <Rows>(statement: SqlTemplate, ...given: unknown[]) => {
          const { sql, values } = toSql(statement, given);
          const rows = last.then(() => nextTurn()).then(() => this.#read(sql, values.map(toSqliteValue)));
          last = rows;
          return rows as Promise<Rows>; // the caller knows what the statement selects
        },
      });
      for (const write of writes) await this.#write(write);
      connection.exec('COMMIT');
      return answer;
    } catch (error) {
      // A disk that is full has ended the transaction already.
      if (connection.inTransaction) connection.exec('ROLLBACK');
      throw error;
    }
  }

  /** Between changes. The next one opens it again. */
  close(): void {
    this.#reads.clear();
    this.#statements.clear();
    this.#opened?.close();
    this.#opened = undefined;
  }

  #connection(): Libsql.Database {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  #read(text: string, values: InValue[]): object[] {
    const { statement, names, convert } = this.#prepareRead(text);
    const rows = statement.all(values) as unknown[][]; // as `raw` makes them
    this.#observe?.({ sql: text, values, rows: rows.length });
    return toObjects(names, convert, rows);
  }

  async #write({ text, rows }: Write): Promise<void> {
    const statement = this.#prepare(text);
    for (const some of inPieces(rows, ROWS_PER_TURN)) {
      await nextTurn();
      for (const values of some) statement.run(values);
    }
    this.#observe?.({ sql: text, values: rows[0] ?? [], rows: 0 });
  }

  /** Asking for the columns of a run takes longer than finding it. */
  #prepareRead(text: string): PreparedRead {
    const known = this.#reads.get(text);
    if (known) return known;
    const statement = this.#connection().prepare(text).raw();
    const columns = statement.columns();
    const prepared = {
      statement,
      names: columns.map(({ name }) => name),
      convert: columns.map(({ type }) => fromSqliteType(type ?? '')),
    };
    this.#reads.set(text, prepared);
    return prepared;
  }

  #prepare(text: string): Libsql.Statement {
    const known = this.#statements.get(text);
    if (known) return known;
    const statement = this.#connection().prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }
}
