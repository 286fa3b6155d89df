import { type FilledDatabase, preferMemory } from './data/databases.ts';
import { installPackages, type Progress } from './install.ts';
import { leaveServersCore } from './measure/server-process.ts';
import { help, type Options, type PartName, parseOptions, UsageError } from './options.ts';
import type { Comparison } from './report/comparison.ts';
import { header } from './report/header.ts';
import { tables } from './report/table.ts';

/** What a part works with. */
export interface Bench {
  readonly options: Options;
  readonly say: Progress;
  /** Adds the database to those that the header names. */
  uses(database: FilledDatabase): void;
}

/** Parts are loaded when they run: their packages may have been installed a moment ago. */
const parts: Readonly<Record<PartName, () => Promise<(bench: Bench) => Promise<Comparison[]>>>> = {
  reads: async () => (await import('./parts/reads.ts')).measureReads,
  writes: async () => (await import('./parts/writes.ts')).measureWrites,
  streams: async () => (await import('./parts/streams.ts')).measureStreams,
};

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (!options) {
    console.log(help);
    return;
  }
  const begun = performance.now();
  const say: Progress = (line) =>
    console.error(`${((performance.now() - begun) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
  installPackages({ native: options.providers.includes('sqlite') }, say);
  preferMemory();
  leaveServersCore();
  const databases = new Set<string>();
  const bench: Bench = { options, say, uses: ({ version }) => databases.add(version) };
  for (const name of options.parts)
    try {
      const measure = await parts[name]();
      console.log(`### ${name}\n\n${tables(await measure(bench))}\n`);
    } catch (error) {
      // What the others measure is worth having.
      console.error(error);
      process.exitCode = 1;
    }
  console.log(header([...databases]));
  say('done');
}

try {
  await main();
  process.exit();
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${help}` : error);
  process.exit(error instanceof UsageError ? 2 : 1);
}
