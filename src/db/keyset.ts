/** What a row is compared by; all in the same direction. */
type KeyValue = string | number | Date;

/**
 * Prisma's condition for rows that stand beyond `key` in an order over several fields, such as
 * `lastEventAt desc, userId desc, runId desc`. Such a page is found by its key, so it neither skips nor repeats a row
 * when others come and go. The leading bound is implied by the rest; it lets the database enter its index at the key.
 */
export function beyond(
  key: readonly (readonly [field: string, value: KeyValue])[],
  direction: 'asc' | 'desc',
): Record<string, unknown> {
  const operator = direction === 'asc' ? 'gt' : 'lt';
  const alternatives = key.map(([field, value], index) => ({
    ...Object.fromEntries(key.slice(0, index)),
    [field]: { [operator]: value },
  }));
  const leading = key.slice(0, 1).map(([field, value]) => [field, { [`${operator}e`]: value }]);
  return { ...Object.fromEntries(leading), OR: alternatives };
}
