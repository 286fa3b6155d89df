/** An array as Postgres reads it. @param toElement NULL, or the text of an element, quoted if it may hold anything */
export function arrayOf<T>(values: readonly T[], toElement: (value: T) => string): string {
  let text = '{';
  for (const value of values) {
    if (text.length > 1) text += ',';
    text += toElement(value);
  }
  return `${text}}`;
}

/** Any text as an element of an array. */
export function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`;
}
