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
 * since: what one answer shows fits together.
 */
export async function readPages(
  reads: LogReads,
  requests: readonly EventPageRequest[],
  bounds = filterBounds,
): Promise<readonly (readonly SyncEvent[])[]> {
  const answers: SyncEvent[][] = [];
  const ranges: { range: SequenceRange; answer: SyncEvent[] }[] = [];
  const filtered: { request: FilteredRequest; answer: SyncEvent[] }[] = [];
  for (const request of await withinRecording(reads.database, requests)) {
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
    fill(ranges, await reads.ranges(asked));
  }
  const asked = filtered.map(({ request }) => request);
  const found = await readFiltered(reads.database, asked, bounds);
  for (const [index, { answer }] of filtered.entries()) answer.push(...(found[index] ?? []));
  return answers;
}

function cutRange({ userId, after, upTo }: SequenceRange, limit: number, fromEnd: boolean): SequenceRange {
  return fromEnd
    ? { userId, after: Math.max(after, upTo - limit), upTo }
    : { userId, after, upTo: Math.min(upTo, after + limit) };
}
