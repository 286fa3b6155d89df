import type { Visibility } from '../auth/permissions.ts';
import { isOneOf, isStorable } from '../db/columns.ts';
import type { Database } from '../db/database.ts';
import { Prisma, type SyncRun } from '../db/generated/sqlite/client.ts';
import { selectedRun } from '../events/log-columns.ts';
import { logSqlOf } from '../events/log-sql-of.ts';

/** Which runs are wanted: those that match every given part. An empty list matches nothing. Words are wire words. */
export interface SyncRunFilter {
  readonly userId?: string | null | undefined;
  readonly providers?: readonly string[] | null | undefined;
  readonly sources?: readonly string[] | null | undefined;
  readonly statuses?: readonly string[] | null | undefined;
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
export interface RunPageRequest {
  readonly visible: Visibility;
  readonly filter: SyncRunFilter | null | undefined;
  readonly after?: RunKey | undefined;
  readonly before?: RunKey | undefined;
  readonly limit: number;
  /** From the end of the list instead of its beginning; the answer is in list order all the same. */
  readonly fromEnd: boolean;
}

const listFilters = [
  ['providers', 'provider'],
  ['sources', 'source'],
  ['statuses', 'status'],
] as const;

/** The runs with these keys, as far as they exist, in one statement. */
export function findRuns(database: Database, keys: readonly RunId[]): Promise<SyncRun[]> {
  const storable = keys.filter(({ runId }) => isStorable(runId));
  return logSqlOf(database).readRuns(database.reader, storable);
}

/** SQLite joins at most 500 SELECTs into one; pages past this bound go into a further statement. */
const PAGES_PER_STATEMENT = 100;

/** Any mix of pages, each newest first. A page stops at its limit, so hardly a row is read that is not returned. */
export async function listRuns(
  database: Database,
  requests: readonly RunPageRequest[],
): Promise<readonly (readonly SyncRun[])[]> {
  const pages: SyncRun[][] = requests.map(() => []);
  for (let start = 0; start < requests.length; start += PAGES_PER_STATEMENT) {
    const selects = requests
      .slice(start, start + PAGES_PER_STATEMENT)
      .map((request, offset) => selectPage(request, start + offset));
    const rows = await database.reader.$queryRaw<(SyncRun & { readonly page: number })[]>`
      ${Prisma.join(selects, ' UNION ALL ')} ORDER BY "lastEventAt" DESC, "userId" DESC, "runId" DESC`;
    for (const { page, ...run } of rows) pages[page]?.push(run);
  }
  return pages;
}

function selectPage({ visible, filter, after, before, limit, fromEnd }: RunPageRequest, page: number): Prisma.Sql {
  const conditions = [visible.kind === 'none' ? Prisma.sql`false` : Prisma.sql`true`];
  if (visible.kind === 'one') conditions.push(Prisma.sql`r.user_id = ${visible.userId}`);
  if (filter?.userId != null) conditions.push(Prisma.sql`r.user_id = ${filter.userId}`);
  for (const [list, field] of listFilters) {
    const words = filter?.[list];
    if (words) conditions.push(isOneOf(Prisma.raw(`r.${field}`), words));
  }
  const key = Prisma.sql`(r.last_event_at, r.user_id, r.run_id)`;
  if (after) conditions.push(Prisma.sql`${key} < (${after.lastEventAt}, ${after.userId}, ${after.runId})`);
  if (before) conditions.push(Prisma.sql`${key} > (${before.lastEventAt}, ${before.userId}, ${before.runId})`);
  const direction = Prisma.raw(fromEnd ? 'ASC' : 'DESC');
  return Prisma.sql`SELECT * FROM (
    SELECT ${selectedRun}, CAST(${page} AS INTEGER) AS "page" FROM sync_run r WHERE ${Prisma.join(conditions, ' AND ')}
    ORDER BY r.last_event_at ${direction}, r.user_id ${direction}, r.run_id ${direction} LIMIT ${limit}) AS p`;
}

export function matchesRun(run: SyncRun, filter: SyncRunFilter | null | undefined): boolean {
  if (!filter) return true;
  if (filter.userId != null && run.userId !== filter.userId) return false;
  return listFilters.every(([list, field]) => filter[list]?.includes(run[field]) ?? true);
}

/** Where a run stands in a list, its fields in order of their weight. */
export function keyOf({ lastEventAt, userId, runId }: RunKey): RunKey {
  return { lastEventAt, userId, runId };
}
