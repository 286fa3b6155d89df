import type { Inventory } from './target.ts';

/** How long a server may take to let go of clients that are gone, in milliseconds. */
export const REST_MS = 30_000;

/**
 * What the heap, without answers that are kept, may have grown by, once its garbage is collected: documents that are kept
 * parsed may take most of it (see `document-cache.ts`), and after some thousand different ones they do.
 */
const HEAP_GROWTH = 192 * 1_048_576;
/** And when it has been attacked before: what it keeps is full by then, so that more of the same finds next to nothing. */
const HEAP_GROWTH_AGAIN = 48 * 1_048_576;
/** What all of the process may have grown by: V8 and allocators give memory back late, or never. */
const RSS_GROWTH = 600 * 1_048_576;

/** What is not as it was before an attack; `isAgain` when there was one before. */
export function inventoryProblems(before: Inventory, after: Inventory, isAgain = false): string[] {
  const problems: string[] = [];
  if (after.sockets > 0) problems.push(`${after.sockets} connections are still open`);
  if (after.streams > 0) problems.push(`${after.streams} streams are still open`);
  const grown = after.heapUsed - after.kept - (before.heapUsed - before.kept);
  if (grown > (isAgain ? HEAP_GROWTH_AGAIN : HEAP_GROWTH))
    problems.push(`the heap has grown by ${Math.round(grown / 1_048_576)} MB`);
  const more = after.rss - before.rss;
  if (more > RSS_GROWTH) problems.push(`the process has grown by ${Math.round(more / 1_048_576)} MB`);
  return problems;
}

/** How memory went, from one look to the next, and what is open after the last. */
export function inventoryFigures(looks: readonly Inventory[]) {
  const course = (read: (look: Inventory) => number) =>
    looks.map((look) => Math.round(read(look) / 1_048_576)).join(' -> ');
  const last = looks.at(-1);
  return {
    'heap (MB)': course(({ heapUsed, kept }) => heapUsed - kept),
    'RSS (MB)': course(({ rss }) => rss),
    'sockets left': last?.sockets ?? 0,
    'streams left': last?.streams ?? 0,
  };
}
