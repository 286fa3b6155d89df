import { Kind, type OperationDefinitionNode, parse } from 'graphql';
import { expect, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { Bill } from '../../src/operations/bill.ts';
import { buildSchema } from '../../src/schema.ts';

const schema = buildSchema();

/** A query for so many items, about a thousand. */
function queryFor(items: number): OperationDefinitionNode {
  const lists = Array.from({ length: 4 }, (_, index) => `list${index}: recentSyncEvents(limit: 200) { id }`);
  const text = `query ($id: UUID!) { user(id: $id) { ${lists.join(' ')} a: recentSyncEvents(limit: ${items - 900}) { id }
    b: recentSyncEvents(limit: 100) { id } } }`;
  const operation = parse(text).definitions.find(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  return operation as OperationDefinitionNode; // the only definition there is
}

test('an operation need not wait for others up to 1,000 items, and has to with one more', () => {
  const isLight = (items: number) => {
    const operation = queryFor(items);
    const bill = new Bill({ schema, operation, fragments: new Map(), limits: defaultLimits, author: 'client' });
    expect(bill.prepare().asked({})).toBe(items);
    return bill.isLight({});
  };
  expect([isLight(1_000), isLight(1_001)]).toEqual([true, false]);
});
