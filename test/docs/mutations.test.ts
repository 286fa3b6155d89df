import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { areas } from '../mutations/areas.ts';
import { listFaults, plantIn } from '../mutations/fault.ts';

const root = join(import.meta.dirname, '../..');
const faults = listFaults(areas);
/** What `npm run mutate` has to plant at least. */
const fewest = 120;
/** The folders that deliver events. */
const core = ['src/log/', 'src/operations/', 'src/instances/'];

test('every fault that is planted finds its place, once, and changes it', () => {
  const lost = faults.flatMap((fault) => {
    const text = readFileSync(join(root, fault.file), 'utf8');
    try {
      return plantIn(text, fault) === text ? [`"${fault.breaks}" changes nothing`] : [];
    } catch (error) {
      return [String(error)];
    }
  });
  expect(lost).toEqual([]);
});

test('every fault names tests that there are, and no other fault is called the same', () => {
  const missing = faults.flatMap(({ tests }) => tests).filter((path) => !existsSync(join(root, path)));
  expect(missing).toEqual([]);
  expect(faults.filter(({ tests }) => tests.length === 0)).toEqual([]);
  const names = faults.map(({ breaks }) => breaks);
  expect(names.filter((name, at) => names.indexOf(name) < at)).toEqual([]);
});

test(`at least ${fewest} faults are planted, in each of the folders that deliver events`, () => {
  expect(faults.length).toBeGreaterThanOrEqual(fewest);
  for (const folder of core) expect(faults.some(({ file }) => file.startsWith(folder))).toBe(true);
});
