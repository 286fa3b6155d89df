import { expect, test } from 'vitest';
import { aSeed } from '../proof-command.ts';
import { prove } from './prove.ts';
import { forms } from './sizes.ts';

const seed = aSeed();

test('what is promised is kept under attack (`npm run hostile` is the long form)', async () => {
  const lines = [`hostile: --seed ${seed}, short form`];
  const kept = await prove({ seed, sizes: forms.short, print: (line) => lines.push(line) });
  process.stdout.write(`${lines.join('\n')}\n`);
  expect(kept, lines.join('\n')).toBe(true);
}, 600_000);
