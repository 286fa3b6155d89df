import { isOneOf } from '../../db/columns.ts';
import type { Provider } from '../../db/database.ts';
import { joinSql, rawSql, type Sql, sql } from '../../db/sql.ts';
import { selectWeighedEnd, weightOf } from '../../db/weighed.ts';
import { areWithin } from '../../db/within.ts';
import { listFilters } from '../filter.ts';
import { holdsTextIn } from '../found-text.ts';
import { meantScopeIn } from '../meant-scope.ts';
import { eventKindSqlOf } from './event-kinds.ts';
import type { FilteredPage, LogSql } from './log-sql.ts';
import { meantByColumn } from './meant-by-column.ts';
import { packedEvent, readPackedEvents } from './packed-events.ts';

type PageSql = Pick<
  LogSql,
  'readFilteredPages' | 'findRunEvents' | 'findWeighedEnds' | 'findKinds' | 'readPagesOfKinds'
>;

/** Pages of logs in the SQL of both databases: each walks an index from one end and stops at its limit. */
export const filteredPages = (kind: Provider): PageSql => ({
  readFilteredPages: (database, pages) =>
    readPackedEvents(
      database,
      selectEach(pages, (page) => ({
        columns: packedEvent[kind],
        conditions: [...inRange(page), ...wordsOf(page), ...toldBy(page, kind)],
        limit: sql`LIMIT ${page.limit}`,
      })),
    ),

  findRunEvents: (database, pages, place) =>
    database.$queryRaw(
      selectEach(pages, (page) => ({
        columns: sql`e.sequence`,
        conditions: inRange(page),
        limit: sql`LIMIT 1 OFFSET ${place - 1}`,
      })),
    ),

  findWeighedEnds: (database, pages, most) => {
    const weight = weightOf(kind, { texts: ['e.message', 'e.error'], json: ['e.metadata'] });
    const selects = pages.map((page, index) => {
      const order = orderOf(page);
      const events = sql`SELECT e.sequence, ${weight} AS weight FROM sync_event e WHERE ${joinSql(inRange(page), ' AND ')}
        ORDER BY e.${order} LIMIT ${most}`;
      return sql`SELECT sequence, CAST(${index} AS INTEGER) AS "page" FROM (
        ${selectWeighedEnd(events, sql`sequence`, order, most)}) AS p`;
    });
    return database.$queryRaw(joinSql(selects, ' UNION ALL '));
  },

  findKinds: (database, userIds, most) => database.$queryRaw(eventKindSqlOf(kind).selectKinds(userIds, most)),

  readPagesOfKinds: (database, pages) =>
    readPackedEvents(
      database,
      selectEach(pages, (page) => ({
        columns: packedEvent[kind],
        conditions: [
          sql`e.user_id = ${page.userId}`,
          sql`e.sequence IN (${eventKindSqlOf(kind).selectSequences(page)})`,
        ],
        limit: sql`LIMIT ${page.limit}`,
      })),
    ),
});

/** A SELECT for each page, instead of a window function that would rank the whole log. */
function selectEach<Page extends FilteredPage>(
  pages: readonly Page[],
  toParts: (page: Page) => { readonly columns: Sql; readonly conditions: readonly Sql[]; readonly limit: Sql },
): Sql {
  const selects = pages.map((page, index) => {
    const { columns, conditions, limit } = toParts(page);
    return sql`SELECT * FROM (
      SELECT ${columns}, CAST(${index} AS INTEGER) AS "page" FROM sync_event e WHERE ${joinSql([...conditions], ' AND ')}
      ORDER BY e.${orderOf(page)} ${limit}) AS p`;
  });
  return joinSql(selects, ' UNION ALL ');
}

function orderOf({ fromEnd }: FilteredPage): Sql {
  return rawSql(`sequence ${fromEnd ? 'DESC' : 'ASC'}`);
}

function inRange({ userId, after, upTo, filter }: FilteredPage): Sql[] {
  const range = sql`e.user_id = ${userId} AND e.sequence > ${after} AND e.sequence <= ${upTo}`;
  return filter.runId == null ? [range] : [range, isOneOf(rawSql('e.run_id'), [filter.runId])];
}

/** What an event `e` must tell by itself. */
function toldBy({ filter }: FilteredPage, kind: Provider): Sql[] {
  return [
    ...areWithin(sql`e.timestamp`, filter),
    ...(filter.scopes == null ? [] : [isOneOf(meantScopeIn('e'), filter.scopes)]),
    ...holdsTextIn('e', filter, kind),
  ];
}

function wordsOf({ filter }: FilteredPage): Sql[] {
  return listFilters.flatMap(([list, field]) => {
    const words = filter[list];
    return words == null ? [] : [isOneOf(meantByColumn('e', field), words)];
  });
}
