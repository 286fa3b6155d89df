import { getIntrospectionQuery } from 'graphql';
import { describe, expect, test } from 'vitest';
import { recordLiteral } from '../support/extreme-input.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import type { TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

describe('a document', () => {
  const refusal = async (query: string) => {
    const { status, data, errors } = await server.graphql(query);
    expect({ status, data }).toEqual({ status: 200, data: undefined });
    expect(errors).toHaveLength(1);
    return errors[0]?.extensions.code;
  };
  const inUser = (fields: string) => `{ user(id: "${userId}") { ${fields} } }`;
  /** A query that is so many fields deep, counted from the root. */
  function deep(depth: number): string {
    const isOdd = depth % 2 === 1;
    const pairs = (depth - (isOdd ? 3 : 2)) / 2;
    const leaf = isOdd ? 'recentSyncEvents(limit: 1) { id }' : 'id';
    return inUser(`${'syncRun(runId: "run_1") { user { '.repeat(pairs)}${leaf}${' } }'.repeat(pairs)}`);
  }

  test('may have 2,000 tokens', async () => {
    // Inline fragments, as comparing very many fields of one object is refused for its own sake.
    const groups = (tokens: number) => {
      const field = '... { __typename }'; // 4 tokens
      return `{ ${Array.from({ length: (tokens - 2) / 4 }, () => field).join(' ')} }`;
    };
    const most = groups(1_998);
    expect(await refusal(`${most} fragment`)).not.toBe('LIMIT_EXCEEDED');
    expect(await refusal(`${most} fragment F on`)).toBe('LIMIT_EXCEEDED');
    expect(await refusal(`{ ${'a '.repeat(100_000)}}`)).toBe('LIMIT_EXCEEDED');
    expect(await refusal(`{ ${'a: viewer { kind } '.repeat(1_000)}}`)).toBe('LIMIT_EXCEEDED');
  });

  test('is refused for the number of its tokens before anything else is looked at', async () => {
    expect(await refusal(`${'@'.repeat(2_001)} "unterminated`)).toBe('LIMIT_EXCEEDED');
    expect(await refusal(`# ${'x '.repeat(100_000)}\n{`)).toBe('BAD_USER_INPUT');
  });

  test('may be 12 fields deep', async () => {
    for (const depth of [2, 11, 12]) expect((await server.graphql(deep(depth))).errors).toEqual([]);
    for (const depth of [13, 14, 40]) expect(await refusal(deep(depth))).toBe('LIMIT_EXCEEDED');
  });

  test('has the depth of its fragments, wherever they are spread', async () => {
    const chain = (links: number) =>
      Array.from(
        { length: links },
        (_, n) =>
          `fragment F${n} on User { syncRun(runId: "run_1") { user { ${n + 1 < links ? `...F${n + 1}` : 'id'} } } }`,
      ).join(' ');
    expect((await server.graphql(`${inUser('... { ...F0 }')} ${chain(5)}`)).errors).toEqual([]);
    expect(await refusal(`${inUser('...F0')} ${chain(6)}`)).toBe('LIMIT_EXCEEDED');
    // Spread first where it fits, then where it does not.
    const deeper = inUser('...F0 syncRun(runId: "run_1") { user { ...F0 } }');
    expect(await refusal(`${deeper} ${chain(5)}`)).toBe('LIMIT_EXCEEDED');
  });

  test('that spreads fragments so often that following each spread would take for ever is refused at once by its cost', async () => {
    const doubling = Array.from(
      { length: 100 },
      (_, n) => `fragment F${n} on User { ${n < 99 ? `...F${n + 1} ...F${n + 1}` : 'id'} }`,
    );
    expect(await refusal(`${inUser('...F0')} ${doubling.join(' ')}`)).toBe('LIMIT_EXCEEDED');
    const few = inUser('...F90');
    expect((await server.graphql(`${few} ${doubling.slice(90).join(' ')}`)).data.user).toEqual({ id: userId });
  });

  test('with fragments in a circle, or missing, is refused by validation', async () => {
    for (const fragments of [
      'fragment A on User { ...A }',
      'fragment A on User { ...B } fragment B on User { ...A }',
      'fragment C on User { id }',
    ])
      expect((await server.graphql(`${inUser('...A')} ${fragments}`)).errors[0]?.extensions.code).toBe(
        'BAD_USER_INPUT',
      );
    const circle = 'fragment A on User { syncRun(runId: "x") { user { ...A } } }';
    expect((await server.graphql(`${inUser('...A')} ${circle}`)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  test.each([1_000, 2_400, 5_000, 100_000])('with %i brackets in one another does no harm', async (depth) => {
    const open = (text: string) => text.repeat(depth);
    for (const text of [
      `{ users(search: ${open('[')}${open(']')}) { edges { cursor } } }`,
      `{ users(search: ${open('[')}`,
      `{ users(search: ${open('{a:')}1${open('}')}) { edges { cursor } } }`,
      recordLiteral(userId, `metadata: { a: ${open('[')}${open(']')} }`),
      recordLiteral(userId, `timestamp: ${open('[')}${open(']')}`),
      `${open('{ a ')}${open('}')}`,
      `{ ${open('... { ')}__typename ${open('}')} }`,
      `query ($a: ${open('[')}Int${open(']')}) { __typename }`,
      `{ a${open('(a:')}`,
    ])
      expect(await refusal(text)).toBe('LIMIT_EXCEEDED');
  });

  test('may be the introspection query of GraphiQL and others, which is deeper', async () => {
    const all = {
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    };
    for (const text of [getIntrospectionQuery(), getIntrospectionQuery(all)]) {
      const { data, errors } = await server.graphql(text, {}, {});
      expect(errors).toEqual([]);
      expect(data.__schema.types.length).toBeGreaterThan(20);
    }
    const deepest = (depth: number) =>
      `{ __schema { types ${'{ ofType '.repeat(depth - 2)}{ name }${' }'.repeat(depth - 2)} } }`;
    expect((await server.graphql(deepest(15))).errors).toEqual([]);
    expect(await refusal(deepest(16))).toBe('LIMIT_EXCEEDED');
  });

  test('is refused again when it comes again', async () => {
    const deep = `${'{ a '.repeat(17)}${'}'.repeat(17)}`;
    for (let attempt = 0; attempt < 3; attempt++) expect(await refusal(deep)).toBe('LIMIT_EXCEEDED');
  });
});
