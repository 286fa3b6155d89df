import { durationBounds, Histogram } from '../lib/histogram.ts';

/** The connections that a process keeps to its database. */
export interface PoolFigures {
  readonly used: number;
  readonly idle: number;
  readonly most: number;
  /** How much waits for one of them. */
  readonly waiting: number;
}

/** How the database has answered this process since that began, for who watches over it. */
export class DatabaseFigures {
  /** What it took until statements were answered, in seconds. */
  readonly statements = new Histogram(durationBounds);
  /** What transactions took, in seconds, with all attempts. */
  readonly transactions = new Histogram(durationBounds);
  /**
   * Told of each statement and transaction that was answered, in the context of who waits for it, and since when by
   * `performance.now()`. Undefined where nobody collects traces.
   */
  tell: ((what: 'statement' | 'transaction', begun: number) => void) | undefined;
  /** Undefined for a file, which is no connection. */
  pool: (() => PoolFigures) | undefined;

  /** A statement was answered. @param begun by `performance.now()` */
  answered(begun: number): void {
    this.statements.add((performance.now() - begun) / 1_000);
    this.tell?.('statement', begun);
  }

  /** Measures a transaction, however it ends. */
  async transaction<T>(transaction: Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await transaction;
    } finally {
      this.transactions.add((performance.now() - begun) / 1_000);
      this.tell?.('transaction', begun);
    }
  }
}
