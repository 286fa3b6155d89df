import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { first, hurry, Pace } from '../../src/lib/pace.ts';
import { Turns } from '../../src/lib/turns.ts';

/** Holds the event loop for so long, as work does. */
function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('steps that take long are taken one at a time, and the event loop serves others between them', async () => {
  const pace = new Pace();
  let taken = 0;
  const steps = Array.from({ length: 20 }, async () => {
    await pace.step();
    work(6);
    taken += 1;
  });
  for (let before = taken; taken < 20; before = taken) {
    await nextTurn();
    expect(taken - before).toBeLessThanOrEqual(1);
  }
  await Promise.all(steps);
});

test('what takes little goes before the next slice, and holds it up for a while only', async () => {
  const pace = new Pace();
  let end = () => {};
  const hurried = first(new Promise<void>((resolve) => (end = resolve)));
  await pace.step();
  const begun = performance.now();
  await pace.step();
  expect(performance.now() - begun).toBeGreaterThan(5);
  end();
  await hurried;
  let turns = 0;
  const counting = nextTurn().then(() => nextTurn().then(() => (turns += 1)));
  await pace.step();
  expect(turns).toBe(0);
  await counting;
});

test('work that is to be done in time waits for so long in all, and no longer', async () => {
  const pace = new Pace(15);
  const end = hurry();
  await pace.step();
  const begun = performance.now();
  for (let step = 0; step < 100; step += 1) await pace.step();
  expect(performance.now() - begun).toBeLessThan(500);
  end();
});

test('steps that take no time are taken many at once', async () => {
  const pace = new Pace();
  let turns = 0;
  let isOver = false;
  const counting = (async () => {
    for (; !isOver; turns += 1) await nextTurn();
  })();
  await Promise.all(Array.from({ length: 10_000 }, () => pace.step()));
  isOver = true;
  await counting;
  expect(turns).toBeLessThan(1_000);
});

test('who asks in batches asks when all who wait have taken their step', async () => {
  const pace = new Pace();
  let taken = 0;
  const all = Array.from({ length: 50 }, () =>
    pace
      .step()
      .then(() => work(1))
      .then(() => (taken += 1)),
  );
  const heard = new Promise<number>((resolve) => pace.whenIdle(() => resolve(taken)));
  expect(await heard).toBe(50);
  await Promise.all(all);
});

test('tasks have their turns in the order in which they came, also after one that fails', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const task =
    (name: string, fails = false) =>
    async () => {
      seen.push(`${name} begins`);
      await nextTurn();
      seen.push(`${name} ends`);
      if (fails) throw new Error(name);
    };
  const results = await Promise.allSettled([turns.run(task('a')), turns.run(task('b', true)), turns.run(task('c'))]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});
