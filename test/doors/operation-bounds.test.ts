import { describe, expect, test } from 'vitest';
import { deepList } from '../support/extreme-input.ts';
import { transports } from '../support/graphql-transports.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import type { TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

/** What of an operation is bounded, an operation with so many of it, and what is said of one too many. */
interface Bounded {
  readonly what: string;
  readonly most: number;
  readonly of: (count: number) => { readonly query: string; readonly variables?: Record<string, unknown> };
  readonly refusal: string;
  readonly locations?: readonly object[];
}

const repeated = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');

/** A query that is so many fields deep, counted from the root. */
function deep(depth: number): string {
  const pairs = Math.floor((depth - 2) / 2);
  const leaf = depth % 2 === 1 ? 'recentSyncEvents(limit: 1) { id }' : 'id';
  return `query Deep { user(id: "${userId}") { ${'syncRun(runId: "run_1") { user { '.repeat(pairs)}${leaf}${' } }'.repeat(pairs)} } }`;
}

const bounds: readonly Bounded[] = [
  {
    what: 'tokens',
    most: 2_000,
    of: (count) => ({
      // Inline fragments, as comparing very many fields of one object is refused for its own sake.
      query: `{ viewer { ${repeated(498, () => '... { kind }')} a: kind${' kind'.repeat(count - 2_000)} } }`,
    }),
    refusal: 'A document may have at most 2000 tokens, and here begins the next one',
    locations: [{ line: 1, column: 6_501 }],
  },
  {
    what: 'brackets open at once',
    most: 200,
    // Inline fragments, which nest no fields.
    of: (count) => ({ query: `{ ${'... { '.repeat(count - 2)}viewer { kind }${' }'.repeat(count - 1)}` }),
    refusal: 'A document may have at most 200 brackets open at once, and here opens the next one',
    locations: [{ line: 1, column: 1_204 }],
  },
  {
    what: 'fields within one another',
    most: 12,
    of: (depth) => ({ query: deep(depth) }),
    refusal: 'An operation may be nested at most 12 fields deep, and `id` of query Deep is 13 deep',
    locations: [{ line: 1, column: 259 }],
  },
  {
    what: 'aliases',
    most: 30,
    of: (count) => ({
      query: `query Many { viewer { ${repeated(count - 21, (index) => `a${index}: kind`)} ...ten } other: viewer { ...ten } }
        fragment ten on Viewer { ... { ${repeated(10, (index) => `b${index}: kind`)} } }`,
    }),
    refusal:
      'An operation may have at most 30 aliases, fragments counted as often as they are spread, and query Many has 31',
    locations: [{ line: 1, column: 1 }],
  },
  {
    what: 'fields at its root',
    most: 20,
    of: (count) => ({
      query: `{ ${repeated(count - 8, () => '__typename')} ...four ... { ...four } } fragment four on Query { a: __typename viewer { kind name } b: __typename c: __typename }`,
    }),
    refusal:
      'An operation may have at most 20 fields at its root, fragments counted as often as they are spread, and query { __typename __typename __typename __typename __typename } has 21',
  },
  {
    what: 'directives',
    most: 20,
    of: (count) => ({
      query: `query Switched($on: Boolean!) { viewer { ${repeated(count - 6, () => 'kind @include(if: $on)')} ...two @skip(if: $on) ...two ... @include(if: $on) { name } } }
        fragment two on Viewer { kind @skip(if: $on) name @skip(if: $on) }`,
      variables: { on: true },
    }),
    refusal:
      'An operation may have at most 20 directives, fragments counted as often as they are spread, and query Switched has 21',
  },
];

describe('an operation may have so many', () => {
  test.each(bounds)('$what: $most, on every door', async ({ most, of, refusal, locations }) => {
    for (const [transport, ask] of Object.entries(transports)) {
      const request = (count: number) => ask(server.url, { ...of(count), headers: server.admin });
      expect({ transport, errors: (await request(most)).errors }).toEqual({ transport, errors: undefined });
      const { data, errors } = await request(most + 1);
      expect({ transport, data, errors }).toMatchObject({
        transport,
        data: undefined,
        errors: [{ message: refusal, extensions: { code: 'LIMIT_EXCEEDED' }, ...(locations && { locations }) }],
      });
    }
  });

  test('levels within the value of a variable: 40, on every door', async () => {
    const query =
      'query ($filter: SyncEventFilter, $id: UUID!) { user(id: $id) { recentSyncEvents(filter: $filter) { id } } }';
    for (const [transport, ask] of Object.entries(transports)) {
      const request = async (depth: number) => {
        const variables = { id: userId, filter: JSON.parse(deepList(depth)) };
        const { errors = [] } = await ask(server.url, { query, variables, headers: server.admin });
        return errors.map(({ message, extensions }) => ({ code: extensions.code, message }));
      };
      expect({ transport, errors: await request(40) }).toMatchObject({ errors: [{ code: 'BAD_USER_INPUT' }] });
      const message = 'The value of a variable may be nested at most 40 deep, and that of `$filter` is deeper';
      expect({ transport, errors: await request(41) }).toEqual({
        transport,
        errors: [{ code: 'LIMIT_EXCEEDED', message }],
      });
    }
  });

  test('and no more in a subscription', async () => {
    const query = `subscription Runs { syncRuns { ${repeated(31, (index) => `a${index}: runId`)} } }`;
    const { errors } = await transports.sse(server.url, { query, headers: server.admin });
    expect(errors).toMatchObject([
      {
        message:
          'An operation may have at most 30 aliases, fragments counted as often as they are spread, and subscription Runs has 31',
      },
    ]);
  });

  test('but no fragment in a circle, which validation refuses', async () => {
    const { errors } = await server.graphql('{ viewer { ...a } } fragment a on Viewer { x: kind ...a }');
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });
});
