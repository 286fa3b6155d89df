import type { Database } from '../db/database.ts';
import { rawSql, sql } from '../db/sql.ts';
import type { Clock } from '../lib/clock.ts';
import { LaterWrites } from '../lib/later-writes.ts';
import type { Limits } from '../limits.ts';

/** Keys whose uses may wait to be written; of others nothing is noted meanwhile. */
const MOST = 10_000;

/** Uses that were noted, as a table `used`: the listed pairs of an id and a time. */
const usedRows = {
  sqlite: (uses: readonly (readonly [id: string, at: number])[]) =>
    sql`(SELECT value ->> 0 AS id, value ->> 1 AS at FROM json_each(${JSON.stringify(uses)})) AS used`,
  postgresql: (uses: readonly (readonly [id: string, at: number])[]) =>
    sql`(SELECT CAST(pair ->> 0 AS uuid) AS id, to_timestamp(CAST(pair ->> 1 AS float8) / 1000) AS at
      FROM jsonb_array_elements(CAST(${JSON.stringify(uses)} AS jsonb)) AS pair) AS used`,
} as const;

/**
 * When API keys were used last. That is noted in memory and written in the background: `keyUseMs` after the first use that is
 * not written yet, with one statement for all keys. So no request waits for it, and no key is written more often than that.
 * A process that dies takes with it what it has noted since.
 */
export class KeyUses {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  /** By id, in milliseconds since 1970. */
  #noted = new Map<string, number>();
  readonly #later: LaterWrites;

  constructor(parts: {
    readonly database: Database;
    readonly limits: Pick<Limits, 'keyUseMs'>;
    readonly clock: Clock;
    readonly onError: (error: unknown) => void;
  }) {
    this.#database = parts.database;
    this.#clock = parts.clock;
    this.#onError = parts.onError;
    this.#later = new LaterWrites({
      afterMs: parts.limits.keyUseMs,
      isEmpty: () => this.#noted.size === 0,
      write: () => this.#write(),
    });
  }

  /** The key is used now. */
  note(id: string): void {
    if (this.#later.isClosed || (this.#noted.size >= MOST && !this.#noted.has(id))) return;
    this.#noted.set(id, this.#clock());
    this.#later.schedule();
  }

  /** Writes what was noted, unless that takes as long as a database that is away. */
  close(): Promise<void> {
    return this.#later.close();
  }

  /** What could not be written waits for the next time. */
  async #write(): Promise<void> {
    const uses = [...this.#noted].sort(([a], [b]) => (a < b ? -1 : 1));
    if (uses.length === 0) return;
    this.#noted = new Map();
    const rows = usedRows[this.#database.kind](uses);
    const latest = rawSql(this.#database.kind === 'sqlite' ? 'max' : 'greatest');
    try {
      await this.#database.transaction(
        (transaction) => transaction.$executeRaw`
          UPDATE api_key SET last_used_at = ${latest}(coalesce(last_used_at, used.at), used.at)
          FROM ${rows} WHERE api_key.id = used.id`,
      );
    } catch (error) {
      this.#onError(error);
      for (const [id, at] of uses) if (!this.#noted.has(id)) this.#noted.set(id, at);
    }
  }
}
