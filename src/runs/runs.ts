import type { Visibility } from '../auth/permissions.ts';
import { isStorable, selectOf } from '../db/columns.ts';
import type { Database, Provider } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { emptySql, joinSql, rawSql, SELECTS_PER_STATEMENT, type Sql, sql } from '../db/sql.ts';
import { selectWeighedEnd, weightOf } from '../db/weighed.ts';
import { areWithin } from '../db/within.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Page } from '../lib/page.ts';
import { type Piece, walkPages } from '../lib/walk-pages.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';
import { meantByColumn } from '../log/sql/meant-by-column.ts';
import { selectedRun } from '../log/sql/selected-columns.ts';
import { isTerminal, terminalStatuses } from '../log/words.ts';
import { kindSqlOf } from './kind-sql.ts';
import { hasWords, isTold, type SyncRunFilter, toldBy, wordsOf } from './run-filter.ts';
import { healthCondition, runHealths } from './run-health.ts';

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

/** Runs that one statement looks through for those that match: SQLite keeps the process for 7 ms with them. */
const WALKED_PER_STATEMENT = 20_000;
/** The same for what only the runs themselves tell, if these hold no text: one with texts counts for several. */
const WEIGHED_PER_STATEMENT = 5_000;

/** The summaries of all syncs, for reading: the log itself writes them. */
export class Runs {
  readonly #database: Database;
  readonly #walked: number;

  /** @param parts.walked runs that one statement may look through. */
  constructor({ database, walked = WALKED_PER_STATEMENT }: { readonly database: Database; readonly walked?: number }) {
    this.#database = database;
    this.#walked = walked;
  }

