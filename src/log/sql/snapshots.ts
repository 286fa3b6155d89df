import type { Provider, Queryable } from '../../db/database.ts';
import { databaseTime } from '../../db/database-clock.ts';
import { type Sql, sql } from '../../db/sql.ts';

/**
 * Which transactions a read can see, in the database's own order: what a run's `change` is compared with. No clock has a
 * part in it, and no transaction can take too long for it.
 */
export interface Snapshot {
  /** Every transaction with a number from here on has begun to write later than the snapshot was taken. */
  readonly end: number;
  /** Those before `end` that were not committed yet. All others were, or never will be. */
  readonly open: readonly number[];
  /** Which server says so: another text for one that was started again, or that has taken over. */
  readonly server: string;
  /** When that was, by the server's clock. Milliseconds since 1970. */
  readonly takenAt: number;
}

interface SnapshotRow {
  readonly server: string;
  readonly takenAt: bigint | number;
  readonly end: bigint | number;
  /** Numbers with commas between, or nothing. */
  readonly open: string | null;
}

/** SQLite has one writer at a time, so that none is open before another; a count in the log's state numbers them. */
const selectSnapshot: Readonly<Record<Provider, Sql>> = {
  sqlite: sql`
    SELECT change + 1 AS "end", NULL AS "open", 'file' AS "server", ${databaseTime.sqlite} AS "takenAt"
    FROM log_state WHERE name = 'log'`,
  postgresql: sql`
    SELECT pg_snapshot_xmax(s)::text::bigint AS "end",
      (SELECT string_agg(xid::text, ',') FROM pg_snapshot_xip(s) xid) AS "open",
      extract(epoch FROM pg_postmaster_start_time())::text AS "server", ${databaseTime.postgresql} AS "takenAt"
    FROM pg_current_snapshot() s`,
};

/** The snapshot of a statement that is sent now. What is read later can see all that this one can. */
export async function readSnapshot(queryable: Queryable, provider: Provider): Promise<Snapshot> {
  const [row] = await queryable.$queryRaw<SnapshotRow[]>(selectSnapshot[provider]);
  return {
    end: Number(row?.end ?? 0),
    open: row?.open?.split(',').map(Number) ?? [],
    server: row?.server ?? '',
    takenAt: Number(row?.takenAt ?? 0),
  };
}
