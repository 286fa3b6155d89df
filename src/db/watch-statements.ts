import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQueryable } from '@prisma/driver-adapter-utils';

/** One SQL statement that ran, and how many rows it returned (0 for a statement without a result). */
export interface StatementReport {
  readonly sql: string;
  readonly rows: number;
}

export type StatementObserver = (report: StatementReport) => void;

/**
 * The same adapter, telling `observe` of every statement that succeeded. It sits below Prisma, so statements that
 * Prisma adds by itself are seen as well, and so is what they read.
 */
export function watchStatements(factory: SqlDriverAdapterFactory, observe: StatementObserver): SqlDriverAdapterFactory {
  return override(factory, {
    connect: async () => watchAdapter(await factory.connect(), observe),
  });
}

function watchAdapter(adapter: SqlDriverAdapter, observe: StatementObserver): SqlDriverAdapter {
  return override(watchQueries(adapter, observe), {
    startTransaction: async (level) => watchQueries(await adapter.startTransaction(level), observe),
  });
}

function watchQueries<Q extends SqlQueryable>(queryable: Q, observe: StatementObserver): Q {
  return override<SqlQueryable>(queryable, {
    queryRaw: async (query) => {
      const result = await queryable.queryRaw(query);
      observe({ sql: query.sql, rows: result.rows.length });
      return result;
    },
    executeRaw: async (query) => {
      const affected = await queryable.executeRaw(query);
      observe({ sql: query.sql, rows: 0 });
      return affected;
    },
  }) as Q; // only methods of SqlQueryable were replaced, so what was a Q still is one
}

/** `target` with some methods replaced; everything else runs on `target` itself, private fields included. */
function override<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(original, key) {
      const value: unknown = Reflect.get(key in methods ? methods : original, key);
      return typeof value === 'function' ? value.bind(original) : value;
    },
  });
}
