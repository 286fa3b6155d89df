/** From this many letters on, a name may have two mistakes, and any letter may be wrong. */
const LONG = 8;

/**
 * Is `name` likely a mistyped `meant`? Underscores, case and the prefix `SYNCLOG_` do not count; beyond that, a letter may be
 * missing, too many, or swapped with its neighbour. Short names are near to much that is something else (`POST`, `HOME`,
 * `CCACHE`), so theirs has to begin as it is meant, and no letter may be another one.
 */
export function isMisspelling(name: string, meant: string): boolean {
  const given = lettersOf(name.replace(/^SYNCLOG_/i, ''));
  const right = lettersOf(meant);
  if (given === right) return name !== meant;
  if (right.length >= LONG) return distance(given, right, 2) <= 2;
  const hasSameLetters = [...given].sort().join('') === [...right].sort().join('');
  if (given[0] !== right[0] || (given.length === right.length && !hasSameLetters)) return false;
  if (given.length > right.length && given[1] !== right[1]) return false;
  return distance(given, right, 1) <= 1;
}

function lettersOf(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
}

/** How many letters have to be put in, taken out, changed, or swapped with their neighbour; anything above `bound` is alike. */
function distance(a: string, b: string, bound: number): number {
  if (Math.abs(a.length - b.length) > bound) return bound + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const changed = a[row - 1] === b[column - 1] ? 0 : 1;
      const steps = [
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + changed,
        a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
          ? (beforeLast[column - 2] ?? bound) + 1
          : bound + 1,
      ];
      next.push(Math.min(...steps));
    }
    [beforeLast, last] = [last, next];
  }
  return last[b.length] ?? bound + 1;
}
