import { toColumn } from './columns.ts';
import type { BoundValue, Provider, Write } from './database.ts';
import { arrayOf, quoted } from './postgres-array.ts';

type ColumnType = 'uuid' | 'text' | 'int' | 'bigint' | 'float8' | 'boolean' | 'jsonb' | 'timestamptz';

/** The fields of a model with the types that their columns have in Postgres, each of them. */
export type ColumnTypes<Row> = Readonly<Record<keyof Row & string, ColumnType>>;

type WriteRows<Row> = (rows: readonly Row[]) => Write;

/**
 * How rows of a model are inserted; those whose key is there replace what is there, if a key is given.
 *
 * SQLite runs a statement for one row again and again: most of the time of anything else goes into taking the rows apart.
 * To Postgres each column is one parameter, an array of all its values: neither side has to read the names of the columns
 * with every row, as it would have in JSON.
 */
export function insertionInto<Row extends object>(
  table: string,
  types: ColumnTypes<Row>,
  key: readonly (keyof Row & string)[] = [],
): Readonly<Record<Provider, WriteRows<Row>>> {
  const columns = Object.entries<ColumnType>(types) as [keyof Row & string, ColumnType][]; // has no other keys
  const fields = columns.map(([field]) => field);
  const insert = `INSERT INTO ${table} (${fields.map(toColumn).join(', ')})`;
  const onConflict = key.length > 0 ? replacing(key, fields) : '';
  const marks = fields.map(() => '?').join(', ');
  const arrays = columns.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ');
  return {
    sqlite: (rows) => ({
      text: `${insert} VALUES (${marks})${onConflict}`,
      rows: rows.map((row) => columns.map(([field, type]) => toSqlite(row[field], type))),
    }),
    postgresql: (rows) => ({
      text: `${insert} SELECT * FROM unnest(${arrays})${onConflict}`,
      rows: [columns.map(([field, type]) => toArray(rows, field, type))],
    }),
  };
}

function replacing(key: readonly string[], fields: readonly string[]): string {
  const changed = fields.filter((field) => !key.includes(field)).map(toColumn);
  const set = changed.map((column) => `${column} = excluded.${column}`);
  return ` ON CONFLICT (${key.map(toColumn).join(', ')}) DO UPDATE SET ${set.join(', ')}`;
}

function toSqlite(value: unknown, type: ColumnType): BoundValue {
  if (value === null) return null;
  if (value instanceof Date) return value.getTime();
  if (type === 'jsonb') return JSON.stringify(value);
  return type === 'boolean' || type === 'bigint' ? Number(value) : (value as BoundValue); // the other types are texts and numbers
}

/** One field of all rows as the text of an array of Postgres; null where no row has it, which `unnest` fills up with nulls. */
function toArray<Row>(rows: readonly Row[], field: keyof Row, type: ColumnType): string | null {
  if (rows.every((row) => row[field] === null)) return null;
  return arrayOf(rows, (row) => toElement(row[field], type));
}

function toElement(value: unknown, type: ColumnType): string {
  if (value === null) return 'NULL';
  if (value instanceof Date) return value.toISOString();
  if (type === 'jsonb') return quoted(JSON.stringify(value));
  return type === 'text' ? quoted(String(value)) : String(value);
}
