import type { Finding } from '../proof-command.ts';

/** A promise, what it was held against, and what was found to be otherwise. */
export interface Line {
  readonly promise: string;
  readonly figures: Readonly<Record<string, number | string>>;
  readonly wrong: readonly string[];
}

export function findingOf({ promise, figures, wrong }: Line): Finding {
  const list = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  return { isKept: wrong.length === 0, text: `${promise}: ${list.join(', ')}`, wrong };
}
