import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const json = (path: string) => JSON.parse(read(path));

/** Where Prisma and Vite run: older versions of these lines cannot `require` what they are made of. */
const range = '^20.19 || ^22.12 || >=24';

test('one range of Node.js holds everywhere, and npm refuses any other version before it does anything', () => {
  for (const file of ['package.json', 'bench/package.json']) expect(json(file).engines.node, file).toBe(range);
  for (const file of ['package-lock.json', 'bench/package-lock.json'])
    expect(json(file).packages[''].engines.node, file).toBe(range);
  expect(read('.npmrc').split('\n')).toContain('engine-strict=true');
  const inWords = /20 from 20\.19, 22 from 22\.12, or 24 and newer/;
  for (const page of ['README.md', 'CONTRIBUTING.md']) expect(read(page)).toMatch(inWords);
});

test('installing tells nobody of it', () => {
  expect(json('package.json').scarfSettings.enabled).toBe(false);
});
