import { expect, onTestFinished, test } from 'vitest';
import { isObject } from '../../src/lib/json.ts';
import { pick } from '../../src/lib/random.ts';
import { defaultLimits } from '../../src/limits.ts';
import { buildSchema } from '../../src/schema.ts';
import { randomDocument } from '../support/random-query.ts';
import { mulberry32 } from '../support/seeded.ts';
import { startServer } from '../support/server.ts';

/** Replays the random choices of an earlier run. */
const seed = Number(process.env.COST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const documents = 400;

const limits = {
  operationItems: { user: Number.MAX_SAFE_INTEGER, service: Number.MAX_SAFE_INTEGER },
  documentTokens: 1_000_000,
  operationAliases: 1_000,
  operationRootFields: 1_000,
  operationDirectives: 1_000,
};

/** How many objects lists have in an answer, and how many values there are that are neither object nor list; JSON has lists of these. */
function sizeOf(value: unknown): { items: number; values: number } {
  if (typeof value !== 'object' || value === null) return { items: 0, values: 1 };
  const inner = Object.values(value).map(sizeOf);
  return {
    items: inner.reduce((sum, { items }) => sum + items, Array.isArray(value) ? value.filter(isObject).length : 0),
    values: inner.reduce((sum, { values }) => sum + values, 0),
  };
}

test('no answer has more items than its cost, nor more values than that pays for', async () => {
  process.stdout.write(`costs and answers: COST_SEED=${seed}\n`);
  const server = await startServer({ limits });
  onTestFinished(() => server.close());
  const [first, ...others] = [await server.user(), await server.user()];
  const runIds = ['run_1', 'run_2'] as const;
  const userIds: [string, ...string[]] = [first as string, ...others]; // two of them
  const random = mulberry32(seed);
  for (const userId of userIds)
    for (let index = 0; index < 12; index += 1)
      await server.record({ userId, runId: pick(random, runIds), provider: pick(random, ['oura', 'garmin']) });
  let answered = 0;
  for (let round = 0; round < documents; round += 1) {
    const query = randomDocument(buildSchema(), random, { userIds, runIds });
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { ...server.admin, 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { on: true, off: false } }),
    });
    const { data, extensions } = await response.json();
    if (!data) continue;
    answered += 1;
    const { items, values } = sizeOf(data);
    const said = `${query}\n${JSON.stringify(extensions)}`;
    expect(items, said).toBeLessThanOrEqual(extensions.cost.items);
    // What is at the root is paid for by the request itself.
    const objects = extensions.cost.items + 1 + Object.keys(data).length;
    expect(values, said).toBeLessThanOrEqual(objects * defaultLimits.fieldsOfOneItem);
  }
  expect(answered).toBeGreaterThan(documents / 2);
}, 120_000);
