import type { Database } from '../db/database.ts';
import { runKey } from '../log/record/fold-run.ts';
import type { Snapshot } from '../log/sql/snapshots.ts';
import type { RunSql, RunState } from './run-sql.ts';

/** Changed runs that one statement finds. */
const RUNS_PER_STATEMENT = 2_000;

/**
 * For how long before the last look runs are told of again once another server has taken over: a transaction may take some
 * seconds, and the clocks of the two may be apart.
 */
const OVERLAP_MS = 60_000;

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
  readonly #sql: RunSql;
  /** Undefined until the baseline. */
  #last: Snapshot | undefined;
  /** The states that were sent lately: a wake-up and a look may both lead to one. */
  readonly #sent = new Map<string, bigint>();

  constructor(database: Database, sql: RunSql) {
    this.#database = database;
    this.#sql = sql;
  }

  /** Is the baseline there? Every change that is committed after it is found. */
  get hasBaseline(): boolean {
    return this.#last !== undefined;
  }

  /** Runs with a state that was committed since the last look, whether it was sent in the meantime or not. None for the baseline. */
  async look(): Promise<readonly RunState[]> {
    const last = this.#last;
    const now = await this.#sql.readSnapshot(this.#database.reader);
    const found = last ? await this.#readChanged(last, now) : [];
    if (last && (now.server !== last.server || now.end < last.end)) {
      found.push(...(await this.#readLatest(now, last.takenAt - OVERLAP_MS)));
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

  async #readChanged(last: Snapshot, now: Snapshot): Promise<RunState[]> {
    const found: RunState[] = [];
    for (let after: RunState | undefined; ; after = found.at(-1)) {
      const page = { after, limit: RUNS_PER_STATEMENT };
      const runs = await this.#sql.findChanged(this.#database.reader, last, now, page);
      found.push(...runs);
      if (runs.length < RUNS_PER_STATEMENT) return found;
    }
  }

  /** The runs that were recorded since a moment: those of the newest transactions, page by page, until all of one are older. */
  async #readLatest(now: Snapshot, since: number): Promise<RunState[]> {
    const found: RunState[] = [];
    for (let after: RunState | undefined; ; ) {
      const runs = await this.#sql.findNewest(this.#database.reader, now, { after, limit: RUNS_PER_STATEMENT });
      const latest = runs.filter(({ recordedAt }) => recordedAt.getTime() >= since);
      found.push(...latest);
      after = runs.at(-1);
      if (runs.length < RUNS_PER_STATEMENT || latest.length === 0) return found;
    }
  }
}
