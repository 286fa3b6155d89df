/**
 * The path that a `file:` URL names, read as `@libsql/client` reads it: percent-encoded, and with neither host nor
 * parameters. @throws URIError for a `%` that encodes nothing
 */
export function sqlitePath(url: string): string {
  return decodeURIComponent(url.replace(/^file:(?:\/\/[^/?#]*)?/, '').replace(/[?#].*$/s, ''));
}
