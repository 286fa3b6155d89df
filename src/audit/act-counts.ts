import type { Database } from '../db/database.ts';
import type { Clock } from '../lib/clock.ts';
import { inPieces } from '../lib/in-pieces.ts';
import { LaterWrites } from '../lib/later-writes.ts';
import type { Limits } from '../limits.ts';
import type { Act, Administrator } from './acts.ts';
import { addToAuditLine, idOfHour } from './audit.ts';

/** Lines that are written with one transaction, so that other writers wait for milliseconds. */
const WRITTEN_TOGETHER = 100;

/** What is to be added to a line, or what the line is made of. */
interface Counted {
  readonly act: Act;
  readonly by: Administrator;
  readonly target: null;
  /** When the first of them was. */
  readonly at: Date;
  count: number;
}

/**
 * Counts acts that are too frequent for a line of their own, in the line of their credential and hour. They are counted in memory
 * and written in the background, `auditCountMs` after the first that is not written yet. So they need no database that can be
 * written: readers get their tokens from one that only reads. A process that dies takes with it what it has counted since.
 */
export class ActCounts {
  readonly #database: Database;
  readonly #limits: Pick<Limits, 'auditCountMs' | 'auditCounts'>;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  /** By the id of the line. */
  readonly #counted = new Map<string, Counted>();
  readonly #later: LaterWrites;

  constructor(parts: {
    readonly database: Database;
    readonly limits: Pick<Limits, 'auditCountMs' | 'auditCounts'>;
    readonly clock: Clock;
    readonly onError: (error: unknown) => void;
  }) {
    this.#database = parts.database;
    this.#limits = parts.limits;
    this.#clock = parts.clock;
    this.#onError = parts.onError;
    this.#later = new LaterWrites({
      afterMs: parts.limits.auditCountMs,
      isEmpty: () => this.#counted.size === 0,
      write: () => this.#write(),
    });
  }

  /** The act is done now. */
  add(act: Act, by: Administrator): void {
    if (this.#later.isClosed) return;
    const at = new Date(this.#clock());
    const id = idOfHour({ act, by, target: null, at });
    const counted = this.#counted.get(id);
    if (counted) counted.count += 1;
    else if (this.#counted.size < this.#limits.auditCounts)
      this.#counted.set(id, { act, by, target: null, at, count: 1 });
    this.#later.schedule();
  }

  /** Writes what was counted, unless that takes as long as a database that is away. */
  close(): Promise<void> {
    return this.#later.close();
  }

  /** What could not be written waits for the next time. */
  async #write(): Promise<void> {
    const lines = [...this.#counted].sort(([a], [b]) => (a < b ? -1 : 1)); // one order for all instances: no deadlock
    for (const piece of inPieces(lines, WRITTEN_TOGETHER)) {
      for (const [id] of piece) this.#counted.delete(id);
      try {
        await this.#database.transaction(async (transaction) => {
          for (const [, counted] of piece) await addToAuditLine(transaction, counted);
        });
      } catch (error) {
        this.#onError(error);
        for (const [id, counted] of piece)
          this.#counted.set(id, { ...counted, count: counted.count + (this.#counted.get(id)?.count ?? 0) });
        return;
      }
    }
  }
}
