import type { Page } from './page.ts';

/** A part of a page that is read at once: as far as one item, which belongs to it. */
export type Piece<Key, P extends Page<Key>> = P & {
  /** The last item to look at, in the direction of the walk; as far as the page itself goes if not given. */
  readonly upTo?: Key | undefined;
};

interface Walk<Key, P extends Page<Key>, Item> {
  /** For each page the last item that its next piece looks at; nothing where the piece reaches the end of the page. */
  readonly findEnds: (pages: readonly P[]) => Promise<readonly (Key | undefined)[]>;
  /** The matching items of each piece, in list order and at most `limit`: the first ones, or with `fromEnd` the last. */
  readonly read: (pieces: readonly Piece<Key, P>[]) => Promise<readonly (readonly Item[])[]>;
}

/**
 * Pages of lists of which no index leads to the items that match: they are looked for in pieces of a bounded size, from
 * where each page begins until it is full, so that no statement grows with the list. All pages take their steps
 * together. What changes between two steps may be seen in one piece and not in another.
 */
export async function walkPages<Key, P extends Page<Key>, Item>(
  pages: readonly P[],
  { findEnds, read }: Walk<Key, P, Item>,
): Promise<readonly (readonly Item[])[]> {
  const answers: Item[][] = pages.map(() => []);
  let left = pages.map((page, index) => ({ page, index }));
  while (left.length > 0) {
    const ends = await findEnds(left.map(({ page }) => page));
    const found = await read(left.map(({ page }, at) => ({ ...page, upTo: ends[at] })));
    left = left.flatMap(({ page, index }, at) => {
      const items = found[at] ?? [];
      answers[index]?.[page.fromEnd ? 'unshift' : 'push'](...items);
      const end = ends[at];
      const limit = page.limit - items.length;
      if (end === undefined || limit <= 0) return [];
      return [{ index, page: { ...page, limit, [page.fromEnd ? 'before' : 'after']: end } }];
    });
  }
  return answers;
}
