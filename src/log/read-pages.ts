import type { Database } from '../db/database.ts';
import { SELECTS_PER_STATEMENT } from '../db/sql.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Page } from '../lib/page.ts';
import { type Piece, walkPages } from '../lib/walk-pages.ts';
import type { SyncEvent } from './event.ts';
import { hasWords, isOpen, type SyncEventFilter } from './filter.ts';
import type { FilteredPage, PagedEvent, SequenceRange } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** Events that one statement looks through for those that match: SQLite keeps the process for 3 ms with them. */
const WALKED_PER_STATEMENT = 10_000;

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

type FilteredRequest = EventPageRequest & { readonly filter: SyncEventFilter };

/**
 * Reads any number of pages with statements of which none grows with the logs, each page in ascending order. Without a
 * filter a page is a range of dense numbers, so no row is read that is not returned; those of a run are found by an index;
 * for a filter of words the log is walked in pieces until the page is full. Pages end at the head that the request names,
 * not at what was committed since: what one answer shows fits together.
 * @param walked events that one statement may look through.
 */
export async function readPages(
  database: Database,
  requests: readonly EventPageRequest[],
  walked = WALKED_PER_STATEMENT,
): Promise<readonly (readonly SyncEvent[])[]> {
  const answers: SyncEvent[][] = [];
  const ranges: { range: SequenceRange; answer: SyncEvent[] }[] = [];
  const filtered: { request: FilteredRequest; answer: SyncEvent[] }[] = [];
  for (const request of requests) {
    const answer: SyncEvent[] = [];
    answers.push(answer);
    const range = boundRange(request);
    if (range.after >= range.upTo) continue;
    const { filter, limit, fromEnd } = request;
    if (!filter || isOpen(filter)) ranges.push({ range: cutRange(range, limit, fromEnd), answer });
    else filtered.push({ request: { ...request, filter }, answer });
  }

  if (ranges.length > 0) {
    const asked = ranges.map(({ range }) => range);
    fill(ranges, await logSqlOf(database).readRanges(database.reader, asked));
  }
  const asked = filtered.map(({ request }) => request);
  const found = await readFiltered(database, asked, walked);
  for (const [index, { answer }] of filtered.entries()) answer.push(...(found[index] ?? []));
  return answers;
}

/** Pages with a filter. Those that it lets few events into take several steps, each at most two statements for a hundred pages. */
async function readFiltered(database: Database, requests: readonly FilteredRequest[], walked: number) {
  const sql = logSqlOf(database);
  return walkPages<number, FilteredRequest, SyncEvent>(requests, {
    async findEnds(pages) {
      const size = Math.max(1, Math.floor(walked / Math.min(pages.length, SELECTS_PER_STATEMENT)));
      const ends = pages.map((page) => endOfPiece(page, size));
      // A run may have few events in a long piece of the log, so a piece of a run is counted out along its index.
      const places = [...pages.keys()].filter((at) => pages[at]?.filter.runId != null && ends[at] !== undefined);
      for (const at of places) ends[at] = undefined;
      for (const some of inPieces(places, SELECTS_PER_STATEMENT)) {
        const asked = some.flatMap((at) => pages[at] ?? []).map(toFilteredPage);
        const found = await sql.findRunEvents(database.reader, asked, size);
        for (const { page, sequence } of found) ends[some[page] ?? -1] = sequence;
      }
      return ends;
    },
    async read(pieces) {
      const answers: SyncEvent[][] = [];
      for (const some of inPieces(pieces, SELECTS_PER_STATEMENT)) {
        const places = some.map((piece) => ({ page: toFilteredPage(piece), answer: [] }));
        const asked = places.map(({ page }) => page);
        fill(places, await sql.readFilteredPages(database.reader, asked));
        answers.push(...places.map(({ answer }) => answer));
      }
      return answers;
    },
  });
}

/** The sequence at which the next piece of so many events ends; nothing where the page does, or needs no walk. */
function endOfPiece(request: FilteredRequest, size: number): number | undefined {
  const { after, upTo } = boundRange(request);
  if (upTo - after <= size || !hasWords(request.filter)) return undefined;
  return request.fromEnd ? upTo - size + 1 : after + size;
}

function toFilteredPage(piece: Piece<number, FilteredRequest>): FilteredPage {
  const { filter, limit, fromEnd, upTo: end } = piece;
  const range = boundRange(piece);
  const cut = end === undefined ? {} : fromEnd ? { after: end - 1 } : { upTo: end };
  return { ...range, ...cut, filter, limit, fromEnd };
}

/** Puts each event into the answer that it was read for, in order of sequence. */
function fill(places: readonly { readonly answer: SyncEvent[] }[], events: readonly PagedEvent[]): void {
  for (const { page, event } of events) places[page]?.answer.push(event);
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
