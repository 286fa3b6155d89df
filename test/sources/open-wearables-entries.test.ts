import { describe, expect, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { readEntry } from '../../src/sources/open-wearables/read-entry.ts';
import { wireEvent } from '../support/open-wearables-emitter.ts';

/** An entry whose JSON has these fields, written as they stand here. */
function read(fields: string) {
  const text = JSON.stringify({ ...wireEvent({}), metadata: undefined }).replace(/}$/, `,${fields}}`);
  const entry = readEntry({ text, place: 'list' }, defaultLimits);
  return 'draft' in entry ? entry.draft : entry;
}

describe('an entry of Open Wearables whose metadata cannot be kept as it is', () => {
  test.each([
    ['an integer beyond 2^53', '{"n":9007199254740993}', 'the number 9007199254740993 at metadata.n would become'],
    ['a number beyond the largest', '{"a":[{"n":-1e400}]}', 'the number -1e400 at metadata.a[0].n is too large'],
    ['a long fraction', '{"n":0.1000000000000000055511}', 'the number 0.1000000000000000055511 at metadata.n'],
    ['a key that stands twice', '{"n":1,"n":2}', 'the key metadata.n stands twice'],
  ])('keeps all but that, and says why: %s', (_, metadata, reason) => {
    expect(read(`"metadata":${metadata}`)).toMatchObject({
      provider: wireEvent({}).provider,
      metadata: { metadata_left_out: expect.stringContaining(`must be kept as it is, but ${reason}`) },
    });
  });

  test('keeps all but that where metadata itself stands twice', () => {
    expect(read('"metadata":{"a":1},"metadata":{"a":2}')).toMatchObject({
      metadata: { metadata_left_out: expect.stringContaining('the key metadata stands twice') },
    });
  });

  test('differs from the same one with another number', () => {
    expect(read('"metadata":{"n":9007199254740993}')).not.toEqual(read('"metadata":{"n":9007199254740995}'));
  });
});

test('an entry whose other fields cannot be kept as they are is unreadable, with the field and the reason', () => {
  expect(read('"message":"a","message":"b"')).toMatchObject({
    reason: 'bad_event',
    detail: 'message: the key message stands twice in its object',
  });
  expect(read('"run_id":9007199254740993')).toMatchObject({
    reason: 'bad_event',
    detail: expect.stringContaining('run_id: the key run_id stands twice'),
  });
});
