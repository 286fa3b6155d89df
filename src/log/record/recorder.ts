import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database, Decision, Queryable } from '../../db/database.ts';
import { isHeldUp, isUnavailable } from '../../db/faults.ts';
import { AppError } from '../../errors.ts';
import type { WakeUps } from '../../instances/wake-ups.ts';
import type { Clock } from '../../lib/clock.ts';
import { groupBy } from '../../lib/group-by.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft } from '../event.ts';
import { type AnyProjection, foldStates, readStates } from '../projection.ts';
import { logSqlOf } from '../sql/log-sql-of.ts';
import { runKey } from './fold-run.ts';
import { identifyDrafts } from './identify-drafts.ts';
import { type IdentifiedDraft, planRecordings, type RecordedEvent, type RecordingPlan } from './plan-recordings.ts';

interface Waiting {
  readonly drafts: readonly IdentifiedDraft[];
  readonly resolve: (recorded: readonly RecordedEvent[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Requests that come at once are read in several turns of the event loop: a transaction that did not wait for them would
 * be small, and they would wait for all of it.
 */
const GATHERING_TURNS = 8;

/**
 * The one door through which events enter the log. Recordings that arrive while a transaction runs share the next one,
 * so that many small requests cost few commits; each is still all or nothing, and answered for itself.
 */
export class Recorder {
  readonly #database: Database;
  readonly #wakeUps: WakeUps;
  readonly #projections: readonly AnyProjection[];
  readonly #limits: Limits;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(options: {
    database: Database;
    wakeUps: WakeUps;
    /** Kept up to date with the log, in this order. */
    projections?: readonly AnyProjection[];
    limits: Limits;
    clock: Clock;
  }) {
    this.#database = options.database;
    this.#wakeUps = options.wakeUps;
    this.#projections = options.projections ?? [];
    this.#limits = options.limits;
    this.#clock = options.clock;
  }

  /** How many recordings wait for a transaction. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Does what `EventLog.record` promises. */
  async record(drafts: readonly EventDraft[]): Promise<readonly RecordedEvent[]> {
    if (this.#closed) throw new AppError('UNAVAILABLE', 'The server is shutting down');
    const identified = identifyDrafts(drafts, this.#limits);
    if (this.#waiting.length >= this.#limits.waitingRecordings)
      throw new AppError('UNAVAILABLE', 'Too many recordings are waiting; try again');
    return new Promise((resolve, reject) => {
      this.#waiting.push({ drafts: identified, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Refuses new recordings and resolves when those that were accepted are answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      await this.#commit(this.#takeGroup());
    }
    this.#working = undefined;
  }

  /** Waits a turn of the event loop, and others as long as each of them brings more recordings. */
  async #gather(): Promise<void> {
    for (let turns = 0; turns < GATHERING_TURNS; turns += 1) {
      const before = this.#waiting.length;
      await nextTurn();
      if (this.#waiting.length === before) return;
    }
  }

  #takeGroup(): Waiting[] {
    let events = 0;
    let size = 0;
    for (const { drafts } of this.#waiting) {
      events += drafts.length;
      if (size > 0 && events > this.#limits.eventsPerTransaction) break;
      size += 1;
    }
    return this.#waiting.splice(0, size);
  }

  /** Stores a group of recordings in one transaction, and answers each of them. */
  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      this.#answer(group, await this.#store(group));
    } catch (error) {
      // If the database failed as a whole, so has the group: one by one, its recordings would only wait longer. Trouble
      // with some rows concerns some of the recordings, so it is worth trying each by itself.
      const failedAsWhole = error instanceof AppError || (isUnavailable(error) && !isHeldUp(error));
      if (group.length === 1 || failedAsWhole) for (const { reject } of group) reject(error);
      else await this.#commitApart(group);
    }
  }

  /**
   * Stores recordings one by one, so that none fails because of another. If a user's rows stay locked by somebody else,
   * the later recordings of this user are refused at once instead of waiting for the same lock again.
   */
  async #commitApart(group: readonly Waiting[]): Promise<void> {
    const heldUp = new Map<string, unknown>();
    for (const single of group) {
      const lockedUser = single.drafts.find(({ userId }) => heldUp.has(userId));
      if (lockedUser) {
        single.reject(heldUp.get(lockedUser.userId));
        continue;
      }
      try {
        this.#answer([single], await this.#store([single]));
      } catch (error) {
        if (isHeldUp(error)) for (const { userId } of single.drafts) heldUp.set(userId, error);
        single.reject(error);
      }
    }
  }

  #store(group: readonly Waiting[]): Promise<RecordingPlan> {
    return this.#database.change((reading) => this.#decide(reading, group));
  }

  async #decide(reading: Queryable, group: readonly Waiting[]): Promise<Decision<RecordingPlan>> {
    const sql = logSqlOf(this.#database);
    const drafts = group.flatMap((waiting) => waiting.drafts);
    const runKeys = new Map(drafts.map((draft) => [runKey(draft), draft]));
    const [logs, events, runs, ...states] = await Promise.all([
      sql.lockUsers(reading, [...new Set(drafts.map(({ userId }) => userId))].sort()),
      sql.readEventsById(reading, [...new Set(drafts.map(({ id }) => id))]),
      sql.readRuns(reading, [...runKeys.values()]),
      ...this.#projections.map((projection) => readStates(projection, reading, drafts)),
    ]);
    const recordings = group.map((waiting) => waiting.drafts);
    const plan = planRecordings(recordings, { ...logs, events, runs }, new Date(this.#clock()));
    if (plan.added.length === 0) return { answer: plan, writes: [] };
    const writes = [
      sql.insertEvents(plan.added.map(({ event }) => event)),
      sql.upsertRuns(plan.runs),
      ...this.#projections.flatMap((projection, at) => foldStates(projection, states[at] ?? new Map(), plan.added)),
      ...sql.raiseHeads({ heads: plan.heads, change: logs.change }),
    ];
    return { answer: plan, writes };
  }

  #answer(group: readonly Waiting[], plan: RecordingPlan): void {
    for (const [index, { resolve, reject }] of group.entries()) {
      const outcome = plan.outcomes[index];
      if (outcome === undefined || outcome instanceof AppError) reject(outcome);
      else resolve(outcome);
    }
    const added = groupBy(plan.added, ({ event }) => event.userId);
    for (const [userId, { sequence: head }] of plan.heads)
      this.#wakeUps.notify({ kind: 'grown', userId, head, previousHead: head - (added.get(userId)?.length ?? 0) });
  }
}
