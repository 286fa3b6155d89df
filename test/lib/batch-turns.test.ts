import { setImmediate } from 'node:timers/promises';
import DataLoader from 'dataloader';
import { expect, onTestFinished, test, vi } from 'vitest';
import { BatchTurns, inTurns } from '../../src/lib/batch-turns.ts';

/** A loader whose batches are answered when the test says so. */
function slowLoader(maxBatchSize = 10) {
  const turns = new BatchTurns();
  const batches: { readonly keys: readonly number[]; answer: () => void }[] = [];
  const find = (keys: readonly number[]) =>
    new Promise<readonly number[]>((resolve) => batches.push({ keys, answer: () => resolve(keys) }));
  const options = { cache: false, maxBatchSize, batchScheduleFn: turns.schedule };
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

/** Answers with the double. What goes into each read, and how many reads were under way at once. */
function doubling(most: number) {
  const sizes: number[] = [];
  let underWay = 0;
  let mostUnderWay = 0;
  const ask = inTurns<number, number>(async (questions) => {
    sizes.push(questions.length);
    underWay += 1;
    mostUnderWay = Math.max(mostUnderWay, underWay);
    await setImmediate();
    underWay -= 1;
    return questions.map((each) => each * 2);
  }, most);
  return { ask, sizes, mostUnderWay: () => mostUnderWay };
}

test.each([false, true])(
  'a read holds so many questions, and no two are under way at once (one before: %s)',
  async (before) => {
    const { ask, sizes, mostUnderWay } = doubling(3);
    const first = before ? [ask(0)] : [];
    if (before) await expect.poll(() => sizes).toEqual([1]);
    const others = Array.from({ length: 7 }, (_, index) => ask(index + 1));
    expect(await Promise.all([...first, ...others])).toEqual([...(before ? [0] : []), 2, 4, 6, 8, 10, 12, 14]);
    expect(sizes).toEqual([...(before ? [1] : []), 3, 3, 1]);
    expect(mostUnderWay()).toBe(1);
  },
);

test('those who wait for longer than one read may take stay in their turns, as long as reads are answered', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { batches, loader } = slowLoader(1);
  const asked = Array.from({ length: 5 }, (_, index) => loader.load(index));
  for (let sent = 1; sent <= 5; sent += 1) {
    while (batches.length < sent) await setImmediate();
    vi.advanceTimersByTime(90);
    await setImmediate();
    expect(batches).toHaveLength(sent);
    batches[sent - 1]?.answer();
  }
  expect(await Promise.all(asked)).toEqual([0, 1, 2, 3, 4]);
});

test('what is asked while a read is under way is not told what that read has found', async () => {
  let value = 'old';
  const reads: { readonly found: string; answer: () => void }[] = [];
  const ask = inTurns<string, string>((questions) => {
    const found = value;
    return new Promise((resolve) => reads.push({ found, answer: () => resolve(questions.map(() => found)) }));
  }, 10);
  const early = ask('a');
  await expect.poll(() => reads.length).toBe(1);
  value = 'new';
  const late = ask('a');
  reads[0]?.answer();
  await expect.poll(() => reads.length).toBe(2);
  reads[1]?.answer();
  expect([await early, await late]).toEqual(['old', 'new']);
});
