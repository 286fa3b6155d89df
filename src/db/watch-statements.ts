import type { SqlDriverAdapterFactory, SqlResultSet } from '@prisma/driver-adapter-utils';
import { aroundStatements } from './around-statements.ts';

/** One SQL statement that ran with its bound values, and how many rows it returned (0 for one without a result). */
export interface StatementReport {
  readonly sql: string;
  readonly values: readonly unknown[];
  readonly rows: number;
}

export type StatementObserver = (report: StatementReport) => void;

/** The same adapter, telling `observe` of every statement that succeeded. */
export function watchStatements(factory: SqlDriverAdapterFactory, observe: StatementObserver): SqlDriverAdapterFactory {
  return aroundStatements(factory, async ({ sql, args }, run) => {
    const result = await run();
    const rows = typeof result === 'number' ? 0 : (result as SqlResultSet).rows.length; // see `Around`
    observe({ sql, values: args, rows });
    return result;
  });
}
