import { preferMemory } from './data/databases.ts';
import { InstallError, installPackages, type Progress } from './install.ts';
import { buildServers } from './measure/built-servers.ts';
import { leaveServersCore } from './measure/server-process.ts';
import { help, type PartName, parseOptions, UsageError } from './options.ts';
import type { Bench, Part } from './part.ts';
import type { Comparison } from './report/comparison.ts';
import { header } from './report/header.ts';
import { tables } from './report/table.ts';

/** Parts are loaded when they run: their packages may have been installed a moment ago. */
const parts: Readonly<Record<PartName, () => Promise<Part>>> = {
  reads: async () => (await import('./parts/reads.ts')).measureReads,
  writes: async () => (await import('./parts/writes.ts')).measureWrites,
  streams: async () => (await import('./parts/streams.ts')).measureStreams,
  start: async () => (await import('./parts/start.ts')).measureStart,
  scale: async () => (await import('./parts/scale.ts')).measureScale,
  fairness: async () => (await import('./parts/fairness.ts')).measureFairness,
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
  await buildServers(say);
  preferMemory();
  leaveServersCore();
  const databases = new Set<string>();
  const bench: Bench = { options, say, uses: ({ version }) => databases.add(version) };
  for (const name of options.parts)
    try {
      const measure = await parts[name]();
      const found: Comparison[] = [];
      for (const provider of options.providers) found.push(...(await measure(provider, bench)));
      console.log(`### ${name}\n\n${tables(found)}\n`);
    } catch (error) {
      // What the others measure is worth having.
      console.error(error);
      process.exitCode = 1;
    }
  console.log(header([...databases]));
  say('done');
}

// Servers end with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

try {
  await main();
  process.exit();
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${help}`);
  else console.error(error instanceof InstallError ? error.message : error);
  process.exit(error instanceof UsageError ? 2 : 1);
}
