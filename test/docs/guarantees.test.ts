import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describe, expect, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const page = read('docs/guarantees.md');
const proofsOf = (folder: string) =>
  [...read(`test/proofs/${folder}/prove.ts`).matchAll(/hold\('([a-z-]+)'/g)].map(([, name = '']) => name);
const proofs = new Set([...proofsOf('faults'), ...proofsOf('hostile')]);
/** The last column of the table of promises: tests and names of proofs. */
const provedBy = [...page.matchAll(/^\| \*\*.*\| ([^|]+) \|$/gm)].map(([, cell = '']) => cell);

describe('the page of promises', () => {
  test('names a test or a proof for each, and they exist', () => {
    expect(provedBy.length).toBeGreaterThan(10);
    for (const cell of provedBy) {
      const names = [...cell.matchAll(/`([a-z-]+|test\/[^`]+)`/g)].map(([, name = '']) => name);
      if (cell !== 'every proof: recorders repeat whatever had no answer') expect(names, cell).not.toEqual([]);
      for (const name of names) expect(proofs.has(name) || existsSync(join(root, name)), name).toBe(true);
    }
  });

  test('leaves out no proof', () => {
    const named = new Set(provedBy.flatMap((cell) => [...cell.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name)));
    expect([...proofs].filter((name) => !named.has(name))).toEqual([]);
  });

  test.each([
    ['faults', 4],
    ['hostile', 2],
  ])('shows commands that `npm run %s` takes', (name, count) => {
    const commands = [...page.matchAll(new RegExp(`^npm run ${name}(?: -- ([^#\\n]*?))? +#`, 'gm'))];
    expect(commands).toHaveLength(count);
    for (const [, rest = ''] of commands) {
      const args = rest.split(' ').filter(Boolean);
      const options = { full: { type: 'boolean' }, short: { type: 'boolean' }, seed: { type: 'string' } } as const;
      for (const word of parseArgs({ args, options, allowPositionals: true }).positionals)
        expect(proofsOf(name)).toContain(word);
    }
  });

  test('has the numbers of the limits', () => {
    const { slowConsumerMs, slowPollMs, retainedEvents, retentionBatch, credentialPollMs } = defaultLimits;
    expect(page).toContain(`takes nothing for ${slowConsumerMs / 1000} s`);
    expect(page).toContain(`newest ${retainedEvents} events of a user, in batches of ${retentionBatch}`);
    expect([slowPollMs, credentialPollMs]).toEqual([5_000, 10_000]);
  });
});
