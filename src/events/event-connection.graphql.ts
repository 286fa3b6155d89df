import type { SyncEvent as SyncEventRow, User } from '../db/rows.ts';
import { badInput } from '../errors.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Context } from '../graphql/context.ts';
import { type Counted, type CursorCodec, fetchConnection, type PageArgs, parsePage } from '../graphql/paging.ts';
import { parseCursor } from '../graphql/scalars.ts';
import type { Page } from '../lib/page.ts';
import { cursorOf } from '../log/event.ts';
import type { EventPageRequest } from '../log/event-pages.ts';
import { isOpen, matches, type SyncEventFilter, withoutRecording } from '../log/filter.ts';
import type { LogBounds } from '../log/found-log.ts';
import type { RecordedCountRequest } from '../log/recorded-within.ts';

/** Pages of logs: all that are asked for at once are read together. */
export const eventPages: Batch<EventPageRequest, readonly SyncEventRow[]> = {
  keyOf: JSON.stringify,
  restsOn: { owner: ({ log }) => log.userId },
  find: (requests, { log }) => log.readPages(requests),
};

/** Where a log begins and ends after a page of it was read. */
const logsAfter: Batch<EventPageRequest, LogBounds | undefined> = {
  keyOf: JSON.stringify,
  restsOn: { owner: ({ log }) => log.userId },
  async find(requests, { log }) {
    const logs = await log.find([...new Set(requests.map((request) => request.log.userId))]);
    return requests.map((request) => logs.find(({ userId }) => userId === request.log.userId));
  },
};

const recordedCounts: Batch<RecordedCountRequest, number> = {
  keyOf: JSON.stringify,
  restsOn: { owner: ({ log }) => log.userId },
  find: (requests, { log }) => log.countRecorded(requests),
};

const sequenceCursor: CursorCodec<number> = {
  encode: cursorOf,
  decode(cursor) {
    try {
      return parseCursor(cursor);
    } catch {
      return undefined;
    }
  },
};

/** The bounds of a user's log, as the user was read. */
export function logOf({ id, headSequence, tailSequence }: User): LogBounds {
  return { userId: id, headSequence, tailSequence };
}

/** An event by its place in its log; null when it is no longer kept. Many are found together, in one statement. */
export async function findEvent(
  { userId, sequence }: Pick<SyncEventRow, 'userId' | 'sequence'>,
  { load }: Context,
): Promise<SyncEventRow | null> {
  const log = { userId, headSequence: sequence, tailSequence: sequence };
  const [event] = await load(eventPages, { log, limit: 1, fromEnd: false });
  return event ?? null;
}

/**
 * A connection over a part of a user's log, oldest first.
 * @throws AppError BAD_USER_INPUT for bad page arguments, a cursor past the head, and (with `reason: CURSOR_EXPIRED`)
 * an `after` whose next event is no longer kept: a page must not begin behind a gap.
 * @param count how many events match in all, if something else tells than the filter
 */
export async function eventConnection(
  log: LogBounds,
  args: PageArgs,
  filter: SyncEventFilter | null | undefined,
  { load, limits }: Context,
  count = countOf(log, filter, load),
) {
  const page: Page<number> = parsePage(args, sequenceCursor, {
    size: limits.defaultPageSize,
    maxSize: limits.pageSize,
  });
  checkCursors(page, log);
  // Before the oldest event there is no page, so a cursor that stands there, such as "0", leaves none behind.
  const after = page.after !== undefined && page.after < log.tailSequence ? undefined : page.after;
  let isDense = false;
  const { totalCount, ...connection } = await fetchConnection(
    { ...page, after },
    (event: SyncEventRow) => cursorOf(event.sequence),
    async (wider) => {
      if (page.after === undefined || isOpen(filter) || log.headSequence - page.after > wider.limit)
        return load(eventPages, { ...wider, log, filter });
      // So few events are read whether they match or not: who asks often for what is new then sees by them that none is missing.
      const all = await load(eventPages, { ...wider, log });
      isDense = all[0]?.sequence === page.after + 1;
      return all.filter((event) => matches(event, filter));
    },
  );
  // Retention may have removed what comes after the cursor since the user was read.
  const isSure = isDense || isWithoutGap(connection.edges, page, filter);
  if (page.after !== undefined && page.after < log.headSequence && !isSure)
    checkCursors({ after: page.after }, (await load(logsAfter, { ...page, log, filter })) ?? log);
  const { headSequence: head, tailSequence: oldest } = log;
  return { ...connection, totalCount: isOpen(filter) ? head - oldest + 1 : totalCount, ...(count && { count }) };
}

/** Does a page itself show that nothing is missing between it and its cursor, or that it ends before it comes there? */
function isWithoutGap(
  edges: readonly { readonly node: SyncEventRow }[],
  { after, limit, fromEnd }: Page<number>,
  filter: SyncEventFilter | null | undefined,
): boolean {
  if (fromEnd && edges.length === limit) return true;
  return isOpen(filter) && edges[0]?.node.sequence === (after ?? 0) + 1;
}

/** Times of recording alone are a range of a log. */
function countOf(log: LogBounds, filter: SyncEventFilter | null | undefined, load: Context['load']): Counted['count'] {
  return filter && isOpen(withoutRecording(filter)) ? () => load(recordedCounts, { log, filter }) : undefined;
}

/** @throws AppError BAD_USER_INPUT for a cursor past the head, and for an `after` whose next event is no longer kept. */
export function checkCursors(
  { after, before }: Pick<Page<number>, 'after' | 'before'>,
  log: Omit<LogBounds, 'userId'>,
): void {
  const { headSequence: head, tailSequence: oldest } = log;
  for (const [name, sequence] of [
    ['after', after],
    ['before', before],
  ] as const)
    if (sequence !== undefined && sequence > head)
      throw badInput(`${name}: ${sequence} is past the newest event of this log, which is ${head}`, [name]);
  if (after !== undefined && after < oldest - 1)
    throw badInput(`after: the events after ${after} are no longer kept; the oldest one kept is ${oldest}`, ['after'], {
      reason: 'CURSOR_EXPIRED',
      oldestCursor: cursorOf(oldest),
    });
}
