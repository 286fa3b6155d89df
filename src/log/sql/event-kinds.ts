import type { Provider } from '../../db/database.ts';
import { rawSql, type Sql, sql } from '../../db/sql.ts';
import type { EventKind, FilteredPage, PageOfKinds } from './log-sql.ts';

/** How the events of one user are found kind by kind, along the index of their words and sequences. */
export interface EventKindSql {
  /** The kinds `k` of each user, at most so many of a user: a jump along the index for each, however many events it has. */
  selectKinds(userIds: readonly string[], most: number): Sql;
  /** The sequences of the first or last events of a range that are of any of the kinds. */
  selectSequences(page: PageOfKinds): Sql;
}

const selectedKind = rawSql('user_id AS "userId", provider, source, stage, status');
const wordsOf = ({ provider, source, stage, status }: EventKind) => [provider, source, stage, status];

const dialects: Readonly<Record<Provider, EventKindSql>> = {
  sqlite: {
    /** The next kind by its last word that differs: with all four compared at once, SQLite would walk through each kind. */
    selectKinds: (userIds, most) => sql`
      WITH RECURSIVE kind (number, user_id, provider, source, stage, status) AS (
        SELECT 1, listed.value, r.provider, r.source, r.stage, r.status
        FROM json_each(${JSON.stringify(userIds)}) listed CROSS JOIN sync_event r ON r.rowid = (
          SELECT r.rowid FROM sync_event r WHERE r.user_id = listed.value
          ORDER BY r.provider, r.source, r.stage, r.status LIMIT 1)
        UNION ALL
        SELECT k.number + 1, k.user_id, next.provider, next.source, next.stage, next.status
        FROM kind k CROSS JOIN sync_event next ON next.rowid = coalesce(
          (SELECT r.rowid FROM sync_event r WHERE r.user_id = k.user_id AND r.provider = k.provider
            AND r.source = k.source AND r.stage = k.stage AND r.status > k.status ORDER BY r.status LIMIT 1),
          (SELECT r.rowid FROM sync_event r WHERE r.user_id = k.user_id AND r.provider = k.provider
            AND r.source = k.source AND r.stage > k.stage ORDER BY r.stage, r.status LIMIT 1),
          (SELECT r.rowid FROM sync_event r WHERE r.user_id = k.user_id AND r.provider = k.provider
            AND r.source > k.source ORDER BY r.source, r.stage, r.status LIMIT 1),
          (SELECT r.rowid FROM sync_event r WHERE r.user_id = k.user_id AND r.provider > k.provider
            ORDER BY r.provider, r.source, r.stage, r.status LIMIT 1))
        WHERE k.number < ${most})
      SELECT ${selectedKind} FROM kind k`,

    selectSequences: (page) => sql`
      SELECT p.sequence FROM json_each(${JSON.stringify(page.kinds.map(wordsOf))}) k CROSS JOIN sync_event p ON p.rowid IN (
        SELECT r.rowid FROM sync_event r
        WHERE r.user_id = ${page.userId} AND r.provider = k.value->>0 AND r.source = k.value->>1
          AND r.stage = k.value->>2 AND r.status = k.value->>3 ${firstOf(page, 'r')})
      ${inOrder(page, 'p')}`,
  },
  postgresql: {
    selectKinds: (userIds, most) => sql`
      WITH RECURSIVE kind AS (
        SELECT 1 AS number, u.user_id, r.* FROM unnest(${userIds}::uuid[]) u (user_id) CROSS JOIN LATERAL (
          SELECT r.provider, r.source, r.stage, r.status FROM sync_event r WHERE r.user_id = u.user_id
          ORDER BY r.provider, r.source, r.stage, r.status LIMIT 1) r
        UNION ALL
        SELECT k.number + 1, k.user_id, next.* FROM kind k CROSS JOIN LATERAL (
          SELECT r.provider, r.source, r.stage, r.status FROM sync_event r
          WHERE r.user_id = k.user_id AND (r.provider, r.source, r.stage, r.status) > (k.provider, k.source, k.stage, k.status)
          ORDER BY r.provider, r.source, r.stage, r.status LIMIT 1) next
        WHERE k.number < ${most}::int)
      SELECT ${selectedKind} FROM kind k`,

    selectSequences: (page) => {
      const columns = [0, 1, 2, 3].map((place) => page.kinds.map((kind) => wordsOf(kind)[place]));
      const [providers, sources, stages, statuses] = columns.map((words) => sql`${words}::text[]`);
      return sql`
        SELECT p.sequence FROM unnest(${providers}, ${sources}, ${stages}, ${statuses}) k (provider, source, stage, status)
        CROSS JOIN LATERAL (
          SELECT r.sequence FROM sync_event r
          WHERE r.user_id = ${page.userId}::uuid AND r.provider = k.provider AND r.source = k.source
            AND r.stage = k.stage AND r.status = k.status ${firstOf(page, 'r')}) p
        ${inOrder(page, 'p')}`;
    },
  },
};

export function eventKindSqlOf(provider: Provider): EventKindSql {
  return dialects[provider];
}

function firstOf(page: FilteredPage, table: string): Sql {
  const sequence = rawSql(`${table}.sequence`);
  return sql`AND ${sequence} > ${page.after} AND ${sequence} <= ${page.upTo} ${inOrder(page, table)}`;
}

function inOrder({ fromEnd, limit }: FilteredPage, table: string): Sql {
  return sql`ORDER BY ${rawSql(`${table}.sequence ${fromEnd ? 'DESC' : 'ASC'}`)} LIMIT ${limit}`;
}
