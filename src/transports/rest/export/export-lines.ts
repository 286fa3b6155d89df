import { GraphQLError } from 'graphql';
import type { ProducerText } from '../../../auth/producer-texts.ts';
import { AppError } from '../../../errors.ts';
import type { Spending } from '../../../graphql/context.ts';
import { pause } from '../../../lib/pause.ts';
import type { RunDocument } from '../stored-document.ts';
import { Visit } from '../visit.ts';
import type { Edges, ExportedUser, ExportReads, Fields, Made } from './export-reads.ts';

/** Lines that are read at once: at first, and at most. */
const FIRST_LINES = 10;
const MOST_LINES = 80;
/** Characters that a page may have, unless it is a single line. While nobody takes it, it is what an export holds. */
const PAGE_LENGTH = 131_072;

/** As many lines as a page may have, one at least, as text. */
interface Filled {
  readonly text: string;
  readonly count: number;
}

/** How an export goes on, for how long, and with what left out. */
interface Course {
  /** What the export does not show of what producers write: its first line tells. */
  readonly hidden: readonly ProducerText[];
  /** Ends the lines, with the reason that it has. */
  readonly signal: AbortSignal;
  /** How long a page may wait for its account, in milliseconds: while nothing is sent, the connection counts as idle. */
  readonly longestWaitMs: number;
}

/** A page, and where the next one begins: undefined for the beginning of the list. */
interface LinesRead extends Filled {
  readonly next: string | undefined;
  readonly isLast: boolean;
}

/**
 * All lines, a page at once, each as soon as the account may pay for it. Only the text of a page is held while nobody takes it.
 * @throws AppError RATE_LIMITED when the account has too little to spare for too long; NOT_FOUND when the user was deleted, even if
 * another was made under the same id
 */
export async function* exportLines(
  read: ExportReads,
  visit: Visit,
  user: ExportedUser,
  course: Course,
): AsyncGenerator<string, void, undefined> {
  const userId = String(user.id);
  const head = Number(user.head_cursor);
  /** How many lines of each kind there are. */
  const counts = { users: 1, connections: 0, runs: 0, events: 0 };
  const ask = async <Owner extends Made>(
    run: RunDocument<{ readonly user: Owner | null }>,
    lines: number,
    variables: Fields = {},
  ): Promise<Owner> => {
    await pay(visit.spending, lines, course);
    const { user: owner } = await run(unpaid(visit), { userId, ...variables });
    if (owner === null || owner.created_at !== user.created_at) throw new AppError('NOT_FOUND', 'The user was deleted');
    return owner;
  };

  const shown = new Set<string>();
  /** All are read at once, as there are few. Those for which the page before had no room are read again. */
  const readConnections = async (): Promise<LinesRead> => {
    const { connections } = await ask(read.connections, MOST_LINES);
    const rest = connections.filter(({ provider }) => !shown.has(provider));
    const page = fill('connection', rest);
    for (const { provider } of rest.slice(0, page.count)) shown.add(provider);
    counts.connections = shown.size;
    return { ...page, next: undefined, isLast: page.count === rest.length };
  };

  /** From the oldest run on, as one that changes moves to the newest and is met again. */
  const readRuns = async (size: number, before: string | undefined): Promise<LinesRead> => {
    const { edges, pageInfo } = (await ask(read.runs, size, { size, before })).syncRuns;
    const page = fill('run', nodesOf(edges.toReversed()));
    counts.runs += page.count;
    const next = edges.at(-page.count)?.cursor;
    const isLast = next === undefined || (page.count === edges.length && !pageInfo.hasPreviousPage);
    return { ...page, next, isLast };
  };

  /** Without a cursor a page begins with the oldest event that is kept. */
  const readEvents = async (size: number, after: string | undefined): Promise<LinesRead> => {
    const owner = await ask(read.events, size, { size, after }).catch((error: unknown) => {
      if (after === undefined || !isOfCursor(error)) throw error;
    });
    if (!owner) return { text: '', count: 0, next: undefined, isLast: false };
    const within = owner.syncEvents.edges.filter(({ node }) => Number(node.sequence) <= head);
    const page = fill('event', nodesOf(within));
    counts.events += page.count;
    const next = within[page.count - 1]?.cursor;
    return { ...page, next, isLast: next === undefined || Number(next) >= head };
  };

  const { head_cursor } = user;
  yield line('export', { format: 1, user_id: userId, head_cursor, exported_at: new Date(), hidden: course.hidden });
  yield line('user', user);
  yield* pagesOf(readConnections);
  yield* pagesOf(readRuns);
  if (head > 0) yield* pagesOf(readEvents);
  await ask(read.user, 1); // who may have been deleted since the last page was begun
  yield line('end', { complete: true, counts });
}

/**
 * Pages until the last one. As many lines are read at once as would fit if they were like those of the page before: a line may have
 * a part of a kilobyte, or megabytes.
 */
async function* pagesOf(
  read: (size: number, from: string | undefined) => Promise<LinesRead>,
): AsyncGenerator<string, void, undefined> {
  let size = FIRST_LINES;
  for (let from: string | undefined, isEnd = false; !isEnd; ) {
    const { text, count, next, isLast } = await read(size, from);
    if (count > 0) size = Math.min(MOST_LINES, Math.max(1, Math.floor((count * PAGE_LENGTH) / text.length)));
    from = next;
    isEnd = isLast;
    yield text;
  }
}

/** One line of an export. */
export function line(type: string, fields: Fields): string {
  return `${JSON.stringify({ type, ...fields })}\n`;
}

/** The first of these, as many as have room in a page, and one at least. */
function fill(type: string, nodes: readonly Fields[]): Filled {
  let text = '';
  let count = 0;
  for (const node of nodes) {
    const next = line(type, node);
    if (count > 0 && text.length + next.length > PAGE_LENGTH) break;
    text += next;
    count += 1;
  }
  return { text, count };
}

function nodesOf(edges: Edges['edges']): Fields[] {
  return edges.map(({ node }) => node);
}

/** The pages of an export are paid by their lines, and not by what else a query for them might list. */
export function unpaid({ viewer, address, spending }: Visit): Visit {
  return new Visit({ viewer, address, spending: { ...spending, request() {}, items() {}, found() {} } });
}

/**
 * Waits until the account has so much to spare, and takes it.
 * @throws the reason for which the life of the stream has ended, or AppError RATE_LIMITED as soon as it would take too long
 */
async function pay(spending: Spending, lines: number, { signal, longestWaitMs }: Course): Promise<void> {
  const lastAt = performance.now() + longestWaitMs;
  for (;;) {
    signal.throwIfAborted();
    const waitMs = spending.spareIn(lines);
    if (waitMs === 0) return spending.items(lines);
    if (performance.now() + waitMs > lastAt)
      throw new AppError('RATE_LIMITED', 'For too long, the account had too little to spare for an export');
    await pause(waitMs, signal);
  }
}

/** Is a page refused because its log does not go on after the cursor: by retention, or as it is that of another user? */
function isOfCursor(error: unknown): boolean {
  return error instanceof GraphQLError && error.extensions.code === 'BAD_USER_INPUT';
}
