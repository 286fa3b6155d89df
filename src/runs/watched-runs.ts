import type { Provider } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { sql } from '../db/sql.ts';
import { changedRowSql } from '../log/changes/changed-row-sql.ts';
import type { ChangedRowSql, WatchedRows } from '../log/changes/watched-rows.ts';
import type { LogSql } from '../log/sql/log-sql.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';

/** The runs as rows that can be watched. */
export function watchedRuns({ kind }: { readonly kind: Provider }): WatchedRows<SyncRun> {
  const changes = changedRowSql(kind, { table: 'sync_run', name: 'run_id', recordedAt: () => sql`recorded_at` });
  return runsOver(logSqlOf({ kind }), changes);
}

/** The runs by these statements. */
export function runsOver(
  { findLogs, readChangedRuns, readRuns }: Pick<LogSql, 'findLogs' | 'readChangedRuns' | 'readRuns'>,
  changes: ChangedRowSql,
): WatchedRows<SyncRun> {
  return {
    ...changes,
    findLogs,
    nameOf: ({ runId }) => runId,
    readAfter: readChangedRuns,
    readRows: (database, states) =>
      readRuns(
        database,
        states.map(({ userId, name }) => ({ userId, runId: name })),
      ),
  };
}
