import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** A bound or a default as it looks when it is typed by hand, in a text or beside one. */
const typedBounds = [
  /\b\d+ to \d[\d,]+/, // a fraction of `0 to 1` is no bound of ours
  /\b(?:at most|up to|within|longer than|more than|every) \d[\d,]*/,
  /\b\d[\d,]+ (?:if not given|to \d|KiB|MiB|characters|seconds|minutes|deep)\b/,
  /\b(?:defaultValue|fallback|max|maximum|maxLength|maxItems): \d\d/,
];

function typedIn(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      typedBounds.some((bound) => bound.test(line)) ? [`${path}:${index + 1}: ${line.trim()}`] : [],
    );
}

describe('what the API says of its limits', () => {
  it('comes from src/limits.ts, in GraphQL and in REST', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
    const paths = files.filter((path) => /\.graphql\.ts$|^transports\/rest\/.+\.ts$/.test(path));
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.flatMap((path) => typedIn(path, readFileSync(join(root, 'src', path), 'utf8')))).toEqual([]);
  });

  it.each([
    "description: 'How many events at most, 1 to 200.',",
    "description: 'Its life, 1 to 86,400 seconds.',",
    "description: '`first` and `last` are given, 50 if not given.',",
    "description: 'Text for people, at most 4,096 characters.',",
    "description: 'A payload comes every 15 seconds.',",
    "description: 'By your clock; years 2000 to 2099.',",
    'limit: integer({ min: 1, max: pageSize, fallback: 50 })',
    'limit: t.arg.int({ required: true, defaultValue: 50 })',
  ])('is seen when it is typed by hand: %s', (line) => {
    expect(typedIn('a.graphql.ts', line)).toHaveLength(1);
  });

  it.each([
    "description: 'Fraction done, 0 to 1.',",
    "description: 'How many events at most, 1 to ' + inWords(pageSize),",
    "description: 'Answered with 200 once it is durable.',",
    "description: 'A UUID: 32 hexadecimal digits in five groups.',",
  ])('is not seen where no limit is: %s', (line) => {
    expect(typedIn('a.graphql.ts', line)).toEqual([]);
  });
});
