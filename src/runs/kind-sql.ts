import type { Provider } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import { selectedRun } from '../log/sql/selected-columns.ts';

/** How runs are found kind by kind: the runs of one provider, source and status are of one kind. */
export interface KindSql {
  /**
   * The recursive table `kind` of all (provider, source, status) that there are among the runs, for a `WITH`. It costs a
   * jump along an index for each, however many runs there are of it.
   */
  readonly runKinds: Sql;
  /**
   * A SELECT of the first runs `r` of each kind `k`.
   * @param ofKind which kinds
   * @param tail further conditions on `r`, beginning with AND, then the order and the limit
   */
  selectRunsByKind(ofKind: Sql, tail: Sql): Sql;
}

const dialects: Readonly<Record<Provider, KindSql>> = {
  sqlite: {
    /** The next kind by its last word that differs: with all three compared at once, SQLite would walk through each kind. */
    runKinds: sql`kind (provider, source, status) AS (
      SELECT * FROM (SELECT provider, source, status FROM sync_run ORDER BY provider, source, status LIMIT 1)
      UNION ALL
      SELECT next.provider, next.source, next.status FROM kind k CROSS JOIN sync_run next ON next.rowid = coalesce(
        (SELECT r.rowid FROM sync_run r WHERE r.provider = k.provider AND r.source = k.source AND r.status > k.status
          ORDER BY r.status LIMIT 1),
        (SELECT r.rowid FROM sync_run r WHERE r.provider = k.provider AND r.source > k.source
          ORDER BY r.source, r.status LIMIT 1),
        (SELECT r.rowid FROM sync_run r WHERE r.provider > k.provider
          ORDER BY r.provider, r.source, r.status LIMIT 1)))`,

    selectRunsByKind: (ofKind, tail) => sql`
      SELECT ${selectedRun} FROM kind k CROSS JOIN sync_run r ON r.rowid IN (
        SELECT r.rowid FROM sync_run r
        WHERE r.provider = k.provider AND r.source = k.source AND r.status = k.status ${tail})
      WHERE ${ofKind}`,
  },
  postgresql: {
    runKinds: sql`kind AS (
      (SELECT provider, source, status FROM sync_run ORDER BY provider, source, status LIMIT 1)
      UNION ALL
      SELECT next.* FROM kind k CROSS JOIN LATERAL (
        SELECT r.provider, r.source, r.status FROM sync_run r
        WHERE (r.provider, r.source, r.status) > (k.provider, k.source, k.status)
        ORDER BY r.provider, r.source, r.status LIMIT 1) next)`,

    selectRunsByKind: (ofKind, tail) => sql`
      SELECT of_kind.* FROM kind k CROSS JOIN LATERAL (
        SELECT ${selectedRun} FROM sync_run r
        WHERE r.provider = k.provider AND r.source = k.source AND r.status = k.status ${tail}) of_kind
      WHERE ${ofKind}`,
  },
};

export function kindSqlOf({ kind }: { readonly kind: Provider }): KindSql {
  return dialects[kind];
}
