import type { Provider } from './database.ts';
import { rawSql, type Sql, sql } from './sql.ts';

/** What a listed value is compared with: a column of ids, or any other column of text. */
type ListedType = 'uuid' | 'text';

/** Of a list, what SQLite and Postgres take as one bound parameter. */
const dialects: Readonly<
  Record<
    Provider,
    {
      isListed(column: Sql, values: readonly string[], type: ListedType): Sql;
      listed(values: readonly string[], type: ListedType): Sql;
    }
  >
> = {
  sqlite: {
    isListed: (column, values) => sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`,
    listed: (values) => sql`json_each(${JSON.stringify(values)}) AS listed`,
  },
  postgresql: {
    isListed: (column, values, type) => sql`${column} = ANY(${values}::${arrayOf(type)})`,
    listed: (values, type) => sql`unnest(${values}::${arrayOf(type)}) AS listed (value)`,
  },
};

const arrayOf = (type: ListedType) => rawSql(`${type}[]`);

/**
 * The condition that a column holds one of the values of a list, however long the list is. Prisma's own `in` binds a
 * parameter for each value, and makes several statements of a long list, in a transaction: this one is one statement
 * with one parameter.
 */
export function isListed(
  { kind }: { readonly kind: Provider },
  column: Sql,
  values: readonly string[],
  type: ListedType = 'uuid',
): Sql {
  return dialects[kind].isListed(column, values, type);
}

/** A list of ids as the table `listed` with the column `value`, in its order; one parameter as well. */
export function listedIds({ kind }: { readonly kind: Provider }, ids: readonly string[]): Sql {
  return dialects[kind].listed(ids, 'uuid');
}
