import type { Database } from '../db/database.ts';
import { groupBy } from '../lib/group-by.ts';
import type { SyncEvent } from './event.ts';
import { isOpen, type SyncEventFilter } from './filter.ts';
import { type FilteredPage, PAGES_PER_STATEMENT, type PagedEvent, type SequenceRange } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** Where a user's log begins and ends: a user row has these fields. */
export interface LogBounds {
  readonly userId: string;
  /** Sequence of the newest event; 0 for an empty log. */
  readonly headSequence: number;
  /** Sequence of the oldest event kept; head + 1 when none is. */
  readonly tailSequence: number;
}

/** A page of one log: its oldest or newest `limit` events between two sequences, both exclusive. */
export interface EventPageRequest {
  readonly log: LogBounds;
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit: number;
  readonly newest: boolean;
  readonly filter?: SyncEventFilter | null | undefined;
}

/**
 * Reads any number of pages with a constant number of statements, each page in ascending order. Without a filter a page
 * is a range of dense numbers, so no row is read that is not returned. Pages end at the head that the request names,
 * not at what was committed since: what one answer shows fits together.
 */
export async function readPages(
  database: Database,
  requests: readonly EventPageRequest[],
): Promise<readonly (readonly SyncEvent[])[]> {
  const open: { index: number; range: SequenceRange }[] = [];
  const filtered: { index: number; page: FilteredPage }[] = [];
  for (const [index, request] of requests.entries()) {
    const range = boundRange(request);
    if (range.after >= range.upTo) continue;
    const { filter, limit, newest } = request;
    if (!filter || isOpen(filter)) open.push({ index, range: cutRange(range, limit, newest) });
    else filtered.push({ index, page: { ...range, filter, limit, newest } });
  }

  const sql = logSqlOf(database);
  const answers: SyncEvent[][] = requests.map(() => []);
  const sortIn = (rows: readonly PagedEvent[], places: readonly { readonly index: number }[]) => {
    for (const [page, events] of groupBy(rows, (row) => row.page))
      answers[places[page]?.index ?? -1] = events
        .map(({ page: _, ...event }) => event)
        .sort((a, b) => a.sequence - b.sequence);
  };
  if (open.length > 0)
    sortIn(await sql.readRanges(database.reader, open.map(({ range }) => range)), open); // biome-ignore format: one thought
  for (let start = 0; start < filtered.length; start += PAGES_PER_STATEMENT) {
    const some = filtered.slice(start, start + PAGES_PER_STATEMENT);
    sortIn(await sql.readFilteredPages(database.reader, some.map(({ page }) => page)), some); // biome-ignore format: one thought
  }
  return answers;
}

function boundRange({ log, after, before }: EventPageRequest): SequenceRange {
  return {
    userId: log.userId,
    after: Math.max(after ?? 0, log.tailSequence - 1),
    upTo: Math.min(before === undefined ? log.headSequence : before - 1, log.headSequence),
  };
}

function cutRange({ userId, after, upTo }: SequenceRange, limit: number, newest: boolean): SequenceRange {
  return newest
    ? { userId, after: Math.max(after, upTo - limit), upTo }
    : { userId, after, upTo: Math.min(upTo, after + limit) };
}
