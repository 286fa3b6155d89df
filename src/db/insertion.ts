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
      rows: rows.map((row) => sqliteRow(row, columns)),
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

/** What becomes of a value that is not null, by the type of its column; of one that stays as it is nothing has to. */
const toSqlite: Readonly<Partial<Record<ColumnType, (value: unknown) => BoundValue>>> = {
  bigint: Number,
  boolean: Number,
  jsonb: (value) => JSON.stringify(value),
  timestamptz: (value) => (value as Date).getTime(), // the models' type of such a column
};

function sqliteRow<Row>(row: Row, columns: readonly (readonly [keyof Row & string, ColumnType])[]): BoundValue[] {
  return columns.map(([field, type]) => {
    const value = row[field];
    const to = toSqlite[type];
    return to && value !== null ? to(value) : (value as BoundValue); // the other types are texts and numbers
  });
}

/** One field of all rows as the text of an array of Postgres; null where no row has it, which `unnest` fills up with nulls. */
function toArray<Row>(rows: readonly Row[], field: keyof Row, type: ColumnType): string | null {
  if (rows.every((row) => row[field] === null)) return null;
  const toElement = type === 'timestamptz' ? timeElements() : elementOf[type];
  return arrayOf(rows, (row) => {
    const value = row[field];
    return value === null ? 'NULL' : toElement(value);
  });
}

const elementOf: Readonly<Record<Exclude<ColumnType, 'timestamptz'>, (value: unknown) => string>> = {
  uuid: String,
  text: (value) => quoted(String(value)),
  int: String,
  bigint: String,
  float8: String,
  boolean: String,
  jsonb: (value) => quoted(JSON.stringify(value)),
};

/** Rows of one group have the same times in many columns, such as when they were recorded. */
function timeElements(): (value: unknown) => string {
  let last = Number.NaN;
  let text = '';
  return (value) => {
    const time = value as Date; // the models' type of such a column
    if (time.getTime() !== last) {
      last = time.getTime();
      text = time.toISOString();
    }
    return text;
  };
}
