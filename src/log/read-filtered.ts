import type { Database } from '../db/database.ts';
import { SELECTS_PER_STATEMENT } from '../db/sql.ts';
import { groupBy } from '../lib/group-by.ts';
import { inPieces } from '../lib/in-pieces.ts';
import { type Piece, walkPages } from '../lib/walk-pages.ts';
import type { SyncEvent } from './event.ts';
import { boundRange, type EventPageRequest, fill } from './event-pages.ts';
import { hasWords, isTold, matchesWords, type SyncEventFilter } from './filter.ts';
import type { EventKind, FilteredPage, FoundEvent, PageOfKinds } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** How far reads with a filter go. */
export interface FilterBounds {
  /** Events of a log that are looked through before others are found by their kind. */
  readonly nearest: number;
  /** Events that one statement may look through for those that match. */
  readonly walked: number;
  /** The same for what only the events themselves tell, if these hold no text: one with texts counts for several. */
  readonly weighed: number;
  /** A user's log with more kinds of events than these is walked. */
  readonly kinds: number;
  /** Kinds that one statement may find. */
  readonly found: number;
}

/** SQLite keeps the process for 3 ms with so many events, and for 1 ms with so many kinds. */
export const filterBounds: FilterBounds = { nearest: 2_000, walked: 10_000, weighed: 5_000, kinds: 300, found: 6_000 };

/** So many events that have to be read are not weighed before: SQLite keeps the process for 5 ms with them, whatever they hold. */
const UNWEIGHED = 100;

/** A page of events that match. */
export type FilteredRequest = EventPageRequest & { readonly filter: SyncEventFilter };

/**
 * Pages with a filter, each in ascending order. Most events that match are near the end that a page begins at, so that the
 * first piece of a log is looked through; what is beyond it is read kind by kind, along an index: the events of one provider,
 * source, stage and status are of one kind. Only a log of very many kinds is walked to its other end, the log of a run, and
 * what is looked for by what only the events themselves tell.
 */
export async function readFiltered(
  database: Database,
  requests: readonly FilteredRequest[],
  bounds: FilterBounds,
): Promise<readonly (readonly SyncEvent[])[]> {
  const size = Math.min(bounds.nearest, sizeOfPieces(requests.length, bounds.walked));
  const parts = requests.map((request) => splitPage(request, size));
  const beginnings = parts.map(({ beginning }) => beginning);
  const answers = [...(await walk(database, beginnings, bounds))];
  const unfilled = parts.flatMap(({ rest }, at) => {
    const limit = rest ? rest.limit - (answers[at]?.length ?? 0) : 0;
    return rest && limit > 0 ? [{ at, page: { ...rest, limit } }] : [];
  });
  const pages = unfilled.map(({ page }) => page);
  const rests = await readRests(database, pages, bounds);
  for (const [index, { at, page }] of unfilled.entries()) {
    const rest = rests[index] ?? [];
    const beginning = answers[at] ?? [];
    answers[at] = page.fromEnd ? [...rest, ...beginning] : [...beginning, ...rest];
  }
  return answers;
}

/** What is walked of a page, and what may be read kind by kind, if it is longer than a piece. */
function splitPage(request: FilteredRequest, size: number): { beginning: FilteredRequest; rest?: FilteredRequest } {
  const isWalked = request.filter.runId != null || isTold(request.filter);
  const end = isWalked ? undefined : endOfPiece(request, size);
  if (end === undefined) return { beginning: request };
  return request.fromEnd
    ? { beginning: { ...request, after: end - 1 }, rest: { ...request, before: end } }
    : { beginning: { ...request, before: end + 1 }, rest: { ...request, after: end } };
}

