import { parseArgs } from 'node:util';
import { proofs, prove } from './prove.ts';
import { type Form, forms } from './sizes.ts';

const help = `Attacks a real server as hostile clients do, and prints one line for each promise, with its figures.

  npm run hostile                      some minutes
  npm run hostile -- --full            ten times as many generated inputs
  npm run hostile -- --short           as \`npm test\` runs it
  npm run hostile -- --only inputs     only promises whose names contain a word: ${proofs.join(', ')}
  npm run hostile -- --seed 7          the choices of an earlier run again

What breaks a promise is printed as a command of curl, or as JSON, made as small as it can be.

Exit status: 0 every promise is kept, 1 one is not, 2 a mistake in the command line.`;

interface Command {
  readonly form: Form;
  readonly only: readonly string[];
  readonly seed: number;
}

/** The command line; nothing when it is help that was asked for. @throws TypeError or Error for a mistake in it. */
function parseCommand(): Command | undefined {
  const { values } = parseArgs({
    options: {
      ...{ full: { type: 'boolean' }, short: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      ...{ only: { type: 'string', multiple: true }, seed: { type: 'string' } },
    },
  });
  if (values.help) return undefined;
  const { only = [], seed = String(Math.floor(Math.random() * 2 ** 31)) } = values;
  for (const word of only)
    if (!proofs.some((name) => name.includes(word)))
      throw new Error(`there is no promise ${word}; there are ${proofs.join(', ')}`);
  if (!/^\d{1,10}$/.test(seed) || Number(seed) >= 2 ** 31) throw new Error(`--seed ${seed} is no number below 2^31`);
  return { form: values.full ? 'full' : values.short ? 'short' : 'usual', only, seed: Number(seed) };
}

async function main({ form, only, seed }: Command): Promise<number> {
  const { stdout } = process;
  const print = (line: string) => stdout.write(`${stdout.isTTY ? '\r\x1b[K' : ''}${line}\n`);
  const progress = (text: string) => stdout.isTTY && stdout.write(text);
  print(`hostile: --seed ${seed}, ${form} form`);
  const kept = await prove({ seed, sizes: forms[form], only, print, progress });
  print(kept ? 'hostile: every promise is kept' : 'hostile: NOT every promise is kept');
  return kept ? 0 : 1;
}

let command: ReturnType<typeof parseCommand>;
try {
  command = parseCommand();
} catch (error) {
  process.stderr.write(`hostile: ${error instanceof Error ? error.message : error} (see --help)\n`);
  process.exit(2);
}
if (command) process.exit(await main(command));
process.stdout.write(`${help}\n`);
