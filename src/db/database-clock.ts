import type { Clock } from '../lib/clock.ts';
import { retry } from '../lib/retry.ts';
import type { Database, Provider, Queryable } from './database.ts';
import { isUnavailable } from './faults.ts';
import { type Sql, sql } from './sql.ts';

/** How often the database is asked what time it is: what a clock loses or gains in between is nothing. */
const ASK_MS = 30_000;
/** An answer that was waited for so long says too little of when it was given; the one before stays. In milliseconds. */
const LONGEST_ANSWER_MS = 1_000;

/** A start does not fail for one connection that is slow. */
const FIRST_ATTEMPTS = 3;
const ASK_AGAIN_MS = 200;

/** Milliseconds since 1970 by the database's clock, the one that all instances share. */
export const databaseTime: Readonly<Record<Provider, Sql>> = {
  sqlite: sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
  postgresql: sql`CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`,
};

/** The database's clock, in milliseconds since 1970. */
export async function readDatabaseTime(queryable: Queryable, provider: Provider): Promise<bigint> {
  const [row] = await queryable.$queryRaw<{ now: bigint | number }[]>`SELECT ${databaseTime[provider]} AS now`;
  return BigInt(row?.now ?? 0);
}

/** The database's clock, to be looked at without asking. */
export interface DatabaseClock {
  readonly now: Clock;
  close(): void;
}

/**
 * The clock of the database, which is the same for all of its instances. Postgres is asked now and then, and what has passed
 * since is measured by the time that this process has run: the clock of its machine, which may be years off or be set
 * while the process runs, has no part in it. SQLite runs within the process, and has no clock but the machine's.
 */
export async function openDatabaseClock(database: Database): Promise<DatabaseClock> {
  if (database.kind === 'sqlite') return { now: Date.now, close() {} };
  /** What the database's clock is ahead of `performance.now()`, in milliseconds. */
  let aheadMs: number | undefined;
  async function ask(): Promise<void> {
    const asked = performance.now();
    const time = Number(await readDatabaseTime(database.reader, database.kind));
    const answered = performance.now();
    if (aheadMs === undefined || answered - asked <= LONGEST_ANSWER_MS) aheadMs = time - (asked + answered) / 2;
  }
  // The first one has to connect, and would take that for the way of the answer.
  for (let asked = 0; asked < 2; asked += 1)
    await retry(ask, { pauseMs: ASK_AGAIN_MS, attempts: FIRST_ATTEMPTS, isTemporary: isUnavailable });
  const asking = setInterval(() => void ask().catch(() => {}), ASK_MS).unref(); // that the database is away is told elsewhere
  return {
    now: () => Math.round(performance.now() + (aheadMs ?? 0)),
    close: () => clearInterval(asking),
  };
}
