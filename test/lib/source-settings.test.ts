import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { neededSettings, readSettings } from '../../src/sources/source-settings.ts';

const shape = {
  FEED_URL: z.url({ error: 'must be a URL' }),
  FEED_SECRET: z.string().min(8, 'must be at least 8 characters'),
  FEED_PAGE: z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).default(100),
};

describe('the settings of a source', () => {
  test('are read once all that it needs are given, with its defaults for the others', () => {
    expect(neededSettings(shape)).toEqual(['FEED_URL', 'FEED_SECRET']);
    const given = { FEED_URL: 'https://feed.example', FEED_SECRET: 'long enough' };
    expect(readSettings(shape, { ...given, PORT: '4000' })).toEqual({
      values: { ...given, FEED_PAGE: 100 },
      problems: [],
    });
    expect(readSettings(shape, { ...given, FEED_PAGE: '7' }).values).toMatchObject({ FEED_PAGE: 7 });
  });

  test('may all be left out: the source is not set up', () => {
    expect(readSettings(shape, { PORT: '4000' })).toEqual({ problems: [] });
  });

  test('report each mistake and each that is missing beside another, without a value', () => {
    expect(readSettings(shape, { FEED_SECRET: 'hush', FEED_PAGE: 'x' })).toEqual({
      problems: [
        'FEED_SECRET must be at least 8 characters',
        'FEED_PAGE must be a whole number',
        'FEED_URL must be set when FEED_SECRET is',
      ],
    });
    expect(readSettings(shape, { FEED_PAGE: '7' }).problems).toEqual([
      'FEED_URL must be set when FEED_PAGE is',
      'FEED_SECRET must be set when FEED_PAGE is',
    ]);
  });
});
