import { describe, expect, test } from 'vitest';
import { createDocumentCache } from '../../src/operations/document-cache.ts';

describe('a document', () => {
  test('is remembered together with others up to half a million characters', () => {
    const cache = createDocumentCache<{ n: number }>();
    const text = (n: number) => `${n}`.padEnd(50_000, ' ');
    for (let n = 0; n < 10; n++) cache.set(text(n), { n });
    expect(cache.get(text(0))).toEqual({ n: 0 }); // used last, so it stays
    cache.set(text(10), { n: 10 });
    expect(Array.from({ length: 11 }, (_, n) => cache.get(text(n))?.n)).toEqual([
      0,
      undefined,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
    ]);
    cache.set('x'.repeat(500_001), { n: 11 });
    expect(cache.get('x'.repeat(500_001))).toBeUndefined();
    expect(cache.get(text(0))).toEqual({ n: 0 });
  });
});
