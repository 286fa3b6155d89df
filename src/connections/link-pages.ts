import type { Visibility } from '../auth/permissions.ts';
import { isOneOf } from '../db/columns.ts';
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
 * The SELECT of a page with its number. It is merged from one part for each state, of which each walks an index in list order
 * and stops at the limit: what it costs does not grow with how many connections there are.
 */
export function selectLinkPage(request: LinkPageRequest, page: number): Sql {
  const { visible, filter, fromEnd, limit } = request;
  const direction = rawSql(fromEnd ? 'DESC' : 'ASC');
  const states = linkStates.filter((state) => filter?.state?.includes(state) ?? true);
  const parts = states.map((state) => {
    const conditions = joinSql([sql`c.state = ${state}`, ...conditionsOf(request)], ' AND ');
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

function conditionsOf({ visible, filter, after, before }: LinkPageRequest): Sql[] {
  const conditions: Sql[] = [];
  if (visible.kind === 'one') conditions.push(sql`c.user_id = ${visible.userId}`);
  if (filter?.provider) conditions.push(isOneOf(rawSql('c.provider'), filter.provider));
  if (after) conditions.push(sql`(c.provider, c.user_id) > (${after.provider}, ${after.userId})`);
  if (before) conditions.push(sql`(c.provider, c.user_id) < (${before.provider}, ${before.userId})`);
  return conditions;
}
