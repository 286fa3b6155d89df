import { expect, test } from 'vitest';
import { Opened } from '../../src/lib/opened.ts';

test('what was opened is closed once, the last first, each when the one before is closed, whatever fails', async () => {
  const opened = new Opened();
  const closed: string[] = [];
  const add = (name: string, fails = false) =>
    opened.add({
      async close() {
        await new Promise(setImmediate);
        closed.push(name);
        if (fails) throw new Error(`${name} does not close`);
      },
    });
  add('database', true);
  opened.add({ close: () => closed.push('clock') });
  add('log', true);
  add('retention');
  await expect(opened.close()).rejects.toThrow('log does not close');
  expect(closed).toEqual(['retention', 'log', 'clock', 'database']);
  await opened.close();
  expect(closed).toHaveLength(4);
});
