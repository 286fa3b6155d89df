import { toColumn } from './columns.ts';

/** Rows as one JSON text for SQLite's `json_each`, under the names of the fields. Times become milliseconds. */
export const toSqliteJson = (rows: readonly object[]) =>
  JSON.stringify(rows, function (this: Record<string, unknown>, key, value) {
    const original = this[key];
    return original instanceof Date ? original.getTime() : value;
  });

/** Rows as one JSON text for `jsonb_populate_recordset`, under their columns' names: it knows the types from the table. */
export const toPostgresJson = (rows: readonly object[]) =>
  JSON.stringify(
    rows.map((row) => Object.fromEntries(Object.entries(row).map(([field, value]) => [toColumn(field), value]))),
  );
