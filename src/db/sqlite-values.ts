import type { InValue } from '@libsql/client';
import type { FromColumn } from './raw-reads.ts';

/** A bound value, as SQLite keeps it. Times are milliseconds since 1970. */
export function toSqliteValue(value: unknown): InValue {
  if (value instanceof Date) return value.getTime();
  if (typeof value === 'boolean') return Number(value);
  if (value === null || typeof value === 'string' || typeof value === 'number') return value;
  throw new TypeError(`SQLite takes no ${typeof value}`);
}

/** How the values of a column are read, by the type that the migrations declare. */
export function fromSqliteType(type: string): FromColumn {
  switch (type.toUpperCase()) {
    case 'DATETIME':
      return (value) => new Date(Number(value));
    case 'BIGINT':
      return (value) => BigInt(Number(value));
    case 'BOOLEAN':
      return (value) => value === 1;
    case 'JSONB':
      return (value) => JSON.parse(String(value));
    default:
      return undefined;
  }
}
