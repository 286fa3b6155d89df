/** A URL whose scheme is in lower case, as not every client of such URLs reads it in any case. */
export function withLowerScheme(url: string): string {
  return url.replace(/^[a-z]+:/i, (scheme) => scheme.toLowerCase());
}
