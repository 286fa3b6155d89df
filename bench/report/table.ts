import type { Spread } from '../measure/statistics.ts';
import type { Comparison, Result } from './comparison.ts';

/** Tables in Markdown, with the goals beside what was reached: one for all comparisons that have the same figures. */
export function tables(comparisons: readonly Comparison[]): string {
  const byFigures = new Map<string, Comparison[]>();
  for (const comparison of comparisons) {
    const names = JSON.stringify(Object.keys(comparison.lines[0]?.figures ?? {}));
    byFigures.set(names, [...(byFigures.get(names) ?? []), comparison]);
  }
  return [...byFigures].map(([names, alike]) => table(JSON.parse(names), alike)).join('\n\n');
}

function table(figures: readonly string[], comparisons: readonly Comparison[]): string {
  const rows = comparisons.flatMap(({ id, database, title, lines, results }) => {
    const height = Math.max(lines.length, results.length);
    return Array.from({ length: height }, (_, place) => {
      const line = lines[place];
      const result = results[place];
      return [
        place === 0 ? `**${id}** ${title} (${database})` : '',
        line?.who ?? '',
        ...figures.map((name) => shown(line?.figures[name])),
        ...(result ? [result.of, reached(result), goalOf(result)] : ['', '', '']),
      ];
    });
  });
  const head = ['workload', 'who', ...figures, 'result', 'Synclog', 'goal'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function reached({ reached: { median, lowest, highest }, unit, goal }: Result): string {
  const met = goal && (goal.better === 'lower' ? median <= goal.bound : median >= goal.bound);
  const text = `**${number(median)}${unit}**${lowest === highest ? '' : ` (${number(lowest)} to ${number(highest)})`}`;
  return met === undefined ? text : `${met ? '✓' : '✗'} ${text}`;
}

function goalOf({ unit, goal }: Result): string {
  return goal ? `${goal.better === 'lower' ? '≤' : '≥'} ${goal.bound}${unit}` : '';
}

function shown(spread: Spread | undefined): string {
  if (!spread) return '';
  const { median, lowest, highest } = spread;
  return lowest === highest ? number(median) : `${number(median)} (${number(lowest)} to ${number(highest)})`;
}

/** Three digits say all that a measurement can. */
function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
}
