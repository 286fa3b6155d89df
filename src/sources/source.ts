import { toStorable } from '../db/columns.ts';
import type { Database } from '../db/database.ts';
import type { Source as SourceRow } from '../db/rows.ts';
import { releaseLease, takeLease } from '../instances/lease.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';
import { IgnoredEntries, type IgnoredEntry } from './ignored-entries.ts';

/** How a source stands. `Source` says what enters and leaves each state. */
export type SourceState = 'waiting' | 'connecting' | 'backfilling' | 'live' | 'disconnected';

/** What the column of the lag can hold: about 25 days. */
const LONGEST_LAG_MS = 2 ** 31 - 1;

const countNames = ['recorded', 'duplicates', 'ignored', 'quarantined'] as const;

/** What became of the entries of a source. The database counts those in quarantine itself, where they are put there. */
export type SourceCounts = Readonly<Record<(typeof countNames)[number], number>>;

/** What the holder says of how the source stands: the columns of the row that are to change. */
type SourceReport = Partial<
  Pick<
    SourceRow,
    | 'connectedAt'
    | 'lastEventAt'
    | 'backfillStartedAt'
    | 'backfillEndedAt'
    | 'backfillUsers'
    | 'backfillEntries'
    | 'lastError'
    | 'lastErrorAt'
  > & { state: SourceState }
>;

export interface SourceOptions {
  readonly name: string;
  /** The instance that this process is. */
  readonly instance: string;
  /** True if at most one instance works on the source at a time. */
  readonly exclusive: boolean;
  readonly database: Database;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Told of failures to write the row; the next save tries again. */
  readonly onError: (error: unknown) => void;
}

/**
 * One source (something that feeds the log) as this instance sees it: what was counted here, and what this instance says
 * of how the source stands. Both are written to the source's row, where every instance reads them: every `sourceRenewMs`
 * and whenever the state changes.
 *
 * The states, of this instance:
 *
 * - `waiting`: this instance does not work on the source. Entered at the beginning, by `release`, and when `take` or
 *   `save` finds another holder. Left by a report of another state.
 * - `connecting`, `backfilling`, `disconnected`: this instance is the holder and the source's worker has reported so;
 *   `bridge.ts` shows the way between them.
 * - `live`: everything that arrives is recorded at once, reported by a worker or for a webhook that takes deliveries.
 *   Only in this state there is a lag.
 *
 * The row shows the holder's word, and `waiting` while nobody holds it. A source that is not `exclusive` has no holder:
 * each instance writes what it says, and the last one's word stands.
 *
 * Who owns what: `startHolding` decides when to take, renew and release the lease and owns the timer for it; `Sources`
 * owns the timer that saves the sources without a lease; a `Source` owns no timer, only the queue of its own writes.
 */
export class Source {
  readonly name: string;
  /** What was counted since this process began. */
  readonly totals: Record<keyof SourceCounts, number> = noCounts();
  /** What the ignored ones among them were. */
  readonly ignored = new IgnoredEntries();
  /** How long the oldest entry that is not recorded has waited, in milliseconds. Asked only while the source is live. */
  measureLag: () => number | null = () => null;
  readonly #options: SourceOptions;
  #unsaved = noCounts();
  #report: SourceReport = {};
  #state: SourceState = 'waiting';
  #lastSave: Promise<unknown> = Promise.resolve();
  /** A save that waits for the one before it. What is counted or reported until it begins is saved with it. */
  #nextSave: Promise<boolean> | undefined;

