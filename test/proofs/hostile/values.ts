/** JSON, and what only a text of JSON or GraphQL can hold. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Word
  | Verbatim
  | readonly Value[]
  | { readonly [name: string]: Value };

/** The value of an enum: a name in a document, a text in JSON. */
export class Word {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** What is written as it stands, such as a number that JavaScript does not have. */
export class Verbatim {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Texts at which programs break. */
export const texts: readonly string[] = [
  '',
  ' ',
  '0',
  'null',
  'undefined',
  'NaN',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '__typename',
  "'; DROP TABLE user; --",
  '" OR "1"="1',
  '%',
  '_',
  '\\',
  '%00',
  '../../../../etc/passwd',
  '<script>alert(1)</script>',
  '$&{x}',
  '{{7*7}}',
  '%s%n%x',
  '$1',
  '\0',
  'a\0b',
  '\u0001\u001f\u007f',
  '\r\nX-Injected: 1',
  '\n\ndata: injected\n\n',
  '\ud800',
  '\udfff tail',
  'a\ud83d',
  '\u202e\u2066reversed',
  '\ufeffbom',
  '\u2028\u2029',
  'é',
  'e\u0301'.repeat(50),
  'İıẞß',
  '👩‍👩‍👧‍👦'.repeat(20),
  '\u0301'.repeat(300),
  'x'.repeat(101),
  'x'.repeat(256),
  'x'.repeat(5_000),
  'x'.repeat(70_000),
];

const numbers: readonly Value[] = [
  0,
  1,
  -1,
  50,
  200,
  201,
  2_147_483_647,
  2_147_483_648,
  -2_147_483_649,
  Number.MAX_SAFE_INTEGER,
  0.5,
  new Verbatim('-0'),
  new Verbatim('1e400'),
  new Verbatim('1e-400'),
  new Verbatim('9007199254740993'),
  new Verbatim('1.0'),
  new Verbatim('1'.repeat(400)),
];

const times: readonly Value[] = [
  '2026-03-14T12:00:00Z',
  '1999-12-31T23:59:59.999Z',
  '2000-01-01T00:00:00Z',
  '2099-12-31T23:59:59.999999999Z',
  '2100-01-01T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '2026-03-14T24:00:00Z',
  '2026-03-14T23:59:60Z',
  '2026-03-14T12:00:00+14:00',
  '2026-03-14T12:00:00-24:00',
  '2026-03-14T12:00:00',
  '2026-03-14',
  '0000-00-00T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '99999-01-01T00:00:00Z',
  '１２３４-05-06T00:00:00Z',
  1_773_489_600_000,
  'now',
];

const cursors: readonly Value[] = [
  '0',
  '1',
  '-1',
  '00',
  '1.5',
  '1e3',
  '0x10',
  ' 1',
  '9007199254740991',
  '9007199254740992',
]
  .concat(['9223372036854775807', '9223372036854775808', '18446744073709551616', '9'.repeat(1_000), 'abc', 'MQ=='])
  .concat(['eyJ9', 'bnVsbA==', 'W10=', 'eyJfX3Byb3RvX18iOjF9', '/////w==', '٣']);

const ids: readonly Value[] = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']
  .concat(['0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001', '0B6E2A54-7D0C-4F5E-9A51-3C1F6F2AD001'])
  .concat(['0b6e2a547d0c4f5e9a513c1f6f2ad001', '{0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001}', 'urn:uuid:x', '0b6e2a54'])
  .concat(['0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001\n', 'zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz']);

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

const objects: readonly Value[] = [
  {},
  { a: { b: [null, true, 0.5] } },
  new Verbatim('{"__proto__": {"polluted": true}}'),
  new Verbatim('{"constructor": {"prototype": {"polluted": true}}}'),
  new Verbatim('{"toJSON": 1, "then": 1, "length": -1}'),
  new Verbatim('{"a": 1, "a": 2}'),
  new Verbatim('{"a": 9007199254740993}'),
  new Verbatim('{"a": 1e999}'),
  new Verbatim(nested(31)),
  new Verbatim(nested(33)),
  new Verbatim(nested(200)),
  new Verbatim(nested(20_000)),
  { big: 'x'.repeat(66_000) },
  { '': '', '\0': '\0', '\ud800': '\ud800' },
  { batch_id: null, types: 'x', data_247: [[]], status_code: 'NaN', success: {} },
];

/** Of no type at all, whatever is asked for. */
export const strange: readonly Value[] = [
  null,
  true,
  [],
  {},
  [[]],
  [null],
  { __proto__: null, length: 1 },
  new Word('UNKNOWN_WORD'),
  new Word('__proto__'),
  new Verbatim('[[[[[[[[[[1]]]]]]]]]]'),
];

/** Values at the edges of a scalar, right and wrong ones. */
export function edgesOf(scalar: string): readonly Value[] {
  const own: Readonly<Record<string, readonly Value[]>> = {
    Int: numbers,
    Float: numbers,
    Boolean: [true, false, 'true', 0, 1],
    DateTime: times,
    SyncCursor: cursors,
    UUID: ids,
    ID: [...ids, 'run 0', 0],
    JSONObject: objects,
    String: [...texts, ...cursors],
  };
  return own[scalar] ?? texts;
}

/** As it stands in a document. */
export function toLiteral(value: Value): string {
  return written(value, (name) => name, /^[_A-Za-z]\w*$/);
}

/** As it stands in JSON. */
export function toJson(value: Value): string {
  return written(value, (name) => JSON.stringify(name));
}

function written(value: Value, word: (name: string) => string, bare?: RegExp): string {
  if (value instanceof Word) return word(value.name);
  if (value instanceof Verbatim) return bare ? value.text.replace(/"([_A-Za-z]\w*)":/g, '$1:') : value.text;
  if (Array.isArray(value)) return `[${value.map((each) => written(each, word, bare)).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([name]) => !bare || bare.test(name));
  return `{${fields.map(([name, each]) => `${bare ? name : JSON.stringify(name)}: ${written(each, word, bare)}`).join(', ')}}`;
}
