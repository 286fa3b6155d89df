import { parseArgs } from 'node:util';
import { prove } from './prove.ts';
import { type Form, forms } from './sizes.ts';

/** `npm run faults [-- --short | --full] [promise…]`. `FAULTS_SEED` repeats the random choices of an earlier run. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { full: { type: 'boolean' }, short: { type: 'boolean' } },
  });
  const form: Form = values.full ? 'full' : values.short ? 'short' : 'usual';
  const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const print = (line: string) => process.stdout.write(`${line}\n`);
  print(`faults: FAULTS_SEED=${seed}, ${form} form`);
  const kept = await prove({ seed, sizes: forms[form], only: positionals, print });
  print(kept ? 'faults: every promise is kept' : 'faults: NOT every promise is kept');
  process.exit(kept ? 0 : 1);
}

await main();
