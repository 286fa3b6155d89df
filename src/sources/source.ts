import { toStorable } from '../db/columns.ts';
import type { Database } from '../db/database.ts';
import type { Source as SourceRow } from '../db/rows.ts';
import { releaseLease, takeLease } from '../instances/lease.ts';
import type { Limits } from '../limits.ts';

export type SourceState = 'waiting' | 'connecting' | 'backfilling' | 'live' | 'disconnected';

const countNames = ['recorded', 'duplicates', 'ignored', 'quarantined'] as const;

/** What became of the entries of a source; those in quarantine are counted where they are put there. */
export type SourceCounts = Readonly<Record<(typeof countNames)[number], number>>;

/** How a source stands, as far as its holder says. */
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
  /** At most one instance works on it at a time. */
  readonly exclusive: boolean;
  readonly database: Database;
  readonly limits: Limits;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Told of failures to write down how it stands; it is tried again. */
  readonly onError: (error: unknown) => void;
}

/**
 * One source, as this instance sees it: what it has counted, and what it says of how the source stands. Both are
 * written to the database, where every instance reads them, every `sourceRenewMs` and whenever the state changes.
 */
export class Source {
  readonly name: string;
  /** Since this process began. */
  readonly totals: Record<keyof SourceCounts, number> = noCounts();
  /** How long the oldest entry that is not recorded has waited, in milliseconds. Asked only while the source is live. */
  measureLag: () => number | null = () => null;
  readonly #options: SourceOptions;
  #unsaved = noCounts();
  #report: SourceReport = {};
  /** As this instance last said; `waiting` while another one is the holder. */
  #state: SourceState = 'waiting';
  #lastSave: Promise<unknown> = Promise.resolve();
  /** A save that has not begun: what is reported until then goes with it. */
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

  count(counts: Partial<SourceCounts>): void {
    for (const name of countNames) {
      this.totals[name] += counts[name] ?? 0;
      if (name !== 'quarantined') this.#unsaved[name] += counts[name] ?? 0;
    }
    if (counts.recorded) this.#report.lastEventAt = this.#now();
  }

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

  /** Makes this instance the holder. False while another one is. */
  async take(): Promise<boolean> {
    const { database } = this.#options;
    return this.#inTurn(async () =>
      this.#see(await database.transaction((transaction) => takeLease(transaction, database.kind, this.#lease()))),
    );
  }

  /** Writes down what is new, and renews. False when another instance has become the holder. */
  save(): Promise<boolean> {
    this.#nextSave ??= this.#inTurn(() => {
      this.#nextSave = undefined;
      return this.#write(false);
    });
    return this.#nextSave;
  }

  /** The same where nobody has to renew. */
  async saveIfNew(): Promise<void> {
    const isNew = countNames.some((name) => this.#unsaved[name] > 0) || Object.keys(this.#report).length > 0;
    if (isNew) await this.save();
  }

  /** Writes down what is new for the last time, and lets another instance take the source. */
  async release(): Promise<void> {
    this.#state = 'waiting';
    this.#report.state = this.#state;
    await this.#inTurn(() => this.#write(true));
  }

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

  /** One after another, so that the later state is the one that stays. */
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
    const { lagMs } = this;
    try {
      const isHeld = await database.transaction(async (transaction) => {
        const isHeld = !exclusive || (await takeLease(transaction, database.kind, this.#lease()));
        await transaction.source.updateMany({
          where: { name: this.name },
          data: {
            recorded: { increment: counts.recorded },
            duplicates: { increment: counts.duplicates },
            ignored: { increment: counts.ignored },
            // The others' word counts while they hold it.
            ...(isHeld && { ...report, lagMs: lagMs && Math.min(Math.round(lagMs), 2 ** 31 - 1) }),
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
