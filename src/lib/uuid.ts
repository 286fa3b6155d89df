const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Is this a UUID as ids are written? Postgres refuses to compare a column of them with any other text. */
export function isUuid(text: string): boolean {
  return pattern.test(text);
}
