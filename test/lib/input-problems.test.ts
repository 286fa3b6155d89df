import { type OperationDefinitionNode, parse } from 'graphql';
import { expect, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { findInputProblems } from '../../src/operations/input-problems.ts';
import { buildSchema } from '../../src/schema.ts';

const schema = buildSchema();
const [operation] = parse(
  'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { status } }',
).definitions as OperationDefinitionNode[];

/** Items that count how often anything of them is read. */
function countingItems(count: number, fields: object) {
  let reads = 0;
  const item = () =>
    new Proxy(fields, {
      get(target, name) {
        reads += 1;
        return Reflect.get(target, name);
      },
    });
  return { items: Array.from({ length: count }, item), reads: () => reads };
}

const find = (events: unknown) => (operation ? findInputProblems(schema, operation, { events }, defaultLimits) : []);

test.each([
  ['items without a field', {}],
  ['items with a list of such', { dataTypes: Array.from({ length: 5_000 }, () => ({})) }],
])('no more is read of %s than what is told of them', (_, fields) => {
  const few = countingItems(20, fields);
  const many = countingItems(20_000, fields);
  expect(find(many.items)).toEqual(find(few.items));
  expect(find(many.items)).toHaveLength(defaultLimits.listedProblems);
  const reads = many.reads() / 2;
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThanOrEqual(few.reads());
});

test('one item stands for a list of it, as everywhere in GraphQL', () => {
  expect(find({ runId: '' })).toEqual(find([{ runId: '' }]));
  expect(find(null)).toEqual([]);
});
