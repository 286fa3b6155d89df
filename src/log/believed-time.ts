import type { Database } from '../db/database.ts';
import type { LogState } from '../db/rows.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';

/** What is remembered of the database's clock, by all instances and through restarts. */
export type ClockMemory = Pick<LogState, 'believedAt' | 'doubtedSince' | 'doubtedAt'>;

/** How far the clock may be from where it was last believed, and how long a longer jump is doubted. In milliseconds. */
interface Bounds {
  readonly jumpMs: number;
  readonly doubtMs: number;
}

/**
 * Is what the database's clock says to be believed? What retention removes is gone for good, and a clock that is a month
 * ahead would have it remove what was recorded today.
 *
 *     believed --a jump of more than `jumpMs`--> doubted --the clock is back, or has gone on for `doubtMs`--> believed
 *                                                         +--another jump--> doubted anew
 *
 * Nobody can tell a wrong clock from an installation that was off, so a jump is believed once the clock has gone on
 * steadily from there for `doubtMs`: whoever looks after the installation has so long to set it right. A clock that goes
 * back is doubted as well: to it, what was recorded lately lies in the future, and is as old as its producer says.
 */
export function judgeClock(memory: ClockMemory, now: Date, { jumpMs, doubtMs }: Bounds): ClockMemory {
  const { believedAt, doubtedSince, doubtedAt } = memory;
  const believed = { believedAt: now, doubtedSince: null, doubtedAt: null };
  if (!isApart(now, believedAt, jumpMs)) return believed;
  const isSteady = doubtedSince && doubtedSince <= now && !isApart(now, doubtedAt, jumpMs);
  if (isSteady && isApart(now, doubtedSince, doubtMs)) return believed;
  return { believedAt, doubtedSince: isSteady ? doubtedSince : now, doubtedAt: now };
}

/** Is more than so much time between the two, if there are two? */
function isApart(now: Date, then: Date | null, ms: number): boolean {
  return then !== null && Math.abs(now.getTime() - then.getTime()) > ms;
}

/** The time by which retention goes. */
export class BelievedTime {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #bounds: Bounds;

  /** @param keepMs how long events are kept: a wrong clock that is believed costs a tenth of it at most. */
  constructor(
    { database, clock, limits }: { readonly database: Database; readonly clock: Clock; readonly limits: Limits },
    keepMs: number,
  ) {
    this.#database = database;
    this.#clock = clock;
    const { retentionPauseMs, retentionDoubtMs } = limits;
    this.#bounds = { jumpMs: Math.max(keepMs / 10, 2 * retentionPauseMs), doubtMs: retentionDoubtMs };
  }

  /**
   * What time it is, and whether that is believed. The database remembers the answer. What was recorded later than `latest`
   * was recorded by a clock that was ahead; until then, it may have been while somebody works with this answer.
   */
  async read(): Promise<{ readonly now: Date; readonly latest: Date; readonly isBelieved: boolean }> {
    const now = new Date(this.#clock());
    const memory = await this.#database.transaction(async (transaction) => {
      const { believedAt, ...doubt } = await transaction.logState.findUniqueOrThrow({ where: { name: 'log' } });
      const judged = judgeClock(
        { believedAt: believedAt ?? (await findNewest(transaction)), ...doubt },
        now,
        this.#bounds,
      );
      return transaction.logState.update({ where: { name: 'log' }, data: judged });
    });
    const latest = new Date(now.getTime() + this.#bounds.jumpMs);
    return { now, latest, isBelieved: memory.doubtedSince === null };
  }
}

/** When the newest event of all logs was recorded: before the first sweep, nothing else says what time it was. */
async function findNewest({ user }: Pick<Database['reader'], 'user'>): Promise<Date | null> {
  const { _max } = await user.aggregate({ _max: { headRecordedAt: true } });
  return _max.headRecordedAt;
}
