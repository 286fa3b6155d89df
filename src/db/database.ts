import type { PrismaClient, TransactionClient } from './rows.ts';

export type Provider = 'sqlite' | 'postgresql';
export type Reader = PrismaClient;
export type Transaction = TransactionClient;
/** Whatever reads with SQL of its own: the reader, or a transaction. */
export type Queryable = Pick<Transaction, '$queryRaw'>;

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
  /** The server is closing: from now on transactions give up after three seconds, whatever they wait for. */
  stopWaiting(): void;
  close(): Promise<void>;
}
