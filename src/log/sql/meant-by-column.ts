import { inLowerCase } from '../../db/columns.ts';
import { rawSql, type Sql } from '../../db/sql.ts';
import type { listFilters } from '../filter.ts';

/** What `meantBy` makes of a field, in the SQL of both databases: all words that are known are of A to Z. */
export function meantByColumn(table: string, field: (typeof listFilters)[number][1]): Sql {
  return rawSql(field === 'provider' ? `${table}.provider` : inLowerCase(`${table}.${field}`));
}
