const hyphenated = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const anyForm = new RegExp(`^(?:[0-9a-f]{32}|${hyphenated}|\\{${hyphenated}\\}|urn:uuid:${hyphenated})$`, 'i');
const groupLengths = [8, 4, 4, 4, 12];

/**
 * The canonical form of a UUID in one of the forms that Open Wearables takes: with or without hyphens, in `{…}`, behind
 * `urn:uuid:`, in any case. Undefined for anything else.
 */
export function parseUuid(text: string): string | undefined {
  if (!anyForm.test(text)) return undefined;
  return text
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/[{}-]/g, '')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Why a text is no UUID, in the words of the Rust crate that Open Wearables' validator uses. */
export function whyNotUuid(text: string): string {
  const [, prefix, inner] = /^(\{)(.*)\}$/s.exec(text) ?? /^(urn:uuid:)(.*)$/s.exec(text) ?? [text, '', text];
  const odd = /[^0-9a-f-]/iu.exec(inner ?? '');
  if (odd) return `invalid character: found \`${odd[0]}\` at ${(prefix?.length ?? 0) + odd.index + 1}`;
  const groups = (inner ?? '').split('-');
  if (groups.length === 1 && prefix === '')
    return `invalid length: expected length 32 for simple format, found ${text.length}`;
  if (groups.length !== groupLengths.length) return `invalid group count: expected 5, found ${groups.length}`;
  const group = groups.findIndex(({ length }, index) => length !== groupLengths[index]);
  return `invalid group length in group ${group}: expected ${groupLengths[group]}, found ${groups[group]?.length}`;
}
