import type { Visibility } from '../auth/permissions.ts';
import { isStorable } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import type { Page } from '../lib/page.ts';
import { selectedConnection } from './connection-sql.ts';
import type { LinkFilter } from './link-filter.ts';
import { linkKindsOf } from './link-kinds.ts';

/** Where a connection stands in a list of connections, which is ordered by provider, and by user within one. */
export interface LinkKey {
  readonly provider: string;
  readonly userId: string;
}

/** A page of the visible connections that match. */
export interface LinkPageRequest extends Page<LinkKey> {
  readonly visible: Visibility;
  readonly filter: LinkFilter | null | undefined;
}

/**
 * The SELECT of a page with its number, over the table `kind`. It is merged from one part for each kind of connection that
 * there is, and each provider that is asked for, of which each walks an index in list order and stops at the limit: what it
 * costs does not grow with how many connections there are.
 */
export function selectLinkPage(kind: Provider, request: LinkPageRequest, page: number): Sql {
  const direction = rawSql(request.fromEnd ? 'DESC' : 'ASC');
  const { limit } = request;
  const parts = providersOf(request).map((provider) => {
    const conditions = conditionsOf(request, provider);
    const end = sql`ORDER BY c.provider ${direction}, c.user_id ${direction} LIMIT ${limit}`;
    return sql`SELECT * FROM (${selectPart(kind, request, conditions, end)}) AS part`;
  });
  const all =
    parts.length > 0 && request.visible.kind !== 'none'
      ? joinSql(parts, ' UNION ALL ')
      : sql`SELECT ${selectedConnection} FROM provider_connection c WHERE false`;
  return sql`SELECT * FROM (
    SELECT part.*, CAST(${page} AS INTEGER) AS "page" FROM (${all}) AS part
    ORDER BY "provider" ${direction}, "userId" ${direction} LIMIT ${limit}) AS p`;
}

/** One user has few connections, which the key finds. */
function selectPart(kind: Provider, { visible, filter }: LinkPageRequest, conditions: readonly Sql[], end: Sql): Sql {
  if (visible.kind === 'one') {
    const all = [sql`c.user_id = ${visible.userId}`, isWanted('c', filter), ...conditions];
    return sql`SELECT ${selectedConnection} FROM provider_connection c WHERE ${joinSql(all, ' AND ')} ${end}`;
  }
  const tail = joinSql([...conditions.map((condition) => sql`AND ${condition}`), end], ' ');
  return linkKindsOf[kind].selectByKind(isWanted('k', filter), tail);
}

/** Is a kind `k`, or a connection `c`, one of those that are asked for? */
function isWanted(table: 'k' | 'c', filter: LinkPageRequest['filter']): Sql {
  const conditions = [
    isOneOf(rawSql(`${table}.health`), filter?.health),
    isOneOf(rawSql(`${table}.state`), filter?.state),
    isOneOf(rawSql(`${table}.reason_class`), filter?.reason),
    isOneOf(rawSql(`${table}.scope`), filter?.scope),
  ];
  return joinSql(conditions, ' AND ');
}

function isOneOf(column: Sql, words: readonly string[] | null | undefined): Sql {
  if (!words) return sql`1 = 1`;
  return words.length === 0
    ? sql`1 = 0`
    : sql`${column} IN (${joinSql(
        words.map((word) => sql`${word}`),
        ', ',
      )})`;
}

/** Providers that are looked for one by one; one that is undefined stands for all of them. */
function providersOf({ filter }: LinkPageRequest): readonly (string | undefined)[] {
  return filter?.provider ? [...new Set(filter.provider)].filter(isStorable) : [undefined];
}

/** How many parts a page is merged from. */
export function partsOf(request: LinkPageRequest): number {
  return providersOf(request).length;
}

function conditionsOf({ after, before }: LinkPageRequest, provider: string | undefined): Sql[] {
  const conditions: Sql[] = [];
  if (provider !== undefined) conditions.push(sql`c.provider = ${provider}`);
  if (after) conditions.push(isBeyond(after, provider, rawSql('>')));
  if (before) conditions.push(isBeyond(before, provider, rawSql('<')));
  return conditions;
}

/** Of one provider only the users are compared, or nothing of the connections at all: else its part of the index would be walked. */
function isBeyond(key: LinkKey, provider: string | undefined, beyond: Sql): Sql {
  if (provider === undefined) return sql`(c.provider, c.user_id) ${beyond} (${key.provider}, ${key.userId})`;
  if (provider === key.provider) return sql`c.user_id ${beyond} ${key.userId}`;
  return sql`${provider} ${beyond} ${key.provider}`;
}
