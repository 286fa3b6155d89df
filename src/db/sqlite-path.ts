/**
 * The path that a `file:` URL names, percent-decoded, without host and parameters. A relative one is relative to the folder
 * of the process. @throws URIError for a `%` that encodes nothing
 */
export function sqlitePath(url: string): string {
  return decodeURIComponent(url.replace(/^file:(?:\/\/[^/?#]*)?/i, '').replace(/[?#].*$/s, ''));
}

/** The URL of a path, which every reader of such URLs reads alike. */
export function sqliteUrl(path: string): string {
  return `file:${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** What is wrong with a `file:` URL, as a sentence's end; undefined where nothing is. A file is not looked for. */
export function problemOfSqliteUrl(url: string): string | undefined {
  const [, host, rest = ''] = /^file:(?:\/\/([^/?#]*))?(.*)$/is.exec(url) ?? [];
  if (host !== undefined && !['', 'localhost'].includes(host.toLowerCase()))
    return `names a host, "${host}"; a path begins with one slash or three, as in file:/data/synclog.db`;
  if (rest.includes('?')) return 'has parameters, of which there are none; write a ? that belongs to the name as %3F';
  if (rest.includes('#')) return 'has a #; write one that belongs to the name as %23';
  let path: string;
  try {
    path = decodeURIComponent(rest);
  } catch {
    return 'has a % that encodes nothing; write one that belongs to the name as %25';
  }
  if (/^:memory:$/i.test(path)) return 'names memory, of which nothing would stay; it must name a file';
  if (/^\/?[a-z]:([\\/]|$)/i.test(path) || path.includes('\\'))
    return 'is a path of Windows; write one with slashes and without a drive, as in file:./data/synclog.db';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'has a line break or another control character in it';
  if (path.startsWith('~')) return "begins with ~, which is a shell's word; write the whole path";
  if (/^\$|\$\{/.test(path)) return 'has a $ of a shell in it, which nothing replaces; write the whole path';
  if (/(^|\/)\.{0,2}$/.test(path)) return 'names a folder; it must name a file, as in file:./data/synclog.db';
  return undefined;
}