  constructor(options: SourceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get exclusive(): boolean {
    return this.#options.exclusive;
  }

  /** Does this instance record everything that arrives at once? */
  get isLive(): boolean {
    return this.#state === 'live';
  }

  /** What `measureLag` says; null unless live, as nobody knows then what has not arrived. */
  get lagMs(): number | null {
    return this.isLive ? this.measureLag() : null;
  }

  /** Entries said nothing to the log. They are counted, and it is kept what they were. */
  ignore(entry: IgnoredEntry, times = 1): void {
    if (times === 0) return;
    this.count({ ignored: times });
    this.ignored.add(entry, times);
  }

  /** Adds to what became of entries; `ignore` does so for those that were ignored. The row gets it with the next save. */
  count(counts: Partial<SourceCounts>): void {
    for (const name of countNames) {
      this.totals[name] += counts[name] ?? 0;
      if (name !== 'quarantined') this.#unsaved[name] += counts[name] ?? 0;
    }
    if (counts.recorded) this.#report.lastEventAt = this.#now();
  }

  /** Says how the source stands. A report with a state is saved at once, any other with the next save. */
  report(report: SourceReport): void {
    Object.assign(this.#report, report);
    if (!report.state) return;
    this.#state = report.state;
    this.save().catch(this.#options.onError);
  }

  /** Shows what went wrong. The text must hold nothing secret. */
  fail(text: string): void {
    this.report({ lastError: toStorable(text, this.#options.limits.sourceErrorLength), lastErrorAt: this.#now() });
  }

  /** Makes this instance the holder. False while another instance is. */
  async take(): Promise<boolean> {
    const { database } = this.#options;
    return this.#inTurn(async () =>
      this.#see(await database.transaction((transaction) => takeLease(transaction, database.kind, this.#lease()))),
    );
  }

  /** Writes what is new and renews the lease. False when another instance has become the holder. */
  save(): Promise<boolean> {
    this.#nextSave ??= this.#inTurn(() => {
      this.#nextSave = undefined;
      return this.#write(false);
    });
    return this.#nextSave;
  }

  /** Writes what is new, if anything is: for sources without a lease to renew. */
  async saveIfNew(): Promise<void> {
    const isNew = countNames.some((name) => this.#unsaved[name] > 0) || Object.keys(this.#report).length > 0;
    if (isNew) await this.save();
  }

  /** Writes what is new for the last time, and lets another instance take the source. */
  async release(): Promise<void> {
    this.#state = 'waiting';
    this.#report.state = this.#state;
    await this.#inTurn(() => this.#write(true));
  }

  /** Notes who holds the source, as the database has just said. */
  #see(isHeld: boolean): boolean {
    if (!isHeld) this.#state = 'waiting';
    return isHeld;
  }

  #now(): Date {
    return new Date(this.#options.clock());
  }

  #lease() {
    return { name: this.name, holder: this.#options.instance, ms: this.#options.limits.sourceLeaseMs };
  }

  /** Runs writes one after another, so that the later state is the one that stays. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lastSave.then(work);
    this.#lastSave = result.catch(() => {});
    return result;
  }

  async #write(last: boolean): Promise<boolean> {
    const { database, instance, exclusive } = this.#options;
    const [counts, report] = [this.#unsaved, this.#report];
    this.#unsaved = noCounts();
    this.#report = {};
    const lagMs = this.lagMs === null ? null : Math.min(Math.round(this.lagMs), LONGEST_LAG_MS);
    try {
      const isHeld = await database.transaction(async (transaction) => {
        const isHeld = !exclusive || (await takeLease(transaction, database.kind, this.#lease()));
        await transaction.source.updateMany({
          where: { name: this.name },
          data: {
            recorded: { increment: counts.recorded },
            duplicates: { increment: counts.duplicates },
            ignored: { increment: counts.ignored },
            // While another instance holds the source, the row shows what that one says.
            ...(isHeld && { ...report, lagMs }),
          },
        });
        if (last && exclusive) await releaseLease(transaction, this.name, instance);
        return isHeld;
      });
      return this.#see(isHeld);
    } catch (error) {
      for (const name of countNames) this.#unsaved[name] += counts[name];
      this.#report = { ...report, ...this.#report };
      throw error;
    }
  }
}

function noCounts(): Record<keyof SourceCounts, number> {
  return { recorded: 0, duplicates: 0, ignored: 0, quarantined: 0 };
}
