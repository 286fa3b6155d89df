/** The items in their order, `size` of them at a time; the last piece may be shorter. Nothing for no items. */
export function* inPieces<T>(items: readonly T[], size: number): Generator<T[], void, undefined> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
