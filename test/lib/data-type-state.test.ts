import { expect, test } from 'vitest';
import { dataTypeReason, dataTypeState } from '../../src/data-types/data-type-state.ts';
import { statusWords } from '../../src/log/words.ts';

const row = (status: string, error: string | null = null) => ({
  status,
  state: null,
  error,
  errorCode: null,
  reason: null,
});

test('the state of a type of data follows from its status, in any case; a word that nobody knows tells nothing', () => {
  expect(
    Object.fromEntries([...statusWords, 'SUCCESS', 'brewing'].map((word) => [word, dataTypeState(row(word))])),
  ).toEqual({
    ...{ in_progress: 'syncing', success: 'complete', SUCCESS: 'complete', skipped: 'complete', partial: 'partial' },
    ...{ unfinished: 'partial', failed: 'failed', stale: 'unknown', cancelled: 'unknown', brewing: 'unknown' },
  });
});

test('only a type that has failed is one that the user has not granted', () => {
  const states = (['failed', 'partial', 'success'] as const).map((word) => dataTypeState(row(word, '403 Forbidden')));
  expect(states).toEqual(['not_granted', 'partial', 'complete']);
});

test('a type that succeeded after all has no reason, though its row still holds the error of an earlier report', () => {
  expect(dataTypeReason(row('success', '403 Forbidden'))).toBeNull();
  expect(dataTypeReason(row('skipped', '403 Forbidden'))).toBeNull();
});
