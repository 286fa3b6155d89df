import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQuery, SqlQueryable } from '@prisma/driver-adapter-utils';

/** Runs something before or after a statement. `run` answers a result set, or the number of changed rows. */
export type Around = <T>(query: SqlQuery, run: () => Promise<T>) => Promise<T>;

/** The same adapter with something around every statement, Prisma's own included, as the adapter sits below Prisma. */
export function aroundStatements(factory: SqlDriverAdapterFactory, around: Around): SqlDriverAdapterFactory {
  return override(factory, {
    connect: async () => wrapAdapter(await factory.connect(), around),
  });
}

function wrapAdapter(adapter: SqlDriverAdapter, around: Around): SqlDriverAdapter {
  return override(wrapQueries(adapter, around), {
    startTransaction: async (level) => wrapQueries(await adapter.startTransaction(level), around),
  });
}

function wrapQueries<Q extends SqlQueryable>(queryable: Q, around: Around): Q {
  return override<SqlQueryable>(queryable, {
    queryRaw: (query) => around(query, () => queryable.queryRaw(query)),
    executeRaw: (query) => around(query, () => queryable.executeRaw(query)),
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
