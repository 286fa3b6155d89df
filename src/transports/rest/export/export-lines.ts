import { GraphQLError } from 'graphql';
import { AppError } from '../../../errors.ts';
import type { Spending } from '../../../graphql/context.ts';
import { pause } from '../../../lib/pause.ts';
import type { RunDocument } from '../stored-document.ts';
import { Visit } from '../visit.ts';
import type { Edges, ExportedUser, ExportReads, Fields } from './export-reads.ts';

/** Lines that are read at once: at first, and at most. */
const FIRST_LINES = 10;
const MOST_LINES = 80;
/** Characters that a page is meant to have. While nobody takes it, it is what an export holds. */
const PAGE_LENGTH = 131_072;

/** A page as text, and where the next one begins: undefined for the beginning of the list. */
interface LinesRead {
  readonly text: string;
  readonly next: string | undefined;
  readonly isLast: boolean;
}

/**
 * All lines, a page at once, each as soon as the account may pay for it. Only the text of a page is held while nobody takes it.
 * @param signal ends the lines, with the reason that it has
 */
export async function* exportLines(
  read: ExportReads,
  visit: Visit,
  user: ExportedUser,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const userId = String(user.id);
  const head = Number(user.head_cursor);
  /** How many lines of each kind there are. */
  const counts = { users: 1, connections: 0, runs: 0, events: 0 };
  const ask = async <Data>(run: RunDocument<Data>, lines: number, variables: Fields = {}) => {
    await pay(visit.spending, lines, signal);
    return run(unpaid(visit), { userId, ...variables });
  };

  const readConnections = async () => {
    const { connections } = gone((await ask(read.connections, MOST_LINES)).user);
    counts.connections = connections.length;
    return connections.map((each) => line('connection', each)).join('');
  };

  /** From the oldest run on, as one that changes moves to the newest and is met again. */
  const readRuns = async (size: number, before: string | undefined): Promise<LinesRead> => {
    const { edges, pageInfo } = gone((await ask(read.runs, size, { size, before })).user).syncRuns;
    counts.runs += edges.length;
    const next = edges[0]?.cursor;
    return { text: linesOf('run', edges.toReversed()), next, isLast: !pageInfo.hasPreviousPage || next === undefined };
  };

  /**
   * Without a cursor a page begins with the oldest event that is kept. Only the head tells the end: a page that retention has
   * overtaken may be empty, and is asked for again.
   */
  const readEvents = async (size: number, after: string | undefined): Promise<LinesRead> => {
    const page = await ask(read.events, size, { size, after }).catch(expired);
    if (!page) return { text: '', next: undefined, isLast: false };
    const owner = gone(page.user);
    if (Number(owner.head_cursor) < head) gone(null); // the log of another, who was made under the same id
    const { edges } = owner.syncEvents;
    const within = edges.filter(({ node }) => Number(node.sequence) <= head);
    counts.events += within.length;
    const next = edges.at(-1)?.cursor ?? after;
    return { text: linesOf('event', within), next, isLast: Number(next ?? 0) >= head };
  };

  yield line('export', {
    ...{ format: 1, user_id: userId, head_cursor: user.head_cursor, exported_at: new Date() },
  });
  yield line('user', user);
  yield await readConnections();
  yield* pagesOf(readRuns);
  if (head > 0) yield* pagesOf(readEvents);
  yield line('end', { complete: true, counts });
}

/** Pages until the last one, as large as their lines let them be: one may have a part of a kilobyte, or a hundred. */
async function* pagesOf(
  read: (size: number, from: string | undefined) => Promise<LinesRead>,
): AsyncGenerator<string, void, undefined> {
  let size = FIRST_LINES;
  for (let from: string | undefined, isEnd = false; !isEnd; ) {
    const { text, next, isLast } = await read(size, from);
    size = Math.min(MOST_LINES, Math.max(1, Math.floor((size * PAGE_LENGTH) / Math.max(text.length, 1))));
    from = next;
    isEnd = isLast;
    yield text;
  }
}

/** One line of an export. */
export function line(type: string, fields: Fields): string {
  return `${JSON.stringify({ type, ...fields })}\n`;
}

function linesOf(type: string, edges: Edges['edges']): string {
  return edges.map(({ node }) => line(type, node)).join('');
}

/** The pages of an export are paid by their lines, and not by what else a query for them might list. */
export function unpaid({ viewer, address, spending }: Visit): Visit {
  return new Visit({ viewer, address, spending: { ...spending, request() {}, items() {}, found() {} } });
}

/** Waits until the account has so much to spare, and takes it. @throws the reason for which the life of the stream has ended */
async function pay(spending: Spending, lines: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const waitMs = spending.spareIn(lines);
    if (waitMs === 0) return spending.items(lines);
    await pause(waitMs, signal);
  }
}

/** Nothing, where retention has removed what comes after a cursor. @throws every other error */
function expired(error: unknown): undefined {
  if (!(error instanceof GraphQLError) || error.extensions.reason !== 'CURSOR_EXPIRED') throw error;
}

/** What is left of a user, who may have been deleted meanwhile. */
function gone<T>(user: T | null): T {
  if (user === null) throw new AppError('NOT_FOUND', 'The user was deleted');
  return user;
}
