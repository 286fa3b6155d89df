import type { Visibility } from '../auth/permissions.ts';
import { isOneOf, isStorable } from '../db/columns.ts';
import type { Database } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { emptySql, joinSql, rawSql, SELECTS_PER_STATEMENT, type Sql, sql } from '../db/sql.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Page } from '../lib/page.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';
import { selectedRun } from '../log/sql/selected-columns.ts';
import { isTerminal, terminalStatuses } from '../log/words.ts';
import { type KindSql, kindSqlOf } from './kind-sql.ts';
import { healthCondition, type RunHealth, runHealth, runHealths } from './run-health.ts';

/** Which runs are wanted: those that match every given part. An empty list matches nothing. Words are wire words. */
export interface SyncRunFilter {
  readonly userId?: string | null | undefined;
  readonly providers?: readonly string[] | null | undefined;
  readonly sources?: readonly string[] | null | undefined;
  readonly statuses?: readonly string[] | null | undefined;
  readonly health?: readonly RunHealth[] | null | undefined;
}

/** A run's key. */
export interface RunId {
  readonly userId: string;
  readonly runId: string;
}

/** Where a run stands in a list of runs, which is ordered by the time of its newest event, newest first. */
export interface RunKey extends RunId {
  readonly lastEventAt: Date;
}

/** A page of the visible runs that match. */
export interface RunPageRequest extends Page<RunKey> {
  readonly visible: Visibility;
  readonly filter: SyncRunFilter | null | undefined;
  /** The moment that the health of runs is judged at, in milliseconds since 1970. */
  readonly now: number;
}

const listFilters = [
  ['providers', 'provider'],
  ['sources', 'source'],
  ['statuses', 'status'],
] as const;

/** The summaries of all syncs, for reading: the log itself writes them. */
export class Runs {
  readonly #database: Database;

  constructor({ database }: { readonly database: Database }) {
    this.#database = database;
  }

