import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { deepList, deepObject, recordLiteral, sendJson } from '../support/extreme-input.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { refusals } from '../support/recording.ts';
import type { TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

describe('a value that does not fit its type is refused before anything runs', () => {
  const variables: readonly [type: string, values: readonly unknown[]][] = [
    ['UUID', ['', 'x', 1, true, [], {}, userIdWithout(1), `${userIdWithout(0)}0`, ` ${userIdWithout(0)}`, 'urn:uuid:']],
    [
      'DateTime',
      [
        '',
        'x',
        5,
        true,
        [],
        {},
        '2026-03-14',
        '2026-03-14T07:00:00',
        '2026-03-14 07:00:00Z',
        '2026-02-30T00:00:00Z',
        '2026-03-14T24:00:00Z',
        '2026-03-14T07:00:00+25:00',
        '2026-13-01T00:00:00Z',
        '+275760-09-13T00:00:00Z',
        'now',
      ],
    ],
    ['JSONObject', ['x', 1, true, [], [[]]]],
    ['Int', [1.5, 2_147_483_648, -2_147_483_649, '1', true, [], {}]],
    ['Float', ['0.5', true, [], {}]],
    ['String', [1, true, [], {}]],
    ['SyncSource', ['pull', 'NONE', 1, {}]],
    ['SyncEventFilter', [{ providers: [null] }, { sources: ['pull'] }, { other: 1 }, 'x']],
  ];
  const uses: Readonly<Record<string, string>> = {
    UUID: 'query ($v: UUID!) { user(id: $v) { id } }',
    DateTime:
      'mutation ($v: DateTime!) { createApiKey(input: { name: "x", scopes: [READ], expiresAt: $v }) { secret } }',
    JSONObject: `mutation ($v: JSONObject!) { recordSyncEvents(input: { events: [{ userId: "${randomUUID()}", runId: "r",
      provider: "p", source: PULL, stage: QUEUED, status: IN_PROGRESS, metadata: $v }] }) { results { duplicate } } }`,
    Int: 'query ($v: Int!) { users(first: $v) { edges { cursor } } }',
    Float: `mutation ($v: Float!) { recordSyncEvents(input: { events: [{ userId: "${randomUUID()}", runId: "r",
      provider: "p", source: PULL, stage: QUEUED, status: IN_PROGRESS, progress: $v }] }) { results { duplicate } } }`,
    String: 'query ($v: String!) { users(search: $v) { edges { cursor } } }',
    SyncSource: 'query ($v: SyncSource!) { syncRuns(filter: { sources: [$v] }) { edges { cursor } } }',
    SyncEventFilter: `query ($v: SyncEventFilter!) { user(id: "${randomUUID()}") { recentSyncEvents(filter: $v) { id } } }`,
  };

  for (const [type, values] of variables)
    test(type, async () => {
      for (const value of values) {
        const answer = await server.graphql(uses[type] as string, { v: value });
        expect({ value, data: answer.data, codes: refusals(answer) }).toEqual({
          value,
          data: undefined,
          codes: ['BAD_USER_INPUT'],
        });
        expect(answer.status).toBe(200); // as of every mistake in an operation, to who accepts application/json
      }
    });

  for (const [type] of variables)
    test(`${type}: lists and objects, 100,000 deep`, async () => {
      for (const deep of [deepList(100_000), deepObject(100_000)])
        expect(await sendJson(server, uses[type] as string, `{"v":${deep}}`)).toMatchObject({
          status: 200,
          codes: ['LIMIT_EXCEEDED'],
        });
      for (const odd of ['[{"toString":1,"valueOf":1}]', '1e999'])
        expect(await sendJson(server, uses[type] as string, `{"v":${odd}}`)).toMatchObject({
          status: 200,
          codes: ['BAD_USER_INPUT'],
        });
    });

  test('in the document as well', async () => {
    const literals: readonly string[] = [
      ...['"x"', '1', 'true', '[]', '{}', 'X'].map((value) => `{ user(id: ${value}) { id } }`),
      ...['1.5', '2147483648', '"1"', '1e1'].map((value) => `{ users(first: ${value}) { edges { cursor } } }`),
      ...['"2026-03-14"', '5', '[["x"]]'].map((value) => recordLiteral(userId, `timestamp: ${value}`)),
      ...['"PULL"', 'pull', 'NONE'].map(
        (value) => `{ syncRuns(filter: { sources: [${value}] }) { edges { cursor } } }`,
      ),
      ...['"x"', '1', '[]'].map((value) => recordLiteral(userId, `metadata: ${value}`)),
      recordLiteral(userId, 'progress: NaN'),
      recordLiteral(userId, 'message: "\\uD83C"'),
    ];
    for (const query of literals) {
      const answer = await server.graphql(query);
      expect({ query, codes: [...new Set(refusals(answer))] }).toEqual({ query, codes: ['BAD_USER_INPUT'] });
      expect(answer.data).toBeUndefined();
    }
  });
});

/** A UUID that lacks so many of its last digits. */
function userIdWithout(digits: number): string {
  return '01234567-89ab-cdef-0123-456789abcdef'.slice(0, 36 - digits);
}
