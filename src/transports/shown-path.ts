/** So much of a path is looked at and shown. */
const SHOWN_LENGTH = 200;

/** How often a path may be percent-encoded: one that is so oftener is not shown. */
const MOST_ENCODED = 4;

/** What stands behind a name of a secret, as `name=value`. */
const namedSecrets = /([\w-]*(?:token|key|secret|password|signature|authorization)\s*[=:])[^&;]*/gi;

/** A key or a token by how it begins, to the end of its part of the path. */
const knownSecrets = /(sk-|whsec_|eyJ)[^/]*/g;

/** A path as it is logged. A key or a token that got into it stays out, however it and its name are percent-encoded. */
export function shownPath(path: string): string {
  const raw = path.slice(0, SHOWN_LENGTH);
  let decoded = raw;
  for (let times = 0; /%[\da-f]{2}/i.test(decoded); times += 1) {
    if (times === MOST_ENCODED) return '…';
    decoded = decoded.replaceAll(/%[\da-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  }
  const masked = decoded.replaceAll(namedSecrets, '$1…').replaceAll(knownSecrets, '$1…');
  return masked === decoded ? raw : masked.replaceAll(/[^\x21-\x7e…]/g, '?');
}
