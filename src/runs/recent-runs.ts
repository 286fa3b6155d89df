import type { Database } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { sql } from '../db/sql.ts';
import type { Clock } from '../lib/clock.ts';
import { runKey } from '../log/record/fold-run.ts';

/** Recorded runs that one statement finds. */
const RUNS_PER_STATEMENT = 2_000;
/**
 * How long after its time of recording a change may appear in the database: until its transaction is committed, and as
 * far as the clocks of two instances differ. In milliseconds.
 */
const APPEARS_WITHIN_MS = 15_000;

/** As much of a run as tells one of its states from another. */
export type RunState = Pick<SyncRun, 'userId' | 'runId' | 'lastSequence' | 'recordedAt'>;

/** `sent` is false for a state of the baseline, which no subscriber was sent, and true for one that they all were. */
type KnownState = RunState & { readonly sent: boolean };

/**
 * The states of the runs that were recorded lately, as far as they have been read. The first look is the baseline:
 * what it finds counts as known. Each further look finds what differs from what is known, and so costs what has changed,
 * however many users and runs there are.
 */
export class RecentRuns {
  readonly #database: Database;
  readonly #clock: Clock;
  /** Undefined until the baseline. */
  #known: Map<string, KnownState> | undefined;
  /**
   * High-water mark of `recordedAt`, by this process's clock. Changes may appear up to `APPEARS_WITHIN_MS` below it, so
   * each look goes back that far.
   */
  #lookedUpTo = 0;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Is the baseline there? Every change that is committed after it is found. */
  get hasBaseline(): boolean {
    return this.#known !== undefined;
  }

  /** Runs with a state that is not known yet, whether it was sent in the meantime or not. None for the baseline. */
  async look(): Promise<readonly RunState[]> {
    const now = this.#clock();
    const since = new Date(Math.min(this.#known ? this.#lookedUpTo : now, now) - APPEARS_WITHIN_MS);
    const found = await readRecorded(this.#database, since);
    this.#lookedUpTo = now;
    const known = this.#known;
    if (!known) {
      this.#known = new Map(found.map((run) => [runKey(run), { ...run, sent: false }]));
      return [];
    }
    const changed = found.filter((run) => !isSame(known.get(runKey(run)), run));
    for (const [key, { recordedAt }] of known) if (recordedAt < since) known.delete(key);
    return changed;
  }

  /**
   * Notes that a state is sent now. False if it was sent before: a wake-up and a look may both lead to it, and
   * `lastSequence` with `recordedAt` tells that it is the same.
   */
  noteSent({ userId, runId, lastSequence, recordedAt }: RunState): boolean {
    const state = { userId, runId, lastSequence, recordedAt };
    const known = this.#known?.get(runKey(state));
    if (known?.sent && isSame(known, state)) return false;
    this.#known?.set(runKey(state), { ...state, sent: true });
    return true;
  }
}

/** Sequences begin anew in another log under the same id, so they alone do not tell. */
function isSame(one: RunState | undefined, other: RunState): boolean {
  return one?.lastSequence === other.lastSequence && one.recordedAt.getTime() === other.recordedAt.getTime();
}

/** The runs that were recorded at or after a time. */
async function readRecorded({ reader }: Database, since: Date): Promise<RunState[]> {
  const found: RunState[] = [];
  for (let last: RunState | undefined; ; ) {
    const after = last
      ? sql`(recorded_at, user_id, run_id) > (${last.recordedAt}, ${last.userId}, ${last.runId})`
      : sql`recorded_at >= ${since}`;
    const runs = await reader.$queryRaw<RunState[]>`
      SELECT user_id AS "userId", run_id AS "runId", last_sequence AS "lastSequence", recorded_at AS "recordedAt"
      FROM sync_run WHERE ${after} ORDER BY recorded_at, user_id, run_id LIMIT ${RUNS_PER_STATEMENT}`;
    found.push(...runs);
    last = runs.at(-1);
    if (runs.length < RUNS_PER_STATEMENT) return found;
  }
}
