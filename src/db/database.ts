import type { Availability } from './availability.ts';
import type { DatabaseFigures } from './database-figures.ts';
import type { PrismaClient, TransactionClient } from './rows.ts';
import type { SqlTemplate } from './sql.ts';
import type { StatementObserver } from './watch-statements.ts';

export type Provider = 'sqlite' | 'postgresql';
export type Reader = PrismaClient;
export type Transaction = TransactionClient;
/** Whatever reads with SQL of its own: the reader, a transaction, or a change. */
export interface Queryable {
  $queryRaw<Rows>(statement: SqlTemplate, ...values: unknown[]): Promise<Rows>;
}

/** A statement that writes, once for each row of bound values. */
export interface Write {
  readonly text: string;
  readonly rows: readonly (readonly BoundValue[])[];
}

/** What is bound as it stands, on either database. */
export type BoundValue = string | number | null;

/** What a change has made up its mind to. */
export interface Decision<T> {
  readonly answer: T;
  /** In this order. They are committed together, or none of them is. */
  readonly writes: readonly Write[];
}

/** Locks and reads. Statements run in the order in which they are sent; none has to wait for the answer to another. */
export type Decide<T> = (reading: Queryable) => Promise<Decision<T>>;

/** What a change may take. SQLite has one lock, which is waited for before a change begins. */
export interface ChangeLimits {
  /** For how long each of its statements waits for a row that somebody else has locked; else as long as any other. */
  readonly lockWaitMs?: number;
}

/** The server's database. Whoever opens it closes it. */
export interface Database {
  readonly kind: Provider;
  /** For everything that only reads, outside of transactions. */
  readonly reader: Reader;
  /**
   * Runs `work` in a transaction and resolves once it is committed and durable. The first statement of `work` must
   * write or lock. `work` may run again after a collision, so it must not change anything else.
   * @throws AppError UNAVAILABLE when other processes keep the database busy for too long.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /**
   * A transaction of SQL by hand, for what is written all the time: it goes past Prisma to the same driver. It reads
   * first, then writes, and what it writes is sent together with the commit. Everything else is as with `transaction`.
   */
  change<T>(decide: Decide<T>, limits?: ChangeLimits): Promise<T>;
  /**
   * Looks whether the database lets us write, without writing. It does not find a full disk.
   * @throws why not, or whatever the database does
   */
  checkWrites(): Promise<void>;
  /** The server is closing: from now on transactions give up after three seconds, whatever they wait for. */
  stopWaiting(): void;
  close(): Promise<void>;
}

/** What is told of a database as it is used. */
export interface OpenOptions {
  /** Told of every statement. */
  readonly observe?: StatementObserver | undefined;
  /** Told which statements the database answers, and why it fails. */
  readonly availability?: Availability | undefined;
  /** Counts what statements and transactions take. */
  readonly figures?: DatabaseFigures | undefined;
}
