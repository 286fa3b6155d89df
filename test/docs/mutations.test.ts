import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { areas } from '../mutations/areas.ts';
import { listFaults, plantIn } from '../mutations/fault.ts';
import { planted } from '../simulation/planted.ts';

const root = join(import.meta.dirname, '../..');
const faults = listFaults(areas);
/** What `npm run mutate` has to plant at least in the folders that deliver events. */
const fewest = 150;
const core = ['src/log/', 'src/operations/', 'src/instances/'];

test('every fault that is planted finds its place, once, and changes it', () => {
  const lost = [...faults, ...planted].flatMap((fault) => {
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

test(`at least ${fewest} faults are planted in what delivers events, and some in each folder of it`, () => {
  const ofCore = faults.filter(({ file }) => core.some((folder) => file.startsWith(folder)));
  expect(ofCore.length).toBeGreaterThanOrEqual(fewest);
  for (const folder of core) expect(ofCore.filter(({ file }) => file.startsWith(folder)).length).toBeGreaterThan(10);
});
