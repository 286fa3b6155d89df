/**
 * A text as it is searched: what people take for the same is the same. Neither case nor the form of a letter counts: upper
 * and lower case of every script, `ß` as `ss`, `İ` and `ı` as `i`, `ς` as `σ`, accents composed or not, full-width letters,
 * ligatures, and blanks of any kind and number. Accents do count. Databases have rules of their own for each of these.
 */
export function foldText(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase() // first, as only the lower case of ẞ has an upper case that is SS
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll('ς', 'σ')
    .replaceAll('i\u0307', 'i')
    .replaceAll(/[\s\p{Cc}]+/gu, ' ');
}
