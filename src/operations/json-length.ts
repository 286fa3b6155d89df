/**
 * How many characters the JSON of a value has, about: escapes are not counted, so it may be more. Walks through what
 * graphql-js has made, which is nested no deeper than its document, and through values of scalars, which have bounds of their own.
 */
export function jsonLength(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object') return String(value).length;
  if (value === null) return 4;
  if (Array.isArray(value))
    return value.reduce<number>((sum, item) => sum + 1 + jsonLength(item), 1) + Number(value.length === 0);
  let length = 1;
  for (const name in value) length += name.length + 4 + jsonLength((value as Readonly<Record<string, unknown>>)[name]);
  return Math.max(2, length);
}
