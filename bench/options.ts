import { parseArgs } from 'node:util';
import { type Provider, providers } from './data/databases.ts';

/** The parts of the bench, in the order in which they run. */
const partNames = ['reads', 'writes', 'streams', 'start', 'scale', 'fairness'] as const;
export type PartName = (typeof partNames)[number];

const numbers = {
  rounds: { default: 5, text: 'rounds of each workload' },
  seconds: { default: 1, text: 'length of a round in seconds, and of the time before it that is not measured' },
  users: { default: 1_000, text: 'users with 200 events each, who are read and written to' },
  subscribers: { default: 1_000, text: 'subscribers of one user, and of one user each' },
  streams: { default: 5_000, text: 'idle streams; the goal is for 25,000' },
  backlog: { default: 200_000, text: 'events that one reader catches up with' },
  followers: { default: 2_000, text: 'followers who are cut at once; the goal is for 10,000' },
  millions: { default: 2, text: 'millions of events in the large world of `scale`; the goal is for 10' },
} as const;
type NumberName = keyof typeof numbers;

export type Options = Readonly<Record<NumberName, number>> & {
  readonly parts: readonly PartName[];
  readonly providers: readonly Provider[];
};

export const help = `Measures Synclog beside what a user would pick instead: on the same data, in turns, each server alone on a core.

  npm run bench [-- WORD... --OPTION NUMBER...]

      WORD       a part (${partNames.join(', ')}) or a database (${providers.join(', ')});
                 without a part all of them run, and without a database both
${Object.entries(numbers)
  .map(([name, { default: value, text }]) => `      --${name.padEnd(13)}${text} (${value})`)
  .join('\n')}

Progress goes to stderr, and the tables in Markdown to stdout. A full run takes less than 20 minutes.`;

/** A command line that the bench does not take. */
export class UsageError extends Error {}

/** @returns undefined when help is asked for. @throws UsageError that names what could have been said instead */
export function parseOptions(args: readonly string[]): Options | undefined {
  const names = Object.keys(numbers) as NumberName[];
  const { values, positionals } = parsed(args, names);
  if (values.help) return undefined;
  const words: readonly string[] = [...partNames, ...providers];
  for (const word of positionals)
    if (!words.includes(word)) throw new UsageError(`"${word}" is none of ${words.join(', ')}`);
  const chosen = <T extends string>(all: readonly T[]): readonly T[] => {
    const named = all.filter((name) => positionals.includes(name));
    return named.length > 0 ? named : all;
  };
  return {
    ...(Object.fromEntries(names.map((name) => [name, numberOf(name, values[name])])) as Record<NumberName, number>),
    parts: chosen(partNames),
    providers: chosen(providers),
  };
}

function parsed(args: readonly string[], names: readonly NumberName[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        ...(Object.fromEntries(names.map((name) => [name, { type: 'string' }])) as Record<
          NumberName,
          { type: 'string' }
        >),
      },
    });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}

function numberOf(name: NumberName, text: string | undefined): number {
  const value = text === undefined ? numbers[name].default : Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} takes a number above 0, and not "${text}"`);
  return value;
}
