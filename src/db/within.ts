import type { TimeSpan } from '../lib/time-span.ts';
import { type Sql, sql } from './sql.ts';

/** The last millisecond whose year has four digits: databases write what comes later each in its own way. */
const LAST_TIME = Date.UTC(10_000, 0) - 1;

/** The time that divides those that a database holds in the same way: Postgres has no year 0. */
export function toBound(time: Date): Date {
  return new Date(Math.min(Math.max(time.getTime(), 0), LAST_TIME));
}

/** The conditions that the time in a column is in a span. */
export function areWithin(column: Sql, { since, until }: TimeSpan): Sql[] {
  return [
    ...(since == null ? [] : [sql`${column} >= ${toBound(since)}`]),
    ...(until == null ? [] : [sql`${column} < ${toBound(until)}`]),
  ];
}
