import { badInput } from '../errors.ts';
import type { Page } from '../lib/page.ts';

/** The four arguments of every Relay connection. */
export interface PageArgs {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

/** How an item's place in its list becomes a cursor, and back. */
export interface CursorCodec<Key> {
  encode(key: Key): string;
  /** @returns nothing for a text that is no cursor of this list. */
  decode(cursor: string): Key | undefined;
}

/**
 * Reads connection arguments. `first` and `last` exclude each other (the Relay specification discourages both at once).
 * @throws AppError BAD_USER_INPUT that names the argument.
 */
export function parsePage<Key>(
  args: PageArgs,
  codec: CursorCodec<Key>,
  { size, maxSize }: { readonly size: number; readonly maxSize: number },
): Page<Key> {
  if (args.first != null && args.last != null) throw badInput('first and last exclude each other', ['first']);
  const decode = (name: 'after' | 'before') => {
    const cursor = args[name];
    if (cursor == null) return undefined;
    const key = codec.decode(cursor);
    if (key === undefined) throw badInput(`${name}: this is not a cursor of this list`, [name]);
    return key;
  };
  const fromEnd = args.last != null;
  // With 0 only `pageInfo` is asked for.
  const limit = parseLimit(fromEnd ? 'last' : 'first', args.last ?? args.first ?? size, maxSize, 0);
  return { limit, fromEnd, after: decode('after'), before: decode('before') };
}

/** @throws AppError BAD_USER_INPUT for a number of items outside of `min` to `max`. */
export function parseLimit(name: string, limit: number, max: number, min = 1): number {
  if (limit < min || limit > max) throw badInput(`${name} must be from ${min} to ${max}, it is ${limit}`, [name]);
  return limit;
}

/** How many items a list has in all. */
export interface Counted {
  /** Null where the page does not tell. */
  readonly totalCount: number | null;
  /** Finds it where the page does not tell, if anything does. */
  readonly count?: () => Promise<number | null>;
}

/** A Relay connection of items that are all there. */
function toConnection<Item>(
  items: readonly Item[],
  cursorOf: (item: Item) => string,
  { totalCount, ...more }: { hasPreviousPage: boolean; hasNextPage: boolean; totalCount: number | null },
) {
  const edges = items.map((node) => ({ node, cursor: cursorOf(node) }));
  return {
    edges,
    totalCount,
    pageInfo: { ...more, startCursor: edges[0]?.cursor ?? null, endCursor: edges.at(-1)?.cursor ?? null },
  };
}

/**
 * A connection over a list of which `fetch` reads one item more than asked for, so that it shows whether there are
 * more. Where there are none, and no cursor bounds the page, it is all of the list, and tells how many items that has. What lies on the other side of a cursor is not looked up: the cursor itself came from there.
 */
export async function fetchConnection<Item, Key>(
  page: Page<Key>,
  cursorOf: (item: Item) => string,
  fetch: (page: Page<Key>) => Promise<readonly Item[]>,
) {
  const { limit, fromEnd, after, before } = page;
  const found = await fetch({ ...page, limit: limit + 1 });
  const more = found.length > limit;
  const items = fromEnd ? found.slice(Math.max(0, found.length - limit)) : found.slice(0, limit);
  return toConnection(items, cursorOf, {
    hasPreviousPage: fromEnd ? more : after !== undefined,
    hasNextPage: fromEnd ? before !== undefined : more,
    totalCount: more || after !== undefined || before !== undefined ? null : items.length,
  });
}

/**
 * Cursors that hold a list item's sort key: opaque to clients, but nothing secret. `parse` turns the decoded JSON into
 * a key, or into nothing if it is none. Only what `encode` itself would write is a cursor: not one of another list
 * that happens to begin alike.
 */
export function keyCursor<Key>(
  toJson: (key: Key) => unknown[],
  parse: (json: unknown[]) => Key | undefined,
): CursorCodec<Key> {
  const encode = (key: Key) => Buffer.from(JSON.stringify(toJson(key))).toString('base64url');
  return {
    encode,
    decode(cursor) {
      try {
        const json: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
        const key = Array.isArray(json) ? parse(json) : undefined;
        return key !== undefined && encode(key) === cursor ? key : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** The last millisecond whose year has four digits: databases write what comes later each in its own way. */
const LAST_TIME = Date.UTC(10_000, 0) - 1;

/** Is this part of a key cursor a time that a database can hold? Milliseconds since 1970. */
export function isKeyTime(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= LAST_TIME;
}
