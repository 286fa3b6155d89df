import type { Provider, Queryable } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { emptySql, sql } from '../db/sql.ts';
import type { LogSql } from '../log/sql/log-sql.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';
import { readSnapshot, type Snapshot } from '../log/sql/snapshots.ts';

/** As much of a run as tells one of its states from another: a transaction changes a run once. */
export type RunState = Pick<SyncRun, 'userId' | 'runId' | 'lastSequence' | 'change'>;

/** A page of runs in the order of their changes: what comes after a run, or the first page. */
interface RunPage {
  readonly after: RunState | undefined;
  readonly limit: number;
}

/** The statements by which runs that change are found. */
export interface RunSql extends Pick<LogSql, 'findLogs' | 'readChangedRuns' | 'readRuns'> {
  readSnapshot(database: Queryable): Promise<Snapshot>;
  /** Of the runs of the transactions that `now` can see and `last` cannot, those of a page. */
  findChanged(database: Queryable, last: Snapshot, now: Snapshot, page: RunPage): Promise<RunState[]>;
  /** Of the runs whose change `now` can know of, those of a page; the newest change comes first. */
  findNewest(database: Queryable, now: Snapshot, page: RunPage): Promise<(RunState & Pick<SyncRun, 'recordedAt'>)[]>;
}

export function runSqlOf({ kind }: { readonly kind: Provider }): RunSql {
  const { findLogs, readChangedRuns, readRuns } = logSqlOf({ kind });
  return {
    findLogs,
    readChangedRuns,
    readRuns,
    readSnapshot: (database) => readSnapshot(database, kind),
    findChanged,
    findNewest,
  };
}

/**
 * Those beyond `now` are left to the next look: a database that was restored out of a dump numbers its transactions anew, and
 * has runs with numbers that are still to come.
 */
function findChanged(database: Queryable, last: Snapshot, now: Snapshot, { after, limit }: RunPage) {
  const isNew =
    last.open.length > 0
      ? sql`(change >= ${last.end} OR change = ANY(${last.open}::bigint[]))` // SQLite has none
      : sql`change >= ${last.end}`;
  const isLater = after
    ? sql`AND (change, user_id, run_id) > (${Number(after.change)}, ${after.userId}, ${after.runId})`
    : emptySql;
  return database.$queryRaw<RunState[]>`
    SELECT user_id AS "userId", run_id AS "runId", last_sequence AS "lastSequence", change
    FROM sync_run WHERE ${isNew} AND change < ${now.end} ${isLater}
    ORDER BY change, user_id, run_id LIMIT ${limit}`;
}

function findNewest(database: Queryable, { end }: Snapshot, { after, limit }: RunPage) {
  const isEarlier = after
    ? sql`AND (change, user_id, run_id) < (${Number(after.change)}, ${after.userId}, ${after.runId})`
    : emptySql;
  return database.$queryRaw<(RunState & Pick<SyncRun, 'recordedAt'>)[]>`
    SELECT user_id AS "userId", run_id AS "runId", last_sequence AS "lastSequence", change, recorded_at AS "recordedAt"
    FROM sync_run WHERE change < ${end} ${isEarlier}
    ORDER BY change DESC, user_id DESC, run_id DESC LIMIT ${limit}`;
}
