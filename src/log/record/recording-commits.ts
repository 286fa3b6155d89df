import type { Database, Decision, Queryable } from '../../db/database.ts';
import { isHeldUp, isUnavailable } from '../../db/faults.ts';
import { AppError } from '../../errors.ts';
import type { WakeUps } from '../../instances/wake-ups.ts';
import type { Clock } from '../../lib/clock.ts';
import { groupBy } from '../../lib/group-by.ts';
import type { LogFigures } from '../log-figures.ts';
import { type AnyProjection, foldStates, readStates } from '../projection.ts';
import type { LockedLogs, LogSql } from '../sql/log-sql.ts';
import { batchIdOf, batchKey } from './batches.ts';
import { runKey } from './fold-run.ts';
import { type IdentifiedDraft, planRecordings, type RecordedEvent, type RecordingPlan } from './plan-recordings.ts';

/** A recording that has no answer yet. */
export interface Recording {
  readonly drafts: readonly IdentifiedDraft[];
  readonly resolve: (recorded: readonly RecordedEvent[]) => void;
  readonly reject: (reason: unknown) => void;
}

/** A recording that could not be stored, as somebody else keeps rows locked. Nothing of it is in the log. */
export interface HeldUp {
  readonly recording: Recording;
  /** Whose rows are locked, as far as that is known: if it is not, all users of the recording. */
  readonly userIds: ReadonlySet<string>;
  /** The rows are not those of the users themselves, so that only a time-out told of them. */
  readonly isByOtherRows: boolean;
}

/**
 * How long a transaction waits for one lock, in milliseconds. Others who record for a user are done in some milliseconds,
 * and of a user's other rows the lock of that user keeps everybody away but strangers.
 */
export const LOCK_WAIT_MS = 100;

interface Stored {
  readonly plan: RecordingPlan;
  /** In the order of the plan's outcomes. */
  readonly decided: readonly Recording[];
  readonly heldUp: readonly HeldUp[];
}

/** Stores groups of recordings, each group in one transaction, and answers each recording for itself. */
export class RecordingCommits {
  readonly #database: Database;
  readonly #sql: LogSql;
  readonly #wakeUps: WakeUps;
  readonly #projections: readonly AnyProjection[];
  readonly #clock: Clock;
  readonly #figures: LogFigures;

  constructor(options: {
    database: Database;
    sql: LogSql;
    wakeUps: WakeUps;
    /** Kept up to date with the log, in this order. */
    projections: readonly AnyProjection[];
    clock: Clock;
    figures: LogFigures;
  }) {
    this.#database = options.database;
    this.#sql = options.sql;
    this.#wakeUps = options.wakeUps;
    this.#projections = options.projections;
    this.#clock = options.clock;
    this.#figures = options.figures;
  }

