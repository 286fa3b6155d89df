import type { Queryable } from '../../db/database.ts';
import type { SyncRun } from '../../db/rows.ts';
import { removalOfRuns } from '../../db/rows-of-runs.ts';
import { emptySql, rawSql, sql } from '../../db/sql.ts';

/** A run that was not folded by the present rules up to its newest event. */
export type RunToFold = Pick<SyncRun, 'userId' | 'runId' | 'lastSequence' | 'eventCount'>;

type RunKey = Pick<SyncRun, 'userId' | 'runId'>;

/** 1 for a run `r` that is to be folded, else null: the first column of the index `run_to_fold_idx`. */
const toFold = rawSql('(CASE WHEN r.folded_sequence <> r.last_sequence THEN 1 END)');

/** Is any run to be folded? It is an end of the index, whatever Postgres believes of the number of those runs. */
export async function isAnyRunToFold(database: Queryable): Promise<boolean> {
  const [row] = await database.$queryRaw<{ any: number | bigint | null }[]>`
    SELECT max(${toFold}) AS "any" FROM sync_run r`;
  return row?.any != null;
}

/** At most so many of the runs that are to be folded, in the order of the index: those after a run, or the first ones. */
export function findRunsToFold(database: Queryable, after: RunKey | undefined, limit: number): Promise<RunToFold[]> {
  const isLater = after ? sql`AND (r.user_id, r.run_id) > (${after.userId}, ${after.runId})` : emptySql;
  return database.$queryRaw`
    SELECT r.user_id AS "userId", r.run_id AS "runId", r.last_sequence AS "lastSequence", r.event_count AS "eventCount"
    FROM sync_run r WHERE ${toFold} = 1 ${isLater} ORDER BY ${toFold}, r.user_id, r.run_id LIMIT ${limit}`;
}

/** Removes the batches of these runs. */
export const batchRemoval = removalOfRuns('sync_run_batch');
