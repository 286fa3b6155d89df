import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/threat-model.md'), 'utf8');
/** The last column of the table of what is tried. */
const triedBy = [...page.matchAll(/^\| [^|]+ \| [^|]+ \| [^|]+ \| ([^|]*`test\/[^|]+) \|$/gm)].map(
  ([, cell = '']) => cell,
);

describe('the threat model', () => {
  test('names tests for everything that is tried, and they exist', () => {
    expect(triedBy).toHaveLength(page.split('\n').filter((line) => /^\|.*\|.*\|.*\|.*\|$/.test(line)).length - 2);
    expect(triedBy.length).toBeGreaterThan(20);
    for (const cell of triedBy)
      for (const [, path = ''] of cell.matchAll(/`([^`]+)`/g)) expect(existsSync(join(root, path)), path).toBe(true);
  });

  test('names settings and files as they are', () => {
    for (const [, path = ''] of page.matchAll(/`(src\/[^`]+)`/g)) expect(existsSync(join(root, path)), path).toBe(true);
    for (const [, path = ''] of page.matchAll(/\]\(([^)]+)\)/g))
      expect(existsSync(join(root, 'docs', path)), path).toBe(true);
    const settings = readFileSync(join(root, 'src/settings/settings.ts'), 'utf8');
    for (const [, name = ''] of page.matchAll(/`([A-Z]+_[A-Z_]+)`/g))
      if (name !== 'SLOW_CONSUMER') expect(settings, name).toContain(`${name}:`);
  });
});
