import type { Provider } from '../../db/database.ts';
import type { LogSql } from './log-sql.ts';
import { postgresLogSql } from './postgres.ts';
import { sqliteLogSql } from './sqlite.ts';

const dialects: Readonly<Record<Provider, LogSql>> = { sqlite: sqliteLogSql, postgresql: postgresLogSql };

/** The log's SQL for a database. */
export function logSqlOf({ kind }: { readonly kind: Provider }): LogSql {
  return dialects[kind];
}
