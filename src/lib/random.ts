/** A source of numbers from 0 (included) to 1 (excluded): `Math.random`, or a seeded one where a test must repeat. */
export type Random = () => number;

/** A whole number, both ends included. */
export function between(random: Random, lowest: number, highest: number): number {
  return lowest + Math.floor(random() * (highest - lowest + 1));
}

export function pick<T>(random: Random, list: readonly [T, ...T[]]): T {
  return list[between(random, 0, list.length - 1)] ?? list[0];
}

/** A copy in random order (Fisher-Yates). */
export function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const copy = [...list];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const [taken] = copy.splice(between(random, 0, last), 1);
    if (taken !== undefined) copy.push(taken);
  }
  return copy;
}

/** Lower-case hexadecimal digits; `digits` is a multiple of 8. */
export function hex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits) {
    text += between(random, 0, 2 ** 32 - 1)
      .toString(16)
      .padStart(8, '0');
  }
  return text;
}

/** A version 4 UUID. */
export function uuid(random: Random): string {
  const digits = hex(random, 32);
  const variant = pick(random, ['8', '9', 'a', 'b']);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `4${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20),
  ].join('-');
}
