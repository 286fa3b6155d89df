import { parseArgs } from 'node:util';
import { proofs, prove } from './prove.ts';
import { type Form, forms } from './sizes.ts';

const help = `Holds the promises of docs/guarantees.md that have a proof against real faults, and prints one line for each proof.

  npm run faults                       some minutes
  npm run faults -- --full             half an hour and more
  npm run faults -- --short            as \`npm test\` runs it
  npm run faults -- --short listeners  only proofs whose names contain a word: ${proofs.join(', ')}

FAULTS_SEED repeats the random choices of an earlier run. "seen" counts what followers were shown, several of them for each
log and some with filters; "sessions" how often they subscribed; "cuts" connections that the network cut on top.

Exit status: 0 every promise is kept, 1 one is not, 2 a mistake in the command line.`;

/** The command line; nothing when it is help that was asked for. @throws TypeError or Error for a mistake in it. */
function parseCommand(): { form: Form; only: readonly string[] } | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { full: { type: 'boolean' }, short: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return undefined;
  for (const word of positionals)
    if (!proofs.some((name) => name.includes(word)))
      throw new Error(`there is no proof ${word}; there are ${proofs.join(', ')}`);
  return { form: values.full ? 'full' : values.short ? 'short' : 'usual', only: positionals };
}

async function main({ form, only }: { form: Form; only: readonly string[] }): Promise<number> {
  const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const { stdout } = process;
  const print = (line: string) => stdout.write(`${stdout.isTTY ? '\r\x1b[K' : ''}${line}\n`);
  const progress = (text: string) => stdout.isTTY && stdout.write(text);
  print(`faults: FAULTS_SEED=${seed}, ${form} form`);
  const kept = await prove({ seed, sizes: forms[form], only, print, progress });
  print(kept ? 'faults: every promise is kept' : 'faults: NOT every promise is kept');
  return kept ? 0 : 1;
}

let command: ReturnType<typeof parseCommand>;
try {
  command = parseCommand();
} catch (error) {
  process.stderr.write(`faults: ${error instanceof Error ? error.message : error} (see --help)\n`);
  process.exit(2);
}
if (command) process.exit(await main(command));
process.stdout.write(`${help}\n`);
