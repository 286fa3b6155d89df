import type { Visibility } from '../auth/permissions.ts';
import { isStorable } from '../db/columns.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import type { Page } from '../lib/page.ts';
import { selectedConnection } from './connection-sql.ts';
import { type LinkState, linkStates } from './link-state.ts';

/** Which connections are wanted: those that match every given part. An empty list matches nothing. */
interface LinkFilter {
  readonly state?: readonly LinkState[] | null | undefined;
  readonly provider?: readonly string[] | null | undefined;
}

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
 * The SELECT of a page with its number. It is merged from one part for each state, and each provider that is asked for, of which each walks an index in list order
 * and stops at the limit: what it costs does not grow with how many connections there are.
 */
export function selectLinkPage(request: LinkPageRequest, page: number): Sql {
  const { visible, filter, fromEnd, limit } = request;
  const direction = rawSql(fromEnd ? 'DESC' : 'ASC');
  const states = linkStates.filter((state) => filter?.state?.includes(state) ?? true);
  const kinds = states.flatMap((state) => providersOf(request).map((provider) => ({ state, provider })));
  const parts = kinds.map(({ state, provider }) => {
    const conditions = joinSql([sql`c.state = ${state}`, ...conditionsOf(request, provider)], ' AND ');
    return sql`SELECT * FROM (SELECT ${selectedConnection} FROM provider_connection c WHERE ${conditions}
      ORDER BY c.provider ${direction}, c.user_id ${direction} LIMIT ${limit}) AS part`;
  });
  const all =
    parts.length > 0 && visible.kind !== 'none'
      ? joinSql(parts, ' UNION ALL ')
      : sql`SELECT ${selectedConnection} FROM provider_connection c WHERE false`;
  return sql`SELECT * FROM (
    SELECT part.*, CAST(${page} AS INTEGER) AS "page" FROM (${all}) AS part
    ORDER BY "provider" ${direction}, "userId" ${direction} LIMIT ${limit}) AS p`;
}

/** Providers that are looked for one by one; one that is undefined stands for all of them. */
function providersOf({ filter }: LinkPageRequest): readonly (string | undefined)[] {
  return filter?.provider ? [...new Set(filter.provider)].filter(isStorable) : [undefined];
}

/** How many parts a page is merged from. */
export function partsOf(request: LinkPageRequest): number {
  return linkStates.length * providersOf(request).length;
}

function conditionsOf({ visible, after, before }: LinkPageRequest, provider: string | undefined): Sql[] {
  const conditions: Sql[] = [];
  if (visible.kind === 'one') conditions.push(sql`c.user_id = ${visible.userId}`);
  if (provider !== undefined) conditions.push(sql`c.provider = ${provider}`);
  if (after) conditions.push(sql`(c.provider, c.user_id) > (${after.provider}, ${after.userId})`);
  if (before) conditions.push(sql`(c.provider, c.user_id) < (${before.provider}, ${before.userId})`);
  return conditions;
}
