import type { Database } from '../db/database.ts';
import { SELECTS_PER_STATEMENT } from '../db/sql.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Page } from '../lib/page.ts';
import type { SyncEvent } from './event.ts';
import { isOpen, type SyncEventFilter } from './filter.ts';
import type { FilteredPage, PagedEvent, SequenceRange } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** Where a user's log begins and ends: a user row has these fields. */
export interface LogBounds {
  readonly userId: string;
  /** Sequence of the newest event; 0 for an empty log. */
  readonly headSequence: number;
  /** Sequence of the oldest event kept; head + 1 when none is. */
  readonly tailSequence: number;
}

/** A page of one log, whose keys are sequences. */
export interface EventPageRequest extends Page<number> {
  readonly log: LogBounds;
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
  const answers: SyncEvent[][] = [];
  const ranges: { range: SequenceRange; answer: SyncEvent[] }[] = [];
  const pages: { page: FilteredPage; answer: SyncEvent[] }[] = [];
  for (const request of requests) {
    const answer: SyncEvent[] = [];
    answers.push(answer);
    const range = boundRange(request);
    if (range.after >= range.upTo) continue;
    const { filter, limit, fromEnd } = request;
    if (!filter || isOpen(filter)) ranges.push({ range: cutRange(range, limit, fromEnd), answer });
    else pages.push({ page: { ...range, filter, limit, fromEnd }, answer });
  }

  const sql = logSqlOf(database);
  if (ranges.length > 0) {
    const asked = ranges.map(({ range }) => range);
    fill(ranges, await sql.readRanges(database.reader, asked));
  }
  for (const some of inPieces(pages, SELECTS_PER_STATEMENT)) {
    const asked = some.map(({ page }) => page);
    fill(some, await sql.readFilteredPages(database.reader, asked));
  }
  return answers;
}

/** Puts each event into the answer that it was read for, in order of sequence. */
function fill(places: readonly { readonly answer: SyncEvent[] }[], events: readonly PagedEvent[]): void {
  for (const { page, ...event } of events) places[page]?.answer.push(event);
  for (const { answer } of places) answer.sort((a, b) => a.sequence - b.sequence);
}

function boundRange({ log, after, before }: EventPageRequest): SequenceRange {
  return {
    userId: log.userId,
    after: Math.max(after ?? 0, log.tailSequence - 1),
    upTo: Math.min(before === undefined ? log.headSequence : before - 1, log.headSequence),
  };
}

function cutRange({ userId, after, upTo }: SequenceRange, limit: number, fromEnd: boolean): SequenceRange {
  return fromEnd
    ? { userId, after: Math.max(after, upTo - limit), upTo }
    : { userId, after, upTo: Math.min(upTo, after + limit) };
}
