import type { Transaction } from '../db/database.ts';
import { Prisma, type SyncRun } from '../db/generated/client/client.ts';
import type { SyncEvent } from './event.ts';
import { listFilters, type SyncEventFilter } from './filter.ts';

/**
 * The log's own SQL. Everything that writes takes its rows as one JSON text, and everything that reads answers any
 * number of requests, so that the number of statements never depends on the number of events, users or requests.
 */

/** Whatever runs raw SQL: the reader, or a transaction. */
type Queryable = Pick<Transaction, '$queryRaw' | '$executeRaw'>;

/** A part of one user's log: after the first sequence, up to and with the second. */
export interface SequenceRange {
  readonly userId: string;
  readonly after: number;
  readonly upTo: number;
}

/** The first or last `limit` events of a range that match a filter. */
export interface FilteredPage extends SequenceRange {
  readonly filter: SyncEventFilter;
  readonly limit: number;
  readonly newest: boolean;
}

const toColumn = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const raw = (names: readonly string[], each: (name: string) => string) => Prisma.raw(names.map(each).join(', '));

const eventFields = Object.keys(Prisma.SyncEventScalarFieldEnum);
const runFields = Object.keys(Prisma.SyncRunScalarFieldEnum);
const selectedEventFields = raw(eventFields, (field) => `e.${toColumn(field)} AS "${field}"`);
/** The fields of a run, out of a `sync_run r`. */
export const selectedRunFields = raw(runFields, (field) => `r.${toColumn(field)} AS "${field}"`);

/** A field of a row in `withProgress`; metadata stays JSON, everything else becomes a plain SQL value. */
const fromJson = (field: string) =>
  field === 'metadata' ? `r.value->'$.metadata'` : field === 'progress' ? 'f.progress' : `r.value->>'$.${field}'`;

/** Times are kept as milliseconds. */
const toJson = (rows: readonly object[]) =>
  JSON.stringify(rows, function (this: Record<string, unknown>, key, value) {
    const original = this[key];
    return original instanceof Date ? original.getTime() : value;
  });

/**
 * Locks the users and returns their heads; users that do not exist are missing from the answer. It writes although it
 * changes nothing: SQLite takes its write lock with a transaction's first write.
 */
export async function lockUsers(transaction: Transaction, userIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await transaction.$queryRaw<{ id: string; head: number }[]>`
    UPDATE user SET head_sequence = head_sequence WHERE id IN (SELECT value FROM json_each(${JSON.stringify(userIds)}))
    RETURNING id, head_sequence AS head`;
  return new Map(rows.map(({ id, head }) => [id, head]));
}

export async function readEventsById(database: Queryable, ids: readonly string[]): Promise<SyncEvent[]> {
  return database.$queryRaw<SyncEvent[]>`
    SELECT ${selectedEventFields} FROM sync_event e WHERE e.id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`;
}

export async function readRuns(
  database: Queryable,
  keys: readonly { readonly userId: string; readonly runId: string }[],
): Promise<SyncRun[]> {
  const pairs = JSON.stringify(keys.map(({ userId, runId }) => [userId, runId]));
  return database.$queryRaw<SyncRun[]>`
    SELECT ${selectedRunFields} FROM json_each(${pairs}) k
    CROSS JOIN sync_run r ON r.user_id = k.value->>0 AND r.run_id = k.value->>1`;
}

export async function insertEvents(transaction: Transaction, events: readonly SyncEvent[]): Promise<void> {
  await transaction.$executeRaw`
    INSERT INTO sync_event (${raw(eventFields, toColumn)})
    SELECT ${raw(eventFields, fromJson)} FROM ${withProgress(events)}`;
}

