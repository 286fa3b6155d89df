import { listOf, toColumn } from './columns.ts';
import { joinSql, rawSql, type Sql, sql } from './sql.ts';

type ColumnType = 'uuid' | 'text' | 'int' | 'float8' | 'boolean' | 'jsonb' | 'timestamptz';

/** The fields of a model with the types that their columns have in Postgres, each of them. */
export type ColumnTypes<Row> = Readonly<Record<keyof Row & string, ColumnType>>;

/**
 * An INSERT of any number of rows into a table of Postgres, without what may follow. Each column is one parameter, an
 * array of all its values: neither side has to read the names of the columns with every row, as it would have in JSON.
 */
export function insertRows<Row extends object>(table: string, types: ColumnTypes<Row>, rows: readonly Row[]): Sql {
  const fields = Object.keys(types) as (keyof Row & string)[]; // a literal of this type has no other keys
  const arrays = fields.map((field) => sql`${arrayOf(rows, field, types[field])}::${rawSql(types[field])}[]`);
  return sql`INSERT INTO ${rawSql(table)} (${listOf(fields, toColumn)}) SELECT * FROM unnest(${joinSql(arrays)})`;
}

/** One field of all rows as the text of an array. */
function arrayOf<Row>(rows: readonly Row[], field: keyof Row, type: ColumnType): string {
  let text = '{';
  for (const row of rows) {
    if (text.length > 1) text += ',';
    text += elementOf(row[field], type);
  }
  return `${text}}`;
}

function elementOf(value: unknown, type: ColumnType): string {
  if (value === null) return 'NULL';
  if (value instanceof Date) return value.toISOString();
  if (type === 'jsonb') return quoted(JSON.stringify(value));
  return type === 'text' ? quoted(String(value)) : String(value);
}

function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`;
}
