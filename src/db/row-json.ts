/** Rows as one JSON text for SQLite's `json_each`, under the names of the fields. Times become milliseconds. */
export const toSqliteJson = (rows: readonly object[]) =>
  JSON.stringify(rows, function (this: Record<string, unknown>, key, value) {
    const original = this[key];
    return original instanceof Date ? original.getTime() : value;
  });
