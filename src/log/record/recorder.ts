import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../../db/database.ts';
import { AppError } from '../../errors.ts';
import type { WakeUps } from '../../instances/wake-ups.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Limits } from '../../limits.ts';
import type { EventDraft } from '../event.ts';
import type { LogFigures } from '../log-figures.ts';
import type { AnyProjection } from '../projection.ts';
import type { LogSql } from '../sql/log-sql.ts';
import { groupSize } from './group-size.ts';
import { HeldUpLane } from './held-up-lane.ts';
import { identifyDrafts } from './identify-drafts.ts';
import type { RecordedEvent } from './plan-recordings.ts';
import { type Recording, RecordingCommits } from './recording-commits.ts';

/**
 * Requests that come at once are read in several turns of the event loop: a transaction that did not wait for them would
 * be small, and they would wait for all of it.
 */
const GATHERING_TURNS = 8;

/**
 * The one door through which events enter the log. Recordings that arrive while a transaction runs share the next one,
 * so that many small requests cost few commits; each is still all or nothing, and answered for itself. Recordings whose
 * rows somebody else has locked leave for a lane of their own, so that nobody waits for them.
 */
export class Recorder {
  readonly #commits: RecordingCommits;
  readonly #lane: HeldUpLane;
  readonly #limits: Limits;
  #waiting: Recording[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(options: {
    database: Database;
    sql: LogSql;
    wakeUps: WakeUps;
    /** Kept up to date with the log, in this order. */
    projections?: readonly AnyProjection[];
    limits: Limits;
    clock: Clock;
    figures: LogFigures;
  }) {
    this.#commits = new RecordingCommits({ projections: [], ...options });
    this.#lane = new HeldUpLane(this.#commits, options.limits);
    this.#limits = options.limits;
  }

  /** How many recordings wait for a transaction. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** How many recordings wait for rows that somebody else keeps locked. */
  get heldUp(): number {
    return this.#lane.size;
  }

  /** Does what `EventLog.record` promises. */
  async record(drafts: readonly EventDraft[]): Promise<readonly RecordedEvent[]> {
    if (this.#closed) throw new AppError('UNAVAILABLE', 'The server is shutting down');
    const identified = identifyDrafts(drafts, this.#limits);
    if (this.#waiting.length + this.#lane.size >= this.#limits.waitingRecordings)
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
    await this.#lane.settle();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      const group = this.#lane.takeIn(this.#takeGroup());
      if (group.length > 0) this.#lane.add(await this.#commits.commit(group));
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

  #takeGroup(): Recording[] {
    return this.#waiting.splice(0, groupSize(this.#waiting, this.#limits));
  }
}