/** The rest of pages of words, kind by kind where a user's log has few kinds. */
async function readRests(database: Database, requests: readonly FilteredRequest[], bounds: FilterBounds) {
  const answers: (readonly SyncEvent[])[] = requests.map(() => []);
  const kindsOf = await findKinds(database, [...new Set(requests.map(({ log }) => log.userId))], bounds);
  const walked: { at: number; request: FilteredRequest }[] = [];
  const byKind: { at: number; page: PageOfKinds }[] = [];
  for (const [at, request] of requests.entries()) {
    const all = kindsOf.get(request.log.userId) ?? [];
    const kinds = all.filter((kind) => matchesWords(kind, request.filter));
    if (all.length > bounds.kinds) walked.push({ at, request });
    else
      for (const some of inPieces(kinds, Math.max(1, Math.floor(bounds.walked / request.limit))))
        byKind.push({ at, page: { ...toFilteredPage(request), kinds: some } });
  }

  const most = Math.max(...byKind.map(({ page }) => page.kinds.length * page.limit));
  const together = Math.min(Math.max(1, Math.floor(bounds.walked / most)), SELECTS_PER_STATEMENT);
  for (const some of inPieces(byKind, together)) {
    const places = some.map(({ at, page }) => ({ at, page, answer: [] }));
    const asked = places.map(({ page }) => page);
    fill(places, await logSqlOf(database).readPagesOfKinds(database.reader, asked));
    for (const { at, page, answer } of places) answers[at] = joined(answers[at] ?? [], answer, page);
  }
  const asked = walked.map(({ request }) => request);
  const found = await walk(database, asked, bounds);
  for (const [index, { at }] of walked.entries()) answers[at] = found[index] ?? [];
  return answers;
}

/** A page of what two others have found, each of its own kinds. */
function joined(one: readonly SyncEvent[], other: readonly SyncEvent[], { fromEnd, limit }: FilteredPage) {
  if (one.length === 0) return other;
  const all = [...one, ...other].sort((a, b) => a.sequence - b.sequence);
  return fromEnd ? all.slice(-limit) : all.slice(0, limit);
}

async function findKinds(database: Database, userIds: readonly string[], { kinds: few, found }: FilterBounds) {
  const kinds: EventKind[] = [];
  const most = few + 1;
  for (const some of inPieces(userIds, Math.min(Math.max(1, Math.floor(found / most)), SELECTS_PER_STATEMENT)))
    kinds.push(...(await logSqlOf(database).findKinds(database.reader, some, most)));
  return groupBy(kinds, ({ userId }) => userId);
}

/** Pages that are walked in pieces, all of them together: each step is at most two statements for a hundred pages. */
function walk(database: Database, requests: readonly FilteredRequest[], bounds: FilterBounds) {
  const sql = logSqlOf(database);
  return walkPages<number, FilteredRequest, SyncEvent>(requests, {
    async findEnds(pages) {
      const size = sizeOfPieces(pages.length, bounds.walked);
      const unweighed = sizeOfPieces(pages.length, Math.min(bounds.weighed, UNWEIGHED));
      const ends = pages.map((page) => endOfPiece(page, isTold(page.filter) ? unweighed : size));
      const findEnds = async (
        isMeant: (filter: SyncEventFilter) => boolean,
        find: (asked: readonly FilteredPage[]) => Promise<readonly FoundEvent[]>,
      ) => {
        const places = [...pages.entries()].flatMap(([at, page]) =>
          isMeant(page.filter) && ends[at] !== undefined ? [{ at, page: toFilteredPage(page) }] : [],
        );
        for (const { at } of places) ends[at] = undefined;
        for (const some of inPieces(places, SELECTS_PER_STATEMENT)) {
          const found = await find(some.map(({ page }) => page));
          for (const { page, sequence } of found) ends[some[page]?.at ?? -1] = sequence;
        }
      };
      // A run may have few events in a long piece of the log, so a piece of a run is counted out along its index.
      await findEnds(
        (filter) => filter.runId != null && !isTold(filter),
        (asked) => sql.findRunEvents(database.reader, asked, size),
      );
      const weighed = sizeOfPieces(pages.length, bounds.weighed);
      await findEnds(isTold, (asked) => sql.findWeighedEnds(database.reader, asked, weighed));
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
  if (upTo - after <= size || !(hasWords(request.filter) || isTold(request.filter))) return undefined;
  return request.fromEnd ? upTo - size + 1 : after + size;
}

function toFilteredPage(piece: Piece<number, FilteredRequest>): FilteredPage {
  const { filter, limit, fromEnd, upTo: end } = piece;
  const range = boundRange(piece);
  const cut = end === undefined ? {} : fromEnd ? { after: end - 1 } : { upTo: end };
  return { ...range, ...cut, filter, limit, fromEnd };
}

/** How many events of each of so many logs are looked through, if one statement looks through as many as that. */
function sizeOfPieces(logs: number, inStatement: number): number {
  return Math.max(1, Math.floor(inStatement / Math.min(logs, SELECTS_PER_STATEMENT)));
}
