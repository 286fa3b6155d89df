import { afterEach, describe, expect, test } from 'vitest';
import { deepList, deepObject, recordLiteral, recordMutation, sendJson } from '../support/extreme-input.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { refusals, tryRecord } from '../support/recording.ts';
import { anEvent, type TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
const accept = shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

const record = (special: object) => tryRecord(server, [{ userId, ...special }]);

describe('an event is refused, and the field is named, for', () => {
  const long = (length: number) => 'x'.repeat(length);
  const bad: readonly [field: string, what: string, value: unknown][] = [
    ...['runId', 'provider'].flatMap((field): [string, string, unknown][] => [[field, 'no text', '']]),
    ...['runId', 'provider', 'message', 'error'].flatMap((field): [string, string, unknown][] => [
      [field, 'a NUL', 'a\0b'],
      [field, 'half of a surrogate pair', 'a\ud83c'],
      [field, 'the other half', '\udfc3b'],
    ]),
    ['runId', '256 characters', long(256)],
    ['provider', '65 characters', long(65)],
    ['message', '4,097 characters', long(4_097)],
    ['error', '16,385 characters', long(16_385)],
    ['progress', 'more than 1', 1.1],
    ['progress', 'less than 0', -0.1],
    ['progress', 'hardly more than 1', 1 + Number.EPSILON],
    ...['itemsProcessed', 'itemsTotal'].map((field): [string, string, unknown] => [field, 'a negative count', -1]),
    ...['timestamp', 'startedAt', 'endedAt'].flatMap((field): [string, string, unknown][] => [
      [field, 'a time before 2000', '1999-12-31T23:59:59.999Z'],
      [field, 'a time after 2099', '2100-01-01T00:00:00Z'],
      [field, 'a time that its offset moves out of range', '2100-01-01T00:00:00-01:00'],
    ]),
    ['metadata', 'a NUL in a value', { a: ['x\0'] }],
    ['metadata', 'a NUL in a key', { 'a\0': 1 }],
    ['metadata', 'half a surrogate pair in a value', { a: { b: '\ud83c' } }],
    ['metadata', 'half a surrogate pair in a key', { a: [{ '\udfc3': 1 }] }],
    ['metadata', 'more than 64 KiB', { a: long(65_536 - '{"a":""}'.length + 1) }],
    ['metadata', 'more than 64 KiB of few characters', { a: '\u{1f3c3}'.repeat(16_384) }],
    ['metadata', 'more than 32 levels', { a: JSON.parse(deepList(32)) }],
  ];
  for (const [field, what, value] of bad)
    test(`${field}: ${what}`, async () => {
      const answer = await record({ [field]: value });
      expect(answer.status).toBe(200);
      expect(refusals(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors[0]?.extensions.problems).toMatchObject([{ index: 0, field }]);
    });

  test('each of many fields at once', async () => {
    const { errors } = await record({ runId: '', progress: 2, itemsTotal: -1, metadata: { a: '\0' } });
    expect(errors[0]?.extensions.problems).toMatchObject(
      ['runId', 'progress', 'itemsTotal', 'metadata'].map((field) => ({ index: 0, field })),
    );
  });

  test('metadata: numbers that are not finite', async () => {
    const events = `[${JSON.stringify({ ...anEvent, userId, metadata: { a: 9 } }).replace('9', '1e999')}]`;
    expect(await sendJson(server, recordMutation, `{"events":${events}}`)).toMatchObject({ codes: ['BAD_USER_INPUT'] });
    for (const literal of ['metadata: { a: 1e999 }', 'metadata: { a: [-1e999] }'])
      expect(refusals(await server.graphql(recordLiteral(userId, literal)))).toEqual(['BAD_USER_INPUT']);
  });

  test('progress: an infinity in the document', async () => {
    for (const literal of ['progress: 1e999', 'progress: -1e999', 'progress: 1.1', 'progress: -0.1'])
      expect(refusals(await server.graphql(recordLiteral(userId, literal)))).toEqual(['BAD_USER_INPUT']);
  });

  test('metadata: 33 levels in the document, and 100,000 in the variables', async () => {
    const literal = `metadata: { a: ${deepList(32)} }`;
    expect(refusals(await server.graphql(recordLiteral(userId, literal)))).toEqual(['BAD_USER_INPUT']);
    for (const deep of [`{"a":${deepList(100_000)}}`, deepObject(100_000)]) {
      const event = JSON.stringify({ ...anEvent, userId, metadata: 'here' }).replace('"here"', deep);
      expect(await sendJson(server, recordMutation, `{"events":[${event}]}`)).toMatchObject({
        status: 200,
        codes: ['LIMIT_EXCEEDED'],
      });
    }
  });
});

describe('an event at every bound is accepted', () => {
  afterEach(accept);

  test('texts, counts, times and metadata', async () => {
    const most = {
      runId: 'x'.repeat(255),
      provider: 'x'.repeat(64),
      message: 'x'.repeat(4_096),
      error: 'x'.repeat(16_384),
    };
    await server.record(
      { userId, ...most, progress: 1, itemsProcessed: 2_147_483_647, itemsTotal: 0 },
      { userId, message: '', error: '', progress: 0, timestamp: '2000-01-01T00:00:00Z' },
      { userId, metadata: { a: 'x'.repeat(65_536 - '{"a":""}'.length) }, timestamp: '2099-12-31T23:59:59.999Z' },
      { userId, metadata: { a: JSON.parse(deepList(31)) } },
    );
    expect((await server.graphql(recordLiteral(userId, `metadata: { a: ${deepList(31)} }`))).errors).toEqual([]);
  });
});