  /**
   * Never rejects: each recording is answered, but for those that are returned.
   * @param waitFor users who are waited for if somebody else has locked them; all others are left out then
   */
  async commit(group: readonly Recording[], waitFor: ReadonlySet<string> = new Set()): Promise<readonly HeldUp[]> {
    try {
      const stored = await this.#database.change((reading) => this.#decide(reading, group, waitFor), {
        lockWaitMs: LOCK_WAIT_MS,
      });
      this.#answer(stored);
      return stored.heldUp;
    } catch (error) {
      if (isHeldUp(error))
        return group.map((recording) => ({ recording, userIds: usersOf(recording), isByOtherRows: true }));
      // If the database failed as a whole, so has the group: one by one, its recordings would only wait longer.
      if (group.length === 1 || error instanceof AppError || isUnavailable(error)) {
        for (const { reject } of group) reject(error);
        return [];
      }
      return this.#commitApart(group, waitFor);
    }
  }

  /** Stores recordings one by one, so that none fails because of another. */
  async #commitApart(group: readonly Recording[], waitFor: ReadonlySet<string>): Promise<readonly HeldUp[]> {
    const heldUp: HeldUp[] = [];
    for (const recording of group) heldUp.push(...(await this.commit([recording], waitFor)));
    return heldUp;
  }

  async #decide(
    reading: Queryable,
    group: readonly Recording[],
    waitFor: ReadonlySet<string>,
  ): Promise<Decision<Stored>> {
    const sql = this.#sql;
    const drafts = group.flatMap((recording) => recording.drafts);
    const runKeys = new Map(drafts.map((draft) => [runKey(draft), draft]));
    const batchKeys = keysOfBatches(drafts);
    const [logs, events, runs, batches, ...states] = await Promise.all([
      this.#lock(reading, [...new Set(drafts.map(({ userId }) => userId))].sort(), waitFor),
      sql.readEventsById(reading, [...new Set(drafts.map(({ id }) => id))]),
      sql.readRuns(reading, [...runKeys.values()]),
      batchKeys.length > 0 ? sql.readBatches(reading, batchKeys) : [],
      ...this.#projections.map((projection) => readStates(projection, reading, drafts)),
    ]);
    const heldUp: HeldUp[] = [];
    const decided: Recording[] = [];
    for (const recording of group) {
      const userIds = new Set(recording.drafts.map(({ userId }) => userId).filter((id) => logs.lockedByOthers.has(id)));
      if (userIds.size > 0) heldUp.push({ recording, userIds, isByOtherRows: false });
      else decided.push(recording);
    }
    const plan = planRecordings(
      decided.map((recording) => recording.drafts),
      { ...logs, events, runs, batches },
      new Date(this.#clock()),
    );
    const answer = { plan, decided, heldUp };
    if (plan.added.length === 0) return { answer, writes: [] };
    const writes = [
      sql.insertEvents(plan.added.map(({ event }) => event)),
      sql.upsertRuns(plan.runs),
      ...(plan.batches.length > 0 ? [sql.upsertBatches(plan.batches)] : []),
      ...this.#projections.flatMap((projection, at) =>
        foldStates(projection, states[at] ?? new Map(), plan.added, logs.change),
      ),
      ...sql.raiseHeads({ heads: plan.heads, change: logs.change }),
    ];
    return { answer, writes };
  }

  /** Those who are waited for come first: nobody else is kept locked meanwhile. */
  async #lock(reading: Queryable, userIds: readonly string[], waitFor: ReadonlySet<string>): Promise<LockedLogs> {
    const sql = this.#sql;
    const skipping = (ids: readonly string[]) => sql.lockUsers(reading, ids, 'skip');
    const awaited = userIds.filter((id) => waitFor.has(id));
    if (awaited.length === 0) return skipping(userIds);
    const others = userIds.filter((id) => !waitFor.has(id));
    const [first, second] = await Promise.all([sql.lockUsers(reading, awaited, 'wait'), skipping(others)]);
    return {
      heads: new Map([...first.heads, ...second.heads]),
      lockedByOthers: second.lockedByOthers,
      change: first.change > second.change ? first.change : second.change,
    };
  }

  #answer({ plan, decided }: Stored): void {
    let answered = 0;
    for (const [index, { resolve, reject }] of decided.entries()) {
      const outcome = plan.outcomes[index];
      if (outcome === undefined || outcome instanceof AppError) reject(outcome);
      else {
        answered += outcome.length;
        resolve(outcome);
      }
    }
    this.#figures.recorded += plan.added.length;
    this.#figures.duplicates += answered - plan.added.length;
    this.#figures.groups.add(decided.length);
    const added = groupBy(plan.added, ({ event }) => event.userId);
    for (const [userId, { sequence: head }] of plan.heads)
      this.#wakeUps.notify({ kind: 'grown', userId, head, previousHead: head - (added.get(userId)?.length ?? 0) });
  }
}

/** The batches that drafts are about, each once. */
function keysOfBatches(drafts: readonly IdentifiedDraft[]) {
  const keys = drafts.flatMap(({ userId, runId, metadata }) => {
    const batchId = batchIdOf({ metadata });
    return batchId === undefined ? [] : [{ userId, runId, batchId }];
  });
  return [...new Map(keys.map((key) => [batchKey(key), key])).values()];
}

function usersOf({ drafts }: Recording): Set<string> {
  return new Set(drafts.map(({ userId }) => userId));
}
