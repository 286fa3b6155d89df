import type { Visibility } from '../auth/permissions.ts';
import { inLowerCase, isOneOf, isStorable, selectOf } from '../db/columns.ts';
import type { Database } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { emptySql, joinSql, rawSql, SELECTS_PER_STATEMENT, type Sql, sql } from '../db/sql.ts';
import { toBound } from '../db/within.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Page } from '../lib/page.ts';
import { type Piece, walkPages } from '../lib/walk-pages.ts';
import { selectedRun } from '../log/sql/selected-columns.ts';

/** Which runs of a history are wanted: those that match every given part. An empty list matches nothing. */
interface RunHistoryFilter {
  readonly providers?: readonly string[] | null | undefined;
  /** Wire words. */
  readonly scopes?: readonly string[] | null | undefined;
  /** Runs that opened then or later. */
  readonly since?: Date | null | undefined;
  /**
   * Runs whose window, or what they stored of any type of data, overlaps the span from here on; a span of which a bound is not
   * known overlaps none.
   */
  readonly coveredFrom?: Date | null | undefined;
  /** The same for what is before this. */
  readonly coveredTo?: Date | null | undefined;
}

/** A run that is asked for by its id alone. */
export interface WantedRun {
  readonly runId: string;
  readonly visible: Visibility;
}

/** Where a run stands in its user's history, which is ordered by when runs opened, newest first. */
export interface OpenedRun {
  readonly openedAt: Date;
  readonly runId: string;
}

/** A page of a user's runs that have opened and match. */
export interface HistoryPageRequest extends Page<OpenedRun> {
  readonly userId: string;
  readonly filter: RunHistoryFilter | null | undefined;
}

/** Runs that one statement looks through for those that match. */
const WALKED_PER_STATEMENT = 10_000;

/** Runs by when they opened: what Open Wearables stores of them. */
export class RunHistory {
  readonly #database: Database;
  readonly #walked: number;

  /** @param parts.walked runs that one statement may look through. */
  constructor({ database, walked = WALKED_PER_STATEMENT }: { readonly database: Database; readonly walked?: number }) {
    this.#database = database;
    this.#walked = walked;
  }

