import fc from 'fast-check';
import { buildSchema as buildSchemaFrom, getVariableValues, type OperationDefinitionNode, parse } from 'graphql';
import { expect, test } from 'vitest';
import { coerceVariables } from '../../src/operations/coerced-variables.ts';
import { buildSchema } from '../../src/schema.ts';

const schema = buildSchema();

function prepare(text: string) {
  const document = parse(text);
  const operation = document.definitions[0] as OperationDefinitionNode; // the texts below hold one each
  return { operation, coerced: coerceVariables(schema, document, operation) };
}

const recording = prepare(`mutation ($events: [SyncEventInput!]!, $unused: Int = 3) {
  recordSyncEvents(input: { events: $events }) { results { duplicate } }
}`);

/** What resolvers would get if graphql-js alone coerced the variables. */
function alone({ operation }: typeof recording, variables: Record<string, unknown>) {
  return getVariableValues(schema, operation.variableDefinitions ?? [], variables);
}

/** What they get with the variables that were coerced before. */
function twice({ coerced }: typeof recording, variables: Record<string, unknown>) {
  const before = coerced?.coerce(variables);
  const operation = coerced?.document.definitions[0] as OperationDefinitionNode;
  return before && getVariableValues(schema, operation.variableDefinitions ?? [], before);
}

const event = {
  id: '0B0F7A52-7F4E-4A9D-9E3B-0F2C4D1E5A6B',
  userId: '0b0f7a52-7f4e-4a9d-9e3b-0f2c4d1e5a6b',
  runId: 'run_1',
  provider: 'oura',
  source: 'PULL',
  stage: 'FETCHING',
  status: 'IN_PROGRESS',
  progress: 0.5,
  itemsTotal: 7,
  metadata: { page: 1, deep: [{ more: null }] },
  timestamp: '2026-03-14T07:00:00.412+01:00',
};

test('events are coerced as graphql-js does it', () => {
  const variables = { events: [event, { ...event, id: null, progress: 1, message: 'a' }, { ...event, runId: 7 }] };
  expect(alone(recording, variables).errors).toBeUndefined();
  expect(twice(recording, variables)).toEqual(alone(recording, variables));
});

test('whatever an event holds, it is coerced as graphql-js does it, or left to it', () => {
  const anything = fc.oneof(
    fc.constantFrom(null, '', 'PULL', 'pull', event.userId, event.timestamp, '2026-02-30T00:00:00Z', {}, [], [1], true),
    fc.constantFrom(-1, 0.5, 7, 2 ** 31, Number.MAX_VALUE),
    fc.jsonValue(),
  );
  const names = fc.constantFrom(...Object.keys(event), 'message', 'itemsProcessed', 'endedAt', 'other', '__proto__');
  const changed = fc.array(fc.tuple(names, anything), { maxLength: 2 }).map((changes) => ({
    ...event,
    ...Object.fromEntries(changes),
  }));
  const lists = fc.oneof(fc.array(fc.oneof(changed, anything), { maxLength: 3 }), changed, anything);
  fc.assert(
    fc.property(lists, (events) => {
      const expected = alone(recording, { events });
      const found = twice(recording, { events });
      if (expected.errors) expect(found).toBeUndefined();
      else if (found) expect(found).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});

test('a value that is left out keeps its default, and one of no list is a list of one', () => {
  const filtered = prepare(`query ($filter: SyncEventFilter = { providers: ["oura"] }) {
    user(id: "${event.userId}") { recentSyncEvents(filter: $filter) { id } }
  }`);
  expect(twice(filtered, {})).toBeUndefined();
  expect(twice(filtered, { filter: { providers: 'oura' } })).toBeUndefined();
  for (const filter of [null, {}, { providers: ['a', 'b'], sources: null, stages: [] }])
    expect(twice(filtered, { filter })).toEqual(alone(filtered, { filter }));
});

test('a field that is left out gets the default that the schema has for it', () => {
  const withDefaults = buildSchemaFrom(`scalar JSONObject
    input Wish { limit: Int = 3, words: [String!]! = ["a"], name: String }
    type Query { found(wish: Wish!): Int }`);
  const document = parse('query ($wish: Wish!) { found(wish: $wish) }');
  const operation = document.definitions[0] as OperationDefinitionNode;
  const coerced = coerceVariables(withDefaults, document, operation);
  for (const wish of [{}, { limit: 5 }, { limit: null, name: 'b' }, { words: ['c'] }])
    expect(coerced?.coerce({ wish })).toEqual(
      getVariableValues(withDefaults, operation.variableDefinitions ?? [], { wish }).coerced,
    );
});

test('an operation without input objects among its variables is left to graphql-js', () => {
  expect(
    prepare('query ($id: UUID!, $n: Int = 5) { user(id: $id) { recentSyncEvents(limit: $n) { id } } }').coerced,
  ).toBe(undefined);
});
