import { randomUUID } from 'node:crypto';
import type { Database } from '../db/database.ts';
import { readDatabaseTime } from '../db/database-clock.ts';
import type { Source as SourceRow } from '../db/rows.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';
import type { IgnoredKind } from './ignored-entries.ts';
import { Quarantine } from './quarantine.ts';
import { Source, type SourceOptions } from './source.ts';

/** How a source stands, whichever instance works on the source. */
export interface SourceStatus extends SourceRow {
  /** True on the instance that works on the source. */
  readonly isHolder: boolean;
  /** What this process has ignored of the source since it began. */
  readonly ignoredKinds: readonly IgnoredKind[];
}

/** All sources, that is everything that feeds the log from outside: their rows, and those this process works on. */
export class Sources {
  readonly quarantine: Quarantine;
  readonly #options: Omit<SourceOptions, 'name' | 'exclusive' | 'instance'>;
  readonly #instance = randomUUID();
  readonly #open = new Map<string, Source>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    database: Database;
    limits: Limits;
    clock: Clock;
    onError: (error: unknown) => void;
  }) {
    this.#options = options;
    this.quarantine = new Quarantine(options);
  }

  /**
   * Makes the row of a source, if there is none, and counts the source among those of this process. An exclusive one is
   * taken by `startHolding`; the others are saved from here.
   */
  async open(name: string, { exclusive }: Pick<SourceOptions, 'exclusive'>): Promise<Source> {
    await this.#options.database.transaction(
      (transaction) => transaction.$executeRaw`INSERT INTO source (name) VALUES (${name}) ON CONFLICT DO NOTHING`,
    );
    const source = new Source({ ...this.#options, name, exclusive, instance: this.#instance });
    this.#open.set(name, source);
    this.#timer ??= setInterval(() => this.#saveShared(), this.#options.limits.sourceRenewMs).unref();
    return source;
  }

  /** All sources that there are or have been, by name. */
  async list(): Promise<SourceStatus[]> {
    const { reader, kind } = this.#options.database;
    const rows = await reader.source.findMany({ orderBy: { name: 'asc' }, take: this.#options.limits.listedSources });
    const now = await readDatabaseTime(reader, kind);
    return rows.map((found) => {
      const source = this.#open.get(found.name);
      const row = { ...found, ignoredKinds: source?.ignored.kinds ?? [] };
      if (source && !source.exclusive) return { ...row, isHolder: true };
      // A webhook is held by nobody: where it is not set up, the row cannot say whether another instance takes it.
      const isHeld = row.holder !== null && row.heldUntil > now;
      if (!isHeld) return { ...row, state: 'waiting', lagMs: null, isHolder: false };
      return { ...row, isHolder: row.holder === this.#instance };
    });
  }

  /** The sources that this process works on, or waits for. */
  get opened(): readonly Source[] {
    return [...this.#open.values()];
  }

  /** Writes what was counted last of the sources without a lease. Those with one are released before this. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const source of this.#open.values()) if (!source.exclusive) await source.save().catch(this.#options.onError);
  }

  /** Exclusive sources are left out: whoever holds them saves them. */
  #saveShared(): void {
    for (const source of this.#open.values()) if (!source.exclusive) source.saveIfNew().catch(this.#options.onError);
  }
}
