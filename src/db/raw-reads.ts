import type { PrismaClient } from './rows.ts';
import { type Sql, sql } from './sql.ts';

/** Turns a value of a column that is not null into that of a field; undefined where it is one already. */
export type FromColumn = ((value: unknown) => unknown) | undefined;

/**
 * The same client, whose `$queryRaw` goes to the driver at once: Prisma's own engine takes three to ten times as long as
 * such a statement. Whatever else the client does is Prisma's.
 * @param run runs a statement and returns its rows as Prisma would
 */
export function withRawReads<C extends Pick<PrismaClient, '$queryRaw'>>(
  client: C,
  run: (query: Sql) => Promise<unknown>,
): C {
  const $queryRaw = (query: TemplateStringsArray | Sql, ...values: unknown[]) =>
    run('raw' in query ? sql(query, ...values) : query);
  return new Proxy(client, {
    get(target, key) {
      if (key === '$queryRaw') return $queryRaw;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Rows as objects. @param convert one for each column */
export function toObjects(
  columns: readonly string[],
  convert: readonly FromColumn[],
  rows: readonly (readonly unknown[])[],
): object[] {
  return rows.map((row) => {
    const object: Record<string, unknown> = {};
    for (let index = 0; index < columns.length; index += 1) {
      const value = row[index];
      const from = convert[index];
      object[columns[index] as string] = from && value !== null ? from(value) : value; // within the length
    }
    return object;
  });
}
