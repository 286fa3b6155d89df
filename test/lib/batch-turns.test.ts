import { setImmediate } from 'node:timers/promises';
import DataLoader from 'dataloader';
import { expect, test } from 'vitest';
import { BatchTurns, inTurns } from '../../src/lib/batch-turns.ts';

/** A loader whose batches are answered when the test says so. */
function slowLoader() {
  const turns = new BatchTurns();
  const batches: { readonly keys: readonly number[]; answer: () => void }[] = [];
  const find = (keys: readonly number[]) =>
    new Promise<readonly number[]>((resolve) => batches.push({ keys, answer: () => resolve(keys) }));
  const options = { cache: false, batchScheduleFn: turns.schedule };
  return { batches, loader: new DataLoader<number, number>((keys) => turns.run(() => find(keys)), options) };
}

test('what is asked while a batch is on its way goes together, with the next one', async () => {
  const { batches, loader } = slowLoader();
  const asked = [loader.load(1), loader.load(2)];
  await expect.poll(() => batches.length).toBe(1);
  asked.push(loader.load(3), loader.load(4));
  batches[0]?.answer();
  await expect
    .poll(() => batches.map(({ keys }) => keys))
    .toEqual([
      [1, 2],
      [3, 4],
    ]);
  batches[1]?.answer();
  expect(await Promise.all(asked)).toEqual([1, 2, 3, 4]);
});

test('a batch that is not answered holds up nobody for long', async () => {
  const { batches, loader } = slowLoader();
  void loader.load(1);
  await expect.poll(() => batches.length).toBe(1);
  const later = loader.load(2);
  await expect.poll(() => batches.length).toBe(2);
  batches[1]?.answer();
  expect(await later).toBe(2);
  batches[0]?.answer();
  expect(batches).toHaveLength(2);
});

test('a batch that fails lets the next one go', async () => {
  const turns = new BatchTurns();
  let isAway = true;
  const find = (keys: readonly number[]) => turns.run(async () => (isAway ? Promise.reject(new Error('away')) : keys));
  const loader = new DataLoader<number, number>(find, { cache: false, batchScheduleFn: turns.schedule });
  await expect(loader.load(1)).rejects.toThrow('away');
  isAway = false;
  expect(await loader.load(2)).toBe(2);
});

test('a batch holds so many questions and no more, and each is answered', async () => {
  const sizes: number[] = [];
  const ask = inTurns<number, number>(async (questions) => {
    sizes.push(questions.length);
    await setImmediate();
    return questions.map((each) => each * 2);
  }, 3);
  const first = ask(0);
  await expect.poll(() => sizes).toEqual([1]);
  const others = Array.from({ length: 7 }, (_, index) => ask(index + 1));
  expect(await Promise.all([first, ...others])).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
  expect(sizes).toEqual([1, 3, 3, 1]);
});
