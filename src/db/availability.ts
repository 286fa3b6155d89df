import type { Outage } from '../lib/outages.ts';
import { isHeldUp, isUnavailable, isUnwritable } from './faults.ts';

/** Pause between attempts to write into a database that does not write. */
const TRY_MS = 1_000;

/**
 * What the statements of a process say of its database. It is in one of three states, each of which is told once:
 *
 * - `there`: entered at the beginning, and from `away` by any answer, from `unwritable` when a trial has been written.
 * - `away`: entered when it cannot be reached or read.
 * - `unwritable`: entered when a write fails for want of room, rights or a writable file or server. What is read goes on.
 *   A write that succeeds does not leave this state, as a full disk still takes what fits into the room that there is.
 *   It owns the timer of the trials, one every second.
 */
export class Availability {
  readonly #away: Outage;
  readonly #unwritable: Outage;
  #tryWriting: (() => Promise<void>) | undefined;
  #unwritableFor: unknown;
  #timer: NodeJS.Timeout | undefined;

  constructor(outages: { readonly away: Outage; readonly unwritable: Outage }) {
    this.#away = outages.away;
    this.#unwritable = outages.unwritable;
  }

  /** Why nothing can be written; undefined while it can, as far as is known. */
  get unwritableFor(): unknown {
    return this.#unwritableFor;
  }

  /** @param tryWriting writes something for a trial; throws when it cannot. */
  start(tryWriting: () => Promise<void>): void {
    this.#tryWriting = tryWriting;
  }

  stop(): void {
    this.#tryWriting = undefined;
    clearTimeout(this.#timer);
  }

  /** The database has answered. */
  answered(): void {
    this.#away.works();
  }

  /** A statement has failed, perhaps for a reason that says nothing of the database. */
  failed(error: unknown): void {
    if (!isUnavailable(error) || isHeldUp(error)) return;
    if (!isUnwritable(error)) {
      this.#away.failed(error);
      return;
    }
    this.#unwritable.failed(error);
    this.#unwritableFor ??= error;
    this.#tryLater();
  }

  #tryLater(): void {
    if (this.#tryWriting) this.#timer ??= setTimeout(() => void this.#try(), TRY_MS).unref();
  }

  async #try(): Promise<void> {
    const tryWriting = this.#tryWriting;
    if (!tryWriting) return;
    try {
      await tryWriting();
      this.#unwritableFor = undefined;
      this.#unwritable.works();
    } catch (error) {
      this.#unwritableFor = error;
    }
    this.#timer = undefined;
    if (this.#unwritableFor !== undefined) this.#tryLater();
  }
}
