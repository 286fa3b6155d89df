import type { Database } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { emptySql, sql } from '../db/sql.ts';
import { runKey } from '../log/record/fold-run.ts';
import { readSnapshot, type Snapshot } from '../log/sql/snapshots.ts';

/** Changed runs that one statement finds. */
const RUNS_PER_STATEMENT = 2_000;

/**
 * For how long before the last look runs are told of again once another server has taken over: a transaction may take some
 * seconds, and the clocks of the two may be apart.
 */
const OVERLAP_MS = 60_000;

/** As much of a run as tells one of its states from another: a transaction changes a run once. */
export type RunState = Pick<SyncRun, 'userId' | 'runId' | 'lastSequence' | 'change'>;

/**
 * Finds the runs that change. Each look takes a snapshot of which transactions are committed, and finds the runs of those
 * that were not in the last one: none can escape, whatever the clocks of the instances say and however long a transaction
 * takes. The first snapshot is the baseline. A look costs what has changed, however many users and runs there are.
 *
 * A server that takes over without the newest transactions of the one before numbers its own from where it was: its numbers
 * say nothing of what was seen. Then what was recorded since shortly before the last look is told, some of it again.
 */
export class RecentRuns {
  readonly #database: Database;
  /** Undefined until the baseline. */
  #last: Snapshot | undefined;
  /** The states that were sent lately: a wake-up and a look may both lead to one. */
  readonly #sent = new Map<string, bigint>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Is the baseline there? Every change that is committed after it is found. */
  get hasBaseline(): boolean {
    return this.#last !== undefined;
  }

  /** Runs with a state that was committed since the last look, whether it was sent in the meantime or not. None for the baseline. */
  async look(): Promise<readonly RunState[]> {
    const { reader, kind } = this.#database;
    const last = this.#last;
    const now = await readSnapshot(reader, kind);
    const found = last ? await readChanged(this.#database, last, now) : [];
    if (last && (now.server !== last.server || now.end < last.end)) {
      found.push(...(await readLatest(this.#database, now, last.takenAt - OVERLAP_MS)));
      this.#sent.clear();
    }
    this.#last = now;
    const open = new Set(last?.open.map(BigInt));
    for (const [key, change] of this.#sent) if (last && change < last.end && !open.has(change)) this.#sent.delete(key);
    return found.filter((run) => this.#sent.get(runKey(run)) !== run.change);
  }

  /** Notes that a state is sent now. False if it was sent before. */
  noteSent(run: RunState): boolean {
    const key = runKey(run);
    if (this.#sent.get(key) === run.change) return false;
    this.#sent.set(key, run.change);
    return true;
  }
}

/**
 * The runs of the transactions that `now` can see and `last` cannot. Those beyond `now` are left to the next look: a database
 * that was restored out of a dump numbers its transactions anew, and has runs with numbers that are still to come.
 */
async function readChanged({ reader }: Database, last: Snapshot, now: Snapshot): Promise<RunState[]> {
  const isNew =
    last.open.length > 0
      ? sql`(change >= ${last.end} OR change = ANY(${last.open}::bigint[]))` // SQLite has none
      : sql`change >= ${last.end}`;
  const found: RunState[] = [];
  for (let end: RunState | undefined; ; ) {
    const after = end
      ? sql`AND (change, user_id, run_id) > (${Number(end.change)}, ${end.userId}, ${end.runId})`
      : sql``;
    const runs = await reader.$queryRaw<RunState[]>`
      SELECT user_id AS "userId", run_id AS "runId", last_sequence AS "lastSequence", change
      FROM sync_run WHERE ${isNew} AND change < ${now.end} ${after}
      ORDER BY change, user_id, run_id LIMIT ${RUNS_PER_STATEMENT}`;
    found.push(...runs);
    end = runs.at(-1);
    if (runs.length < RUNS_PER_STATEMENT) return found;
  }
}

/** The runs that were recorded since a moment: those of the newest transactions, page by page, until all of one are older. */
async function readLatest({ reader }: Database, { end }: Snapshot, since: number): Promise<RunState[]> {
  const found: RunState[] = [];
  for (let last: RunState | undefined; ; ) {
    const before = last
      ? sql`AND (change, user_id, run_id) < (${Number(last.change)}, ${last.userId}, ${last.runId})`
      : emptySql;
    const runs = await reader.$queryRaw<(RunState & Pick<SyncRun, 'recordedAt'>)[]>`
      SELECT user_id AS "userId", run_id AS "runId", last_sequence AS "lastSequence", change, recorded_at AS "recordedAt"
      FROM sync_run WHERE change < ${end} ${before}
      ORDER BY change DESC, user_id DESC, run_id DESC LIMIT ${RUNS_PER_STATEMENT}`;
    const latest = runs.filter(({ recordedAt }) => recordedAt.getTime() >= since);
    found.push(...latest);
    last = runs.at(-1);
    if (runs.length < RUNS_PER_STATEMENT || latest.length === 0) return found;
  }
}
