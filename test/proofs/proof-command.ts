import { parseArgs } from 'node:util';

/** How long it runs: as `npm test` does, some minutes, or as long as it takes to be sure. */
export type Form = 'short' | 'usual' | 'full';

export interface ProofOptions<Sizes> {
  /** Of the random choices. */
  readonly seed: number;
  readonly sizes: Sizes;
  /** Parts of the proofs' names; without any, all of them run. */
  readonly only?: readonly string[];
  readonly print: (line: string) => void;
  /** Told what is being proved. */
  readonly progress?: (text: string) => void;
}

/** What was found when a promise was held against what should break it. */
export interface Finding {
  readonly isKept: boolean;
  /** The promise and its figures. */
  readonly text: string;
  /** What was otherwise, a line each. */
  readonly wrong: readonly string[];
}

/** A command that holds promises: `npm run faults`, `npm run hostile`. */
export interface ProofCommand<Sizes> {
  readonly name: string;
  /** What `--help` says above and below the options. */
  readonly help: readonly [before: string, after: string];
  /** What words can name. */
  readonly proofs: readonly string[];
  readonly forms: Readonly<Record<Form, Sizes>>;
  /** Proves, and returns whether every promise is kept. */
  readonly prove: (options: ProofOptions<Sizes>) => Promise<boolean>;
}

/** Holds those promises that a run is about, one after another. */
export class Holding<Name extends string> {
  readonly #options: ProofOptions<unknown>;
  #isKept = true;
  #proved = 0;

  constructor(options: ProofOptions<unknown>) {
    this.#options = options;
  }

  /** There was something to prove, and all of it is kept. */
  get isKept(): boolean {
    return this.#isKept && this.#proved > 0;
  }

  async hold(name: Name, work: () => Promise<Finding>): Promise<void> {
    const { only = [], print, progress } = this.#options;
    if (only.length > 0 && !only.some((part) => name.includes(part))) return;
    this.#proved += 1;
    progress?.(`${name} …`);
    const begun = performance.now();
    const { isKept, text, wrong } = await work();
    this.#isKept &&= isKept;
    print(`${isKept ? 'KEPT  ' : 'BROKEN'} ${text}, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    for (const line of wrong) print(`    ${line}`);
  }
}

export const aSeed = (): number => Math.floor(Math.random() * 2 ** 31);

/** Runs a command of proofs as its command line says, and ends the process. */
export async function runProofs<Sizes>(command: ProofCommand<Sizes>): Promise<never> {
  const { name, forms, prove } = command;
  let asked: ReturnType<typeof parseCommand>;
  try {
    asked = parseCommand(command);
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : error} (see --help)\n`);
    process.exit(2);
  }
  if (!asked) {
    process.stdout.write(helpOf(command));
    process.exit(0);
  }
  const { form, only, seed } = asked;
  const { stdout } = process;
  const print = (line: string) => stdout.write(`${stdout.isTTY ? '\r\x1b[K' : ''}${line}\n`);
  const progress = (text: string) => stdout.isTTY && stdout.write(text);
  print(`${name}: --seed ${seed}, ${form} form`);
  const kept = await prove({ seed, sizes: forms[form], only, print, progress });
  print(kept ? `${name}: every promise is kept` : `${name}: NOT every promise is kept`);
  process.exit(kept ? 0 : 1);
}

/** The command line; nothing when it is help that was asked for. @throws TypeError or Error for a mistake in it. */
function parseCommand({ proofs }: Pick<ProofCommand<unknown>, 'proofs'>) {
  const { values, positionals: only } = parseArgs({
    allowPositionals: true,
    options: {
      ...{ full: { type: 'boolean' }, short: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      seed: { type: 'string' },
    },
  });
  if (values.help) return undefined;
  for (const word of only)
    if (!proofs.some((name) => name.includes(word)))
      throw new Error(`there is no proof ${word}; there are ${proofs.join(', ')}`);
  const { seed = String(aSeed()) } = values;
  if (!/^\d{1,10}$/.test(seed) || Number(seed) >= 2 ** 31) throw new Error(`--seed ${seed} is no number below 2^31`);
  const form: Form = values.full ? 'full' : values.short ? 'short' : 'usual';
  return { form, only, seed: Number(seed) };
}

function helpOf<Sizes>({ name, help: [before, after], proofs }: ProofCommand<Sizes>): string {
  return `${before}

  npm run ${name}                some minutes
  npm run ${name} -- --full      as long as it takes to be sure, half an hour and more
  npm run ${name} -- --short     as \`npm test\` runs it
  npm run ${name} -- --seed 7    the random choices of an earlier run again
  npm run ${name} -- WORD...     only proofs whose names contain a word: ${proofs.join(', ')}

${after}

Exit status: 0 every promise is kept, 1 one is not, 2 a mistake in the command line.
`;
}
