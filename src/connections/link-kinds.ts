import type { Provider } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import { selectedConnection } from './connection-sql.ts';

/**
 * How connections are found kind by kind: those of one health, state, class of reason and scope are of one kind. All four are
 * closed lists, so that there are few kinds however many connections there are.
 */
interface LinkKindSql {
  /** The recursive table `kind` of all that there are, for a `WITH`: a jump along an index for each. */
  readonly kinds: Sql;
  /**
   * A SELECT of the first connections `c` of each kind `k`.
   * @param ofKind which kinds
   * @param tail further conditions on `c`, beginning with AND, then the order and the limit
   */
  selectByKind(ofKind: Sql, tail: Sql): Sql;
}

const isOfKind = sql`c.health = k.health AND c.state = k.state AND c.reason_class = k.reason_class AND c.scope = k.scope`;

export const linkKindsOf: Readonly<Record<Provider, LinkKindSql>> = {
  sqlite: {
    /** The next kind by its last word that differs: with all compared at once, SQLite would walk through each kind. */
    kinds: sql`kind (health, state, reason_class, scope) AS (
      SELECT * FROM (SELECT health, state, reason_class, scope FROM provider_connection
        ORDER BY health, state, reason_class, scope LIMIT 1)
      UNION ALL
      SELECT next.health, next.state, next.reason_class, next.scope
      FROM kind k CROSS JOIN provider_connection next ON next.rowid = coalesce(
        (SELECT c.rowid FROM provider_connection c WHERE c.health = k.health AND c.state = k.state
          AND c.reason_class = k.reason_class AND c.scope > k.scope ORDER BY c.scope LIMIT 1),
        (SELECT c.rowid FROM provider_connection c WHERE c.health = k.health AND c.state = k.state
          AND c.reason_class > k.reason_class ORDER BY c.reason_class, c.scope LIMIT 1),
        (SELECT c.rowid FROM provider_connection c WHERE c.health = k.health AND c.state > k.state
          ORDER BY c.state, c.reason_class, c.scope LIMIT 1),
        (SELECT c.rowid FROM provider_connection c WHERE c.health > k.health
          ORDER BY c.health, c.state, c.reason_class, c.scope LIMIT 1)))`,

    selectByKind: (ofKind, tail) => sql`
      SELECT ${selectedConnection} FROM kind k CROSS JOIN provider_connection c ON c.rowid IN (
        SELECT c.rowid FROM provider_connection c WHERE ${isOfKind} ${tail})
      WHERE ${ofKind}`,
  },
  postgresql: {
    kinds: sql`kind AS (
      (SELECT health, state, reason_class, scope FROM provider_connection
        ORDER BY health, state, reason_class, scope LIMIT 1)
      UNION ALL
      SELECT next.* FROM kind k CROSS JOIN LATERAL (
        SELECT c.health, c.state, c.reason_class, c.scope FROM provider_connection c
        WHERE (c.health, c.state, c.reason_class, c.scope) > (k.health, k.state, k.reason_class, k.scope)
        ORDER BY c.health, c.state, c.reason_class, c.scope LIMIT 1) next)`,

    selectByKind: (ofKind, tail) => sql`
      SELECT of_kind.* FROM kind k CROSS JOIN LATERAL (
        SELECT ${selectedConnection} FROM provider_connection c WHERE ${isOfKind} ${tail}) of_kind
      WHERE ${ofKind}`,
  },
};
