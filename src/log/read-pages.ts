import type { SyncEvent } from './event.ts';
import { boundRange, type EventPageRequest, fill } from './event-pages.ts';
import { isOpen } from './filter.ts';
import type { LogReads } from './log-reads.ts';
import { type FilteredRequest, filterBounds, readFiltered } from './read-filtered.ts';
import { withinRecording } from './recorded-within.ts';
import type { SequenceRange } from './sql/log-sql.ts';

/**
 * Reads any number of pages with statements of which none grows with the logs, each page in ascending order. Without a
 * filter a page is a range of dense numbers, so no row is read that is not returned, and so it is with one that only bounds
 * the time of recording; {@link readFiltered} tells how the others are. Pages end at the head that the request names, not at what was committed
 * since: what one answer shows fits together. They begin no earlier than the tail that it names, and later where retention has
 * removed what was there: then they are as long as they would be all the same.
 */
export async function readPages(
  reads: LogReads,
  requests: readonly EventPageRequest[],
  bounds = filterBounds,
): Promise<readonly (readonly SyncEvent[])[]> {
  const answers: SyncEvent[][] = [];
  const ranges: RangeOfPage[] = [];
  const filtered: { request: FilteredRequest; answer: SyncEvent[] }[] = [];
  for (const request of await withinRecording(reads.database, requests)) {
    const answer: SyncEvent[] = [];
    answers.push(answer);
    const range = boundRange(request);
    if (range.after >= range.upTo) continue;
    const { filter, limit, fromEnd } = request;
    if (!filter || isOpen(filter)) ranges.push({ range: cutRange(range, limit, fromEnd), upTo: range.upTo, answer });
    else filtered.push({ request: { ...request, filter }, answer });
  }

  await readRanges(reads, ranges);
  const asked = filtered.map(({ request }) => request);
  const found = await readFiltered(reads.database, asked, bounds);
  for (const [index, { answer }] of filtered.entries()) answer.push(...(found[index] ?? []));
  return answers;
}

interface RangeOfPage {
  /** As many sequences as the page may have events. */
  readonly range: SequenceRange;
  /** How far the page might go. */
  readonly upTo: number;
  readonly answer: SyncEvent[];
}

/** Reads ranges. One of which retention has removed the beginning meanwhile is read where the log begins now. */
async function readRanges(reads: LogReads, ranges: readonly RangeOfPage[]): Promise<void> {
  if (ranges.length === 0) return;
  fill(ranges, await reads.ranges(ranges.map(({ range }) => range)));
  const short = ranges.filter(({ range, upTo, answer }) => answer.length < sizeOf(range) && range.upTo < upTo);
  if (short.length === 0) return;
  const found = await reads.findAll([...new Set(short.map(({ range }) => range.userId))]);
  const tails = new Map(found.map(({ userId, tailSequence }) => [userId, tailSequence]));
  const moved = short.flatMap((page) => {
    const after = (tails.get(page.range.userId) ?? 0) - 1;
    if (after <= page.range.after) return [];
    page.answer.length = 0;
    const range = cutRange({ ...page.range, after, upTo: page.upTo }, sizeOf(page.range), false);
    return sizeOf(range) > 0 ? [{ ...page, range }] : [];
  });
  await readRanges(reads, moved);
}

const sizeOf = ({ after, upTo }: SequenceRange) => upTo - after;

function cutRange({ userId, after, upTo }: SequenceRange, limit: number, fromEnd: boolean): SequenceRange {
  return fromEnd
    ? { userId, after: Math.max(after, upTo - limit), upTo }
    : { userId, after, upTo: Math.min(upTo, after + limit) };
}
