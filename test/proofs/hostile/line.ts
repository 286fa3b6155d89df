/** A promise, what it was held against, and what was found to be otherwise. */
export interface Line {
  readonly promise: string;
  readonly figures: Readonly<Record<string, number | string>>;
  readonly wrong: readonly string[];
}

export function isKept({ wrong }: Line): boolean {
  return wrong.length === 0;
}

export function toText(line: Line): string {
  const list = Object.entries(line.figures).map(([name, value]) => `${name} ${value}`);
  return `${isKept(line) ? 'KEPT  ' : 'BROKEN'} ${line.promise}: ${list.join(', ')}`;
}