export async function upsertRuns(transaction: Transaction, runs: readonly SyncRun[]): Promise<void> {
  await transaction.$executeRaw`
    INSERT INTO sync_run (${raw(runFields, toColumn)})
    SELECT ${raw(runFields, fromJson)} FROM ${withProgress(runs)} WHERE true
    ON CONFLICT (user_id, run_id) DO UPDATE SET ${raw(runFields, (field) => `${toColumn(field)} = excluded.${toColumn(field)}`)}`;
}

/**
 * The rows as JSON, with their fractions beside it as parameters of their own: SQLite reads some decimal texts as a
 * neighbour of the double that wrote them, and a retry would then look like other content.
 */
function withProgress(rows: readonly { readonly progress: number | null }[]): Prisma.Sql {
  const fractions = rows.flatMap(({ progress }, index) =>
    progress === null ? [] : [Prisma.sql`(${index}, ${progress})`],
  );
  const values = fractions.length > 0 ? Prisma.sql`VALUES ${Prisma.join(fractions)}` : Prisma.sql`SELECT NULL, NULL`;
  return Prisma.sql`json_each(${toJson(rows)}) r
    LEFT JOIN (WITH f (row, progress) AS (${values}) SELECT * FROM f) f ON f.row = r.key`;
}

export async function raiseHeads(transaction: Transaction, heads: ReadonlyMap<string, number>): Promise<void> {
  await transaction.$executeRaw`
    UPDATE user SET head_sequence = h.value->>1 FROM json_each(${JSON.stringify([...heads])}) h
    WHERE user.id = h.value->>0`;
}

/** An event with the index of the range or page that it was read for. */
export type PagedEvent = SyncEvent & { readonly page: number };

/** All events of all ranges, in one statement. */
export async function readRanges(database: Queryable, ranges: readonly SequenceRange[]): Promise<PagedEvent[]> {
  const list = JSON.stringify(ranges.map(({ userId, after, upTo }) => [userId, after, upTo]));
  return database.$queryRaw<PagedEvent[]>`
    SELECT ${selectedEventFields}, r.key AS "page" FROM json_each(${list}) r CROSS JOIN sync_event e
    ON e.user_id = r.value->>0 AND e.sequence > r.value->>1 AND e.sequence <= r.value->>2`;
}

/** SQLite joins at most 500 SELECTs into one; pages past this bound go into a further statement. */
const PAGES_PER_STATEMENT = 100;

/**
 * Answers any mix of filtered pages. Each page is a SELECT of its own that walks the
 * log from its end and stops at its limit, instead of a window function that would rank the whole log.
 */
export async function readFilteredPages(database: Queryable, pages: readonly FilteredPage[]): Promise<PagedEvent[]> {
  const rows: PagedEvent[] = [];
  for (let start = 0; start < pages.length; start += PAGES_PER_STATEMENT) {
    const selects = pages
      .slice(start, start + PAGES_PER_STATEMENT)
      .map((page, offset) => selectFilteredPage(page, start + offset));
    rows.push(...(await database.$queryRaw<typeof rows>(Prisma.join(selects, ' UNION ALL '))));
  }
  return rows;
}

function selectFilteredPage({ userId, after, upTo, filter, limit, newest }: FilteredPage, page: number): Prisma.Sql {
  const conditions = [
    Prisma.sql`e.user_id = ${userId} AND e.sequence > ${after} AND e.sequence <= ${upTo}`,
    ...(filter.runId == null ? [] : [Prisma.sql`e.run_id = ${filter.runId}`]),
    ...listFilters.flatMap(([list, field]) => {
      const words = filter[list];
      return words == null
        ? []
        : [Prisma.sql`e.${Prisma.raw(field)} IN (SELECT value FROM json_each(${JSON.stringify(words)}))`];
    }),
  ];
  return Prisma.sql`SELECT * FROM (
    SELECT ${selectedEventFields}, ${page} AS "page" FROM sync_event e WHERE ${Prisma.join(conditions, ' AND ')}
    ORDER BY e.sequence ${Prisma.raw(newest ? 'DESC' : 'ASC')} LIMIT ${limit})`;
}
