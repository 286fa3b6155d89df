import fc from 'fast-check';
import type { Random } from '../../../../src/lib/random.ts';

/** How many choices an input is made of at most. */
const CHOICES = 400;

/**
 * What `make` makes of choices. fast-check draws the choices, and finds fewer and smaller ones when an input breaks a
 * promise: where they have run out, the first of each list is taken, so that less choices make a smaller input.
 */
export function madeOf<T>(make: (random: Random) => T): fc.Arbitrary<T> {
  const choice = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  return fc.array(choice, { maxLength: CHOICES, size: 'max' }).map((choices) => {
    let next = 0;
    return make(() => (choices[next++] ?? 0) / 2 ** 32);
  });
}

/** True in a share of cases; false where choices have run out. */
export function chance(random: Random, share: number): boolean {
  return random() > 1 - share;
}