  /**
   * The visible runs with these ids, in one statement along an index of ids. Ids are unique for one user: of several users'
   * runs it is the one that opened last; of runs that have not, the one with the newest event.
   */
  async find(wanted: readonly WantedRun[]): Promise<readonly (SyncRun | undefined)[]> {
    const runs: (SyncRun | undefined)[] = wanted.map(() => undefined);
    const able = [...wanted.entries()].filter(([, { runId, visible }]) => visible.kind !== 'none' && isStorable(runId));
    for (const some of inPieces(able, SELECTS_PER_STATEMENT)) {
      const selects = some.map(([index, { runId, visible }]) => {
        const isVisible = visible.kind === 'one' ? sql`AND r.user_id = ${visible.userId}` : emptySql;
        const selectNewest = (isOpened: Sql, time: Sql) => sql`SELECT * FROM (
          SELECT ${selectedRun} FROM sync_run r WHERE r.run_id = ${runId} ${isVisible} AND ${isOpened}
          ORDER BY ${time} DESC, r.user_id DESC LIMIT 1) AS part`;
        return sql`SELECT * FROM (SELECT part.*, CAST(${index} AS INTEGER) AS "page" FROM (
            ${selectNewest(sql`r.opened_at IS NOT NULL`, sql`r.opened_at`)}
            UNION ALL ${selectNewest(sql`r.opened_at IS NULL`, sql`r.last_event_at`)}) AS part
          ORDER BY "openedAt" IS NULL LIMIT 1) AS p`;
      });
      const found = this.#database.reader.$queryRaw<(SyncRun & { readonly page: number })[]>(
        joinSql(selects, ' UNION ALL '),
      );
      for (const { page, ...run } of await found) runs[page] = run;
    }
    return runs;
  }

  /** Any mix of pages, each newest first. What a filter leaves out is read, too, a piece at a time. */
  list(requests: readonly HistoryPageRequest[]): Promise<readonly (readonly SyncRun[])[]> {
    return walkPages<OpenedRun, HistoryPageRequest, SyncRun>(requests, {
      findEnds: (pages) => this.#findEnds(pages),
      read: (pieces) => this.#read(pieces),
    });
  }

  async #findEnds(pages: readonly HistoryPageRequest[]): Promise<(OpenedRun | undefined)[]> {
    const ends: (OpenedRun | undefined)[] = pages.map(() => undefined);
    const walked = [...pages.entries()].filter(([, { filter }]) => isWalked(filter));
    const size = Math.max(1, Math.floor(this.#walked / Math.min(walked.length, SELECTS_PER_STATEMENT)));
    for (const some of inPieces(walked, SELECTS_PER_STATEMENT)) {
      const selects = some.map(([index, page]) => {
        const { inRange, inOrder } = rangeOf(page);
        return sql`SELECT * FROM (SELECT ${selectedKey}, CAST(${index} AS INTEGER) AS "page"
          FROM sync_run r WHERE ${inRange} ${inOrder} LIMIT 1 OFFSET ${size - 1}) AS p`;
      });
      const found = this.#database.reader.$queryRaw<(OpenedRun & { readonly page: number })[]>(
        joinSql(selects, ' UNION ALL '),
      );
      for (const { page, ...end } of await found) ends[page] = end;
    }
    return ends;
  }

  async #read(pieces: readonly HistoryPiece[]): Promise<SyncRun[][]> {
    const pages: SyncRun[][] = pieces.map(() => []);
    for (const some of inPieces([...pieces.entries()], SELECTS_PER_STATEMENT)) {
      const selects = some.map(([index, piece]) => {
        const { inRange, inOrder } = rangeOf(piece);
        const matching = joinSql([inRange, ...conditionsOf(piece.filter)], ' AND ');
        return sql`SELECT * FROM (SELECT ${selectedRun}, CAST(${index} AS INTEGER) AS "page"
          FROM sync_run r WHERE ${matching} ${inOrder} LIMIT ${piece.limit}) AS p`;
      });
      const rows = await this.#database.reader.$queryRaw<(SyncRun & { readonly page: number })[]>`
        ${joinSql(selects, ' UNION ALL ')} ORDER BY "openedAt" DESC, "runId" DESC`;
      for (const { page, ...run } of rows) pages[page]?.push(run);
    }
    return pages;
  }
}

type HistoryPiece = Piece<OpenedRun, HistoryPageRequest>;

const selectedKey = selectOf('r', ['openedAt', 'runId']);

/** The runs of a page along the index of openings, and their order. */
function rangeOf({ userId, filter, after, before, fromEnd, upTo }: HistoryPiece): { inRange: Sql; inOrder: Sql } {
  const conditions = [sql`r.user_id = ${userId}`, sql`r.opened_at IS NOT NULL`];
  if (filter?.since) conditions.push(sql`r.opened_at >= ${toBound(filter.since)}`);
  const compare = (sign: '<' | '<=' | '>' | '>=', key: OpenedRun) =>
    conditions.push(sql`(r.opened_at, r.run_id) ${rawSql(sign)} (${key.openedAt}, ${key.runId})`);
  if (after) compare('<', after);
  if (before) compare('>', before);
  if (upTo) compare(fromEnd ? '<=' : '>=', upTo);
  const direction = rawSql(fromEnd ? 'ASC' : 'DESC');
  return {
    inRange: joinSql(conditions, ' AND '),
    inOrder: sql`ORDER BY r.opened_at ${direction}, r.run_id ${direction}`,
  };
}

/** Does the filter ask for what no index leads to? */
function isWalked(filter: RunHistoryFilter | null | undefined): boolean {
  return filter != null && conditionsOf(filter).length > 0;
}

/** What a run `r` has to fulfil beside the time of its opening. */
function conditionsOf(filter: RunHistoryFilter | null | undefined): Sql[] {
  const { providers, scopes, coveredFrom, coveredTo } = filter ?? {};
  const conditions: Sql[] = [];
  if (providers) conditions.push(isOneOf(rawSql('r.provider'), providers));
  if (scopes) conditions.push(isOneOf(rawSql(inLowerCase('r.scope')), scopes));
  if (coveredFrom || coveredTo) {
    const overlaps = (table: string, start: string, end: string) =>
      joinSql(
        [
          sql`${rawSql(`${table}.${start}`)} IS NOT NULL AND ${rawSql(`${table}.${end}`)} IS NOT NULL`,
          ...(coveredTo ? [sql`${rawSql(`${table}.${start}`)} < ${toBound(coveredTo)}`] : []),
          ...(coveredFrom ? [sql`${rawSql(`${table}.${end}`)} > ${toBound(coveredFrom)}`] : []),
        ],
        ' AND ',
      );
    conditions.push(sql`((${overlaps('r', 'window_start', 'window_end')}) OR EXISTS (
      SELECT 1 FROM sync_run_data_type d WHERE d.user_id = r.user_id AND d.run_id = r.run_id
      AND ${overlaps('d', 'covered_start', 'covered_end')}))`);
  }
  return conditions;
}
