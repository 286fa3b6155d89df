import { expect, test } from 'vitest';
import { IgnoredEntries, NAMED_TYPES } from '../../src/sources/ignored-entries.ts';

test('so many types are counted by name, and all others together', () => {
  const entries = new IgnoredEntries();
  const add = (type: string, times = 1) => entries.add({ ignored: 'unknown_type', type }, times);
  for (let at = 1; at <= NAMED_TYPES; at += 1) add(`type ${at}`);
  expect(entries.kinds).toHaveLength(NAMED_TYPES);
  add('one more', 2);
  add('and another');
  add('type 1');
  entries.add({ ignored: 'deleted_user', type: 'type 1' }, 1);
  expect(entries.kinds).toHaveLength(NAMED_TYPES + 2);
  expect(entries.kinds[0]).toEqual({ ignored: 'unknown_type', type: 'type 1', count: 2 });
  expect(entries.kinds.slice(-2)).toEqual([
    { ignored: 'unknown_type', type: null, count: 3 },
    { ignored: 'deleted_user', type: null, count: 1 },
  ]);
});

test('a type is kept in a form that can be shown, and not longer than 100 characters', () => {
  const entries = new IgnoredEntries();
  for (const type of ['t'.repeat(100), 't'.repeat(101), '\0\ud800']) entries.add({ ignored: 'unknown_type', type }, 1);
  expect(entries.kinds.map(({ type, count }) => [type, count])).toEqual([
    ['t'.repeat(100), 2],
    ['\ufffd\ufffd', 1],
  ]);
});
