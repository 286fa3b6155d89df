import { expect, test } from 'vitest';
import { Pace } from '../../src/lib/pace.ts';
import { between, pick } from '../../src/lib/random.ts';
import { JsonText, writeInSlices, writeJson, writeLeaf } from '../../src/operations/text/json-text.ts';
import { mulberry32 } from '../support/seeded.ts';

const random = mulberry32(20_261_129);

test('a text is written as JSON.stringify writes it, whatever is in it', () => {
  const units = [
    ...Array.from({ length: 0x180 }, (_, unit) => unit),
    0x2028,
    0x2029,
    0xd800,
    0xdbff,
    0xdc00,
    0xdfff,
    0xfeff,
  ];
  for (const unit of units) {
    const text = String.fromCharCode(unit);
    for (const each of [text, `before ${text}`, `${text} after`, text + text])
      expect(writeLeaf(each)).toBe(JSON.stringify(each));
  }
  const awkward = ['"', '\\', '\n', '\u0000', '\u007f', 'é', '🏃', '\ud83c', ' ', 'a', '~'] as const;
  for (let each = 0; each < 5_000; each += 1) {
    const text = Array.from({ length: between(random, 0, 40) }, () => pick(random, awkward)).join('');
    expect(writeLeaf(text)).toBe(JSON.stringify(text));
  }
});

test('a number is written as JSON.stringify writes it, and so is what is neither', () => {
  const numbers = [0, -0, 1, -1, 0.1 + 0.2, 1e21, 1e-7, 5e-324, Number.MAX_VALUE, 2 ** 53, Number.NaN, -Infinity];
  for (const each of [...numbers, true, false, null, {}, { a: [1, '"'] }, []])
    expect(writeLeaf(each)).toBe(JSON.stringify(each));
});

test('what graphql-js makes of a selection is written as JSON.stringify writes it, in one go and in slices', async () => {
  const made = (fields: object) => Object.assign(Object.create(null), fields);
  const event = (id: number) =>
    made({
      id,
      message: id % 2 ? 'a "b"' : null,
      metadata: { deep: [1, { x: null }] },
      left: undefined,
      user: made({ id: 'ü' }),
    });
  const data = made({
    users: [made({ events: Array.from({ length: 100 }, (_, id) => event(id)), none: [] }), null],
    at: 1.5,
    is: true,
  });
  expect(writeJson(data)).toBe(JSON.stringify(data));
  expect(await writeInSlices(data, new Pace())).toBe(JSON.stringify(data));
  const withText = made({ list: [made({ of: new JsonText('{"a":1}'), rest: made({ b: [new JsonText('2')] }) })] });
  expect(writeJson(withText)).toBe('{"list":[{"of":{"a":1},"rest":{"b":[2]}}]}');
  expect(await writeInSlices(withText, new Pace())).toBe(writeJson(withText));
});
