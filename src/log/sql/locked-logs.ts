import type { LockedLogs, LogHead } from './log-sql.ts';

/** What the rows of locked users say; nothing is changed where there are none, so that `change` does not matter then. */
export function lockedLogs(
  rows: readonly (LogHead & { readonly id: string; readonly change: bigint | number })[],
  lockedByOthers: readonly string[] = [],
): LockedLogs {
  return {
    heads: new Map(rows.map(({ id, sequence, recordedAt }) => [id, { sequence, recordedAt }])),
    lockedByOthers: new Set(lockedByOthers),
    change: BigInt(rows[0]?.change ?? 0),
  };
}
