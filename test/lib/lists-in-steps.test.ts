import { setImmediate as nextTurn } from 'node:timers/promises';
import { buildSchema, execute, parse } from 'graphql';
import { expect, test } from 'vitest';
import { Pace } from '../../src/lib/pace.ts';
import { withSteps, withTextFields } from '../../src/operations/text/text-schema.ts';

const original = buildSchema('type Query { items: [Item!]! } type Item { name: String! }');
const schemas = { objects: withSteps(original), text: withTextFields(original, () => () => '') };
const document = parse('{ items { name } }');

/** Items whose field takes long, and how many times it was asked for. */
function slowItems(count: number) {
  const asked = { times: 0 };
  const name = () => {
    asked.times += 1;
    for (const until = performance.now() + 5; performance.now() < until; );
    return 'slow';
  };
  return { asked, rootValue: { items: Array.from({ length: count }, () => ({ name })) } };
}

test.for(Object.entries(schemas))(
  'a list of an operation that would hold up others is completed item by item, between which others are served: %s',
  async ([, schema]) => {
    const { asked, rootValue } = slowItems(20);
    const result = execute({ schema, document, rootValue, contextValue: { bounds: { pace: new Pace(), check() {} } } });
    for (let before = 0; before < 20; before = asked.times) {
      await nextTurn();
      expect(asked.times - before).toBeLessThanOrEqual(2);
    }
    expect((await result).data).toEqual({ items: Array.from({ length: 20 }, () => ({ name: 'slow' })) });
  },
);

test('a list of another operation is completed at once', () => {
  const { asked, rootValue } = slowItems(2);
  void execute({ schema: schemas.objects, document, rootValue, contextValue: { bounds: {} } });
  expect(asked.times).toBe(2);
});

test('what is not done in time is not completed', async () => {
  const { asked, rootValue } = slowItems(20);
  const check = () => {
    if (asked.times >= 3) throw new Error('late');
  };
  const result = await execute({
    schema: schemas.objects,
    document,
    rootValue,
    contextValue: { bounds: { pace: new Pace(), check } },
  });
  expect(result.errors?.[0]?.message).toBe('late');
  expect(asked.times).toBeLessThan(20);
});
