import { describe, expect, test } from 'vitest';
import { numberOrSymbol, parseJson, whyNotKept } from '../../src/lib/parse-json.ts';

const read = (number: string) => parseJson(`{"a":[${number}]}`) as { a: [unknown] };

describe('a number is read', () => {
  test.each([
    '0',
    '-0',
    '-0.0',
    '1.0',
    '1e0',
    '100e-2',
    '0.1',
    '72.30000000000001',
    '0.30000000000000004',
    '9007199254740991',
    '9007199254740992',
    '-9007199254740992',
    '12345678901234567000',
    '1e21',
    '1E+21',
    '1000000000000000000000',
    '1e308',
    '1.7976931348623157e308',
    '2.2250738585072014e-308',
    '5e-324',
    '0e999',
    '0.1000000000000000000000',
    `${'0.'.padEnd(400, '0')}e5`,
  ])('as it is: %s', (number) => {
    expect(read(number)).toEqual(JSON.parse(`{"a":[${number}]}`));
    expect(numberOrSymbol(number, '')).toBe(Number(number));
  });

  test.each([
    ['9007199254740993', 'would become 9007199254740992'],
    ['-9007199254740993', 'would become -9007199254740992'],
    ['1152921504606846976', 'would become 1152921504606847000'],
    ['123456789012345678901234567890', 'would become 1.2345678901234568e+29'],
    ['1e400', 'is too large for a number'],
    ['-1e400', 'is too large for a number'],
    ['1e-400', 'would become 0'],
    ['4e-324', 'would become 5e-324'],
    ['1.7976931348623159e308', 'is too large for a number'],
    ['0.1000000000000000055511', 'would become 0.1'],
    ['3.14159265358979323846', 'would become 3.141592653589793'],
    ['9007199254740993.0', 'would become 9007199254740992'],
    ['9007199254740993e0', 'would become 9007199254740992'],
    ['9.007199254740993e15', 'would become 9007199254740992'],
  ])('as what says why it is none: %s %s', (number, becomes) => {
    expect(whyNotKept(read(number).a[0])).toMatch(`the number ${number} at a[0] ${becomes}`);
    expect(whyNotKept(numberOrSymbol(number, 'a[0]'))).toBe(whyNotKept(read(number).a[0]));
  });

  test('wherever it stands', () => {
    const number = '9007199254740993';
    for (const text of [number, `[${number}]`, `[1 , ${number}]`, `{"a":${number}}`, `{"a" :\n\t${number}\r}`])
      expect(symbolsIn(parseJson(text))).toHaveLength(1);
    expect(whyNotKept(parseJson(number))).toBe(`the number ${number} would become 9007199254740992: send it as text`);
  });
});

describe('a key that stands twice in its object is found', () => {
  test.each([
    ['{"a":1,"a":1}', 'a'],
    ['{"a":1,"b":2,"a":{}}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"x":[{"y":{"a":1 , "a" : 2}}]}', 'x[0].y.a'],
    ['[{"a":1},{"a":1,"a":2}]', '[1].a'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"":1,"":2}', ''],
    ['{"a":{"b":9007199254740993},"a":{}}', 'a'],
    ['{"a":{"b":1,"b":2},"a":{"b":1}}', 'a'],
  ])('%s', (text, place) => {
    const [why] = symbolsIn(parseJson(text)).map(whyNotKept);
    expect(why).toBe(`the key ${place} stands twice in its object`);
  });

  test('and no other is', () => {
    for (const text of [
      '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
      '{"a":"{\\"b\\":1,\\"b\\":2}","b":"\\\\","c":"\\\\\\":"}',
      '{"a":"x\\":","b":"9007199254740993","c":": 9007199254740993","d":"[9007199254740993"}',
      '{"__proto__":{"constructor":1},"constructor":2}',
      ' [ ] ',
      '"\\""',
      'null',
    ])
      expect(parseJson(text)).toEqual(JSON.parse(text));
  });
});

test('what is no JSON is refused', () => {
  for (const text of ['', '{', '{"a":1,}', '[01]', '[1.]', '[.5]', '[+1]', '[NaN]', '[Infinity]', '[0x1]', '["\t"]'])
    expect(() => parseJson(text)).toThrow(SyntaxError);
});

test('neither depth nor length takes more than its reading', () => {
  const depth = 50_000;
  const deep = `${'[9007199254740993,'.repeat(depth)}1${']'.repeat(depth)}`;
  expect(whyNotKept(parseJson(deep))).toBe('more than 5000 of its numbers and keys cannot be kept');
  expect(() => parseJson(`[${'0'.repeat(0)}1${'0'.repeat(1_000_000)}, 0.${'0'.repeat(1_000_000)}1]`)).not.toThrow();
  expect(() => parseJson(`{"a":"${'\\\\'.repeat(1_000_000)}","a":1}`)).not.toThrow();
});

function symbolsIn(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return typeof value === 'symbol' ? [value] : [];
  return Object.keys(value).flatMap((key) => symbolsIn((value as Record<string, unknown>)[key]));
}
