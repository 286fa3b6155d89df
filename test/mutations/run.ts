import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { mulberry32 } from '../support/seeded.ts';
import { areas } from './areas.ts';
import { plantAll, type Verdict } from './campaign.ts';
import { type ListedFault, listFaults } from './fault.ts';

const help = `Plants the faults of test/mutations/ in copies of the product, one at a time, and runs the tests that ought to notice.

  npm run mutate                            all of them: half an hour on two cores
  npm run mutate -- --sample 10 [--seed S]  some, drawn at random; the seed that is printed draws the same ones again
  npm run mutate -- --area follow           those of one area: ${areas.map(({ name }) => name).join(', ')}
  npm run mutate -- --only heartbeat        those of whose description or file this is a part
  npm run mutate -- --list                  only says what there is

  --workers N     copies that are tested at once; 2 if not given, and there are as many cores
  --unprobed      does not run the tests without a fault first, for when they have just passed

Exit status: 0 every fault was caught, 1 one survived or is none, 2 a mistake in the command line, 130 interrupted.`;

interface Command {
  readonly faults: readonly ListedFault[];
  readonly workers: number;
  readonly isProbed: boolean;
  readonly isList: boolean;
  /** What the sample was drawn by. */
  readonly seed: number | undefined;
}

/** The command line; nothing when it is help that was asked for. @throws TypeError or Error for a mistake in it. */
function parseCommand(): Command | undefined {
  const { values } = parseArgs({
    options: {
      ...{ sample: { type: 'string' }, seed: { type: 'string' }, area: { type: 'string' }, only: { type: 'string' } },
      ...{ workers: { type: 'string' }, unprobed: { type: 'boolean' }, list: { type: 'boolean' } },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  if (values.area !== undefined && !areas.some(({ name }) => name === values.area))
    throw new Error(`there is no area ${values.area}; there are ${areas.map(({ name }) => name).join(', ')}`);
  const meant = listFaults(areas)
    .filter(({ area }) => values.area === undefined || area === values.area)
    .filter(({ breaks, file }) => `${breaks}\n${file}`.includes(values.only ?? ''));
  if (meant.length === 0) throw new Error(`there is no fault about ${values.only}`);
  const sample = values.sample === undefined ? undefined : numberOf('sample', values.sample);
  const seed = sample === undefined ? undefined : numberOf('seed', values.seed ?? `${Date.now() % 2 ** 31}`);
  return {
    faults: sample === undefined || seed === undefined ? meant : draw(meant, sample, seed),
    workers: numberOf('workers', values.workers ?? `${Math.min(2, availableParallelism())}`),
    isProbed: !values.unprobed,
    isList: values.list ?? false,
    seed,
  };
}

function numberOf(option: string, text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new Error(`--${option} takes a whole number from 1, not ${text}`);
  return Number(text);
}

function draw(faults: readonly ListedFault[], count: number, seed: number): ListedFault[] {
  const random = mulberry32(seed);
  const ranked = faults.map((fault) => ({ fault, rank: random() })).sort((a, b) => a.rank - b.rank);
  return ranked.slice(0, count).map(({ fault }) => fault);
}

async function main({ faults, workers, isProbed, isList, seed }: Command): Promise<number> {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  say(`mutate: ${faults.length} faults${seed === undefined ? '' : `, --seed ${seed}`}`);
  if (isList) {
    for (const { area, breaks, file } of faults) say(`${area.padEnd(10)} ${breaks} (${file})`);
    return 0;
  }
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const begun = performance.now();
  const verdicts: Verdict[] = [];
  const onVerdict = (verdict: Verdict) => {
    verdicts.push(verdict);
    say(toLine(verdict, `${verdicts.length}/${faults.length}`));
  };
  await plantAll({ faults, workers, isProbed, signal: stop.signal, onVerdict, say });
  if (stop.signal.aborted) return 130;
  for (const line of toTable(verdicts)) say(line);
  const open = verdicts.filter(({ kind }) => kind !== 'caught');
  for (const verdict of open) say(toLine(verdict, '!'));
  say(`mutate: ${verdicts.length - open.length} of ${verdicts.length} caught, ${secondsSince(begun)} s`);
  return open.length === 0 ? 0 : 1;
}

function secondsSince(begun: number): string {
  return ((performance.now() - begun) / 1000).toFixed(0);
}

function toLine({ fault, kind, by, seconds }: Verdict, place: string): string {
  const { area, breaks, file } = fault;
  return `${place} ${kind.toUpperCase()} ${area}: ${breaks} (${file}), ${seconds.toFixed(1)} s\n      by ${by}`;
}

function toTable(verdicts: readonly Verdict[]): string[] {
  const names = [...new Set(verdicts.map(({ fault }) => fault.area))];
  const rows = [...names, 'all'].map((name) => {
    const own = verdicts.filter(({ fault }) => name === 'all' || fault.area === name);
    const count = (kind: Verdict['kind']) => own.filter((verdict) => verdict.kind === kind).length;
    const percent = ((100 * count('caught')) / own.length).toFixed(1);
    return [name, own.length, count('caught'), count('survived'), count('invalid'), percent];
  });
  return [['area', 'planted', 'caught', 'survived', 'invalid', '%'], ...rows].map((row) =>
    row.map((cell, at) => (at === 0 ? `${cell}`.padEnd(12) : `${cell}`.padStart(9))).join(''),
  );
}

let command: Command | undefined;
try {
  command = parseCommand();
} catch (error) {
  process.stderr.write(`mutate: ${error instanceof Error ? error.message : error} (see --help)\n`);
  process.exit(2);
}
if (command)
  try {
    process.exitCode = await main(command);
  } catch (error) {
    process.stderr.write(`mutate: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
else process.stdout.write(`${help}\n`);