  /** The runs with these keys, as far as they exist, in any order and in one statement. */
  byIds(ids: readonly RunId[]): Promise<SyncRun[]> {
    const storable = ids.filter(({ runId }) => isStorable(runId));
    return logSqlOf(this.#database).readRuns(this.#database.reader, storable);
  }

  /**
   * Any mix of pages, each newest first. Of all users' runs, what a page costs does not grow with how many there have been:
   * it stops at its limit, and a filter of words costs at most so many rows for each kind (provider, source, status) there is.
   * Of one user's runs, and of those that have not finished, what a filter leaves out is read, too, a piece at a time; and so
   * it is of all runs where a filter asks for what only they themselves tell.
   */
  list(requests: readonly RunPageRequest[]): Promise<readonly (readonly SyncRun[])[]> {
    return walkPages<RunKey, RunPageRequest, SyncRun>(requests, {
      findEnds: (pages) => this.#findEnds(pages),
      read: (pieces) => this.#read(pieces),
    });
  }

  /** Of each page that is walked, where its next piece ends: no part of the page has more runs before there than is looked at. */
  async #findEnds(pages: readonly RunPageRequest[]): Promise<(RunKey | undefined)[]> {
    const ends: (RunKey | undefined)[] = pages.map(() => undefined);
    const walked = [...pages.entries()].filter(([, request]) => isWalked(request));
    const parts = MOST_PARTS * Math.min(walked.length, SELECTS_PER_STATEMENT);
    const sizeOf = (request: RunPageRequest) => {
      const most = isTold(request.filter) ? Math.min(this.#walked, WEIGHED_PER_STATEMENT) : this.#walked;
      return Math.max(1, Math.floor(most / parts));
    };
    for (const some of inPieces(walked, SELECTS_PER_STATEMENT)) {
      const selects = some.map(([page, request]) => selectEnd(request, page, sizeOf(request), this.#database.kind));
      const found = this.#database.reader.$queryRaw<(RunKey & { readonly page: number })[]>(
        joinSql(selects, ' UNION ALL '),
      );
      for (const { page, ...end } of await found) ends[page] = end;
    }
    return ends;
  }

  async #read(pieces: readonly RunPiece[]): Promise<SyncRun[][]> {
    const pages: SyncRun[][] = pieces.map(() => []);
    const kindSql = kindSqlOf(this.#database);
    for (const some of inPieces([...pieces.entries()], SELECTS_PER_STATEMENT)) {
      const selects = some.map(([page, piece]) => selectPage(piece, page, this.#database.kind));
      const kinds = some.some(([, piece]) => areFoundByKind(piece))
        ? sql`WITH RECURSIVE ${kindSql.runKinds}`
        : emptySql;
      const rows = await this.#database.reader.$queryRaw<(SyncRun & { readonly page: number })[]>`
        ${kinds} ${joinSql(selects, ' UNION ALL ')} ORDER BY "lastEventAt" DESC, "userId" DESC, "runId" DESC`;
      for (const { page, ...run } of rows) pages[page]?.push(run);
    }
    return pages;
  }
}

type RunPiece = Piece<RunKey, RunPageRequest>;

/** The page is merged from its parts, each of which walks an index in list order and stops at the limit, too. */
function selectPage(piece: RunPiece, page: number, kind: Provider): Sql {
  const end = sql`${inListOrder(piece)} LIMIT ${piece.limit}`;
  const parts = partsOf(piece).flatMap((part) => selectPart(piece, part, end, kind));
  if (parts.length === 0) parts.push(sql`SELECT ${selectedRun} FROM sync_run r WHERE false`);
  return mergeParts(piece, parts, page);
}

/** Of the runs that a piece of so many of each part looks at, the last one; of fewer, where they hold texts that are read. */
function selectEnd(request: RunPageRequest, page: number, size: number, kind: Provider): Sql {
  const parts = partsOf(request).map(({ isFinished }) => {
    const conditions = joinSql([isInPart(isFinished), ...conditionsOf(request)], ' AND ');
    const from = sql`FROM sync_run r WHERE ${conditions} ${inListOrder(request)}`;
    if (!isTold(request.filter)) return sql`SELECT ${selectedKey} ${from} LIMIT 1 OFFSET ${size - 1}`;
    const runs = sql`SELECT ${selectedKey}, ${weightOf(kind, { texts: ['r.message', 'r.error'] })} AS weight ${from} LIMIT ${size}`;
    return selectWeighedEnd(runs, keyOfList, byKey(request), size);
  });
  return mergeParts({ ...request, limit: 1 }, parts, page);
}

const selectedKey = selectOf('r', ['lastEventAt', 'userId', 'runId']);
const keyOfList = rawSql('"lastEventAt", "userId", "runId"');

/** The first runs in list order of all parts, or with `fromEnd` the last ones. */
function mergeParts(request: RunPageRequest, parts: readonly Sql[], page: number): Sql {
  const all = joinSql(
    parts.map((part) => sql`SELECT * FROM (${part}) AS part`),
    ' UNION ALL ',
  );
  return sql`SELECT * FROM (
    SELECT part.*, CAST(${page} AS INTEGER) AS "page" FROM (${all}) AS part
    ORDER BY ${byKey(request)} LIMIT ${request.limit}) AS p`;
}

function byKey(request: RunPageRequest): Sql {
  const direction = directionOf(request);
  return sql`"lastEventAt" ${direction}, "userId" ${direction}, "runId" ${direction}`;
}

function directionOf({ fromEnd }: RunPageRequest): Sql {
  return rawSql(fromEnd ? 'ASC' : 'DESC');
}

function inListOrder(request: RunPageRequest): Sql {
  const direction = directionOf(request);
  return sql`ORDER BY r.last_event_at ${direction}, r.user_id ${direction}, r.run_id ${direction}`;
}

function selectPart(piece: RunPiece, part: Part, end: Sql, kind: Provider): Sql[] {
  const { isFinished, condition } = part;
  const conditions = [condition, ...conditionsOf(piece)];
  if (!areFoundByKind(piece)) {
    const all = [isInPart(isFinished), ...conditions, ...wordsOf(piece.filter, 'r'), ...toldBy(piece.filter, kind)];
    return [sql`SELECT ${selectedRun} FROM sync_run r WHERE ${joinSql(all, ' AND ')} ${end}`];
  }
  const ofKinds = (sign: 'IN' | 'NOT IN', all: readonly Sql[]) =>
    kindSqlOf({ kind }).selectRunsByKind(
      joinSql(
        [
          sql`${meantByColumn('k', 'status')} ${rawSql(sign)} (${joinSql(terminalStatuses)})`,
          ...wordsOf(piece.filter, 'k'),
        ],
        ' AND ',
      ),
      sql`AND ${joinSql(all, ' AND ')} ${end}`,
    );
  // With a terminal status every run is finished, so that an index has all that is asked. With another one, a run may have
  // been finished by its stage; what is looked through for those are the runs under way, which are few.
  return [
    ...(isFinished && mayBe(piece, true) ? [ofKinds('IN', conditions)] : []),
    ...(mayBe(piece, false) ? [ofKinds('NOT IN', [isInPart(isFinished), ...conditions])] : []),
  ];
}

function isInPart(isFinished: boolean): Sql {
  return sql`r.finished = ${rawSql(String(isFinished))}`;
}

/**
 * Are the runs looked for kind by kind? Where words are asked for among the runs of all users, what matches may be
 * anywhere in the list, or nowhere. One user's runs are few.
 */
function areFoundByKind({ visible, filter }: RunPageRequest): boolean {
  return visible.kind === 'all' && filter?.userId == null && hasWords(filter) && !isTold(filter);
}

/**
 * Is there no index that leads to the runs of the page? So it is with words of one user's runs, with what only the runs
 * themselves tell, and where stalled runs are wanted and others that are under way are not. All other states that may be wanted are bound by time, or are all there are.
 */
function isWalked(request: RunPageRequest): boolean {
  if (request.visible.kind === 'none' || partsOf(request).length === 0 || areFoundByKind(request)) return false;
  const wanted = request.filter?.health ?? runHealths;
  const unfinished = new Set(wanted.filter((state) => state !== 'ended'));
  return (
    hasWords(request.filter) ||
    isTold(request.filter) ||
    (unfinished.has('stalled') && unfinished.size < runHealths.length - 1)
  );
}

/** The finished runs and the others. */
const MOST_PARTS = 2;

interface Part {
  readonly isFinished: boolean;
  readonly condition: Sql;
}

/**
 * The finished and the unfinished runs, as far as the filter may let them through. Unfinished ones are few among all there
 * have been, so they are found without looking through the others.
 */
function partsOf(request: RunPageRequest): Part[] {
  const { filter, now } = request;
  const wanted = filter?.health ?? runHealths;
  const unfinished = wanted.filter((state) => state !== 'ended');
  return [
    ...(wanted.includes('ended') && (mayBe(request, true) || mayBe(request, false))
      ? [{ isFinished: true, condition: sql`true` }]
      : []),
    ...(unfinished.length > 0 && mayBe(request, false)
      ? [{ isFinished: false, condition: healthCondition(unfinished, now) }]
      : []),
  ];
}

/** Does the filter ask for statuses that are terminal, or for others? */
function mayBe({ filter }: RunPageRequest, terminal: boolean): boolean {
  return filter?.statuses?.some((status) => isTerminal(status) === terminal) ?? true;
}

/** What every run of the page has to fulfil beside its words. */
function conditionsOf({ visible, filter, after, before, fromEnd, upTo }: RunPiece): Sql[] {
  const conditions = visible.kind === 'none' ? [sql`false`] : [];
  if (visible.kind === 'one') conditions.push(sql`r.user_id = ${visible.userId}`);
  if (filter?.userId != null) conditions.push(sql`r.user_id = ${filter.userId}`);
  const { since, until, recordedUntil } = filter ?? {};
  conditions.push(...areWithin(sql`r.last_event_at`, { since, until }));
  // No newest event is later than when it was recorded.
  conditions.push(...areWithin(sql`r.last_event_at`, { until: recordedUntil }));
  const userId = visible.kind === 'one' ? visible.userId : filter?.userId;
  if (after) conditions.push(compareKey('<', after, userId));
  if (before) conditions.push(compareKey('>', before, userId));
  if (upTo) {
    const notBeyond = fromEnd ? '<=' : '>=';
    conditions.push(compareKey(notBeyond, upTo, userId));
    // By the time alone, Postgres estimates how few runs there are.
    conditions.push(sql`r.last_event_at ${rawSql(notBeyond)} ${upTo.lastEventAt}`);
  }
  return conditions;
}

/** @param userId the user whose runs all of them are; without the user in the comparison, an index of one user's runs serves it. */
function compareKey(sign: '<' | '<=' | '>' | '>=', key: RunKey, userId: string | null | undefined): Sql {
  return key.userId === userId
    ? sql`(r.last_event_at, r.run_id) ${rawSql(sign)} (${key.lastEventAt}, ${key.runId})`
    : sql`(r.last_event_at, r.user_id, r.run_id) ${rawSql(sign)} (${key.lastEventAt}, ${key.userId}, ${key.runId})`;
}