  /** The runs with these keys, as far as they exist, in any order and in one statement. */
  byIds(ids: readonly RunId[]): Promise<SyncRun[]> {
    const storable = ids.filter(({ runId }) => isStorable(runId));
    return logSqlOf(this.#database).readRuns(this.#database.reader, storable);
  }

  /**
   * Any mix of pages, each newest first. Of all users' runs, what a page costs does not grow with how many there have been:
   * it stops at its limit, and a filter of words costs at most so many rows for each kind (provider, source, status) there is.
   * Of one user's runs, those that such a filter leaves out are read, too.
   */
  async list(requests: readonly RunPageRequest[]): Promise<readonly (readonly SyncRun[])[]> {
    const pages: SyncRun[][] = requests.map(() => []);
    const kindSql = kindSqlOf(this.#database);
    for (const some of inPieces([...requests.entries()], SELECTS_PER_STATEMENT)) {
      const selects = some.map(([page, request]) => selectPage(request, page, kindSql));
      const kinds = some.some(([, request]) => areFoundByKind(request))
        ? sql`WITH RECURSIVE ${kindSql.runKinds}`
        : emptySql;
      const rows = await this.#database.reader.$queryRaw<(SyncRun & { readonly page: number })[]>`
        ${kinds} ${joinSql(selects, ' UNION ALL ')} ORDER BY "lastEventAt" DESC, "userId" DESC, "runId" DESC`;
      for (const { page, ...run } of rows) pages[page]?.push(run);
    }
    return pages;
  }
}

/** The page is merged from its parts, each of which walks an index in list order and stops at the limit, too. */
function selectPage(request: RunPageRequest, page: number, kindSql: KindSql): Sql {
  const direction = rawSql(request.fromEnd ? 'ASC' : 'DESC');
  const end = sql`
    ORDER BY r.last_event_at ${direction}, r.user_id ${direction}, r.run_id ${direction} LIMIT ${request.limit}`;
  const parts = partsOf(request).map((part) => sql`SELECT * FROM (${selectPart(request, part, end, kindSql)}) AS part`);
  if (parts.length === 0) parts.push(sql`SELECT ${selectedRun} FROM sync_run r WHERE false`);
  return sql`SELECT * FROM (
    SELECT part.*, CAST(${page} AS INTEGER) AS "page" FROM (${joinSql(parts, ' UNION ALL ')}) AS part
    ORDER BY "lastEventAt" ${direction}, "userId" ${direction}, "runId" ${direction} LIMIT ${request.limit}) AS p`;
}

function selectPart(request: RunPageRequest, part: Part, end: Sql, kindSql: KindSql): Sql {
  const { isFinished, condition } = part;
  const conditions = [condition, ...conditionsOf(request)];
  if (!areFoundByKind(request)) {
    const all = [sql`r.finished = ${rawSql(String(isFinished))}`, ...conditions, ...wordsOf(request, 'r')];
    return sql`SELECT ${selectedRun} FROM sync_run r WHERE ${joinSql(all, ' AND ')} ${end}`;
  }
  const state = sql`k.status ${rawSql(isFinished ? 'IN' : 'NOT IN')} (${joinSql(terminalStatuses)})`;
  return kindSql.selectRunsByKind(
    joinSql([state, ...wordsOf(request, 'k')], ' AND '),
    sql`AND ${joinSql(conditions, ' AND ')} ${end}`,
  );
}

/**
 * Are the runs looked for kind by kind? Where words are asked for among the runs of all users, what matches may be
 * anywhere in the list, or nowhere. One user's runs are few.
 */
function areFoundByKind({ visible, filter }: RunPageRequest): boolean {
  return visible.kind === 'all' && filter?.userId == null && listFilters.some(([list]) => filter?.[list] != null);
}

interface Part {
  readonly isFinished: boolean;
  readonly condition: Sql;
}

/**
 * The finished and the unfinished runs, as far as the filter may let them through. Unfinished ones are few among all there
 * have been, so they are found without looking through the others.
 */
function partsOf({ filter, now }: RunPageRequest): Part[] {
  const wanted = filter?.health ?? runHealths;
  const unfinished = wanted.filter((state) => state !== 'ended');
  const mayBe = (finished: boolean) => filter?.statuses?.some((status) => isTerminal(status) === finished) ?? true;
  return [
    ...(wanted.includes('ended') && mayBe(true) ? [{ isFinished: true, condition: sql`true` }] : []),
    ...(unfinished.length > 0 && mayBe(false)
      ? [{ isFinished: false, condition: healthCondition(unfinished, now) }]
      : []),
  ];
}

/** What every run of the page has to fulfil beside its words. */
function conditionsOf({ visible, filter, after, before }: RunPageRequest): Sql[] {
  const conditions = visible.kind === 'none' ? [sql`false`] : [];
  if (visible.kind === 'one') conditions.push(sql`r.user_id = ${visible.userId}`);
  if (filter?.userId != null) conditions.push(sql`r.user_id = ${filter.userId}`);
  const key = sql`(r.last_event_at, r.user_id, r.run_id)`;
  if (after) conditions.push(sql`${key} < (${after.lastEventAt}, ${after.userId}, ${after.runId})`);
  if (before) conditions.push(sql`${key} > (${before.lastEventAt}, ${before.userId}, ${before.runId})`);
  return conditions;
}

/** The words that a run `r`, or a kind `k`, must have. */
function wordsOf({ filter }: RunPageRequest, table: 'r' | 'k'): Sql[] {
  return listFilters.flatMap(([list, field]) => {
    const words = filter?.[list];
    return words ? [isOneOf(rawSql(`${table}.${field}`), words)] : [];
  });
}

/** @param now the moment that the health is judged at, in milliseconds since 1970. */
export function matchesRun(run: SyncRun, filter: SyncRunFilter | null | undefined, now: number): boolean {
  if (!filter) return true;
  if (filter.userId != null && run.userId !== filter.userId) return false;
  if (filter.health && !filter.health.includes(runHealth(run, now))) return false;
  return listFilters.every(([list, field]) => filter[list]?.includes(run[field]) ?? true);
}
