import { type FragmentDefinitionNode, type OperationDefinitionNode, parse, print } from 'graphql';
import { expect, onTestFinished, test } from 'vitest';
import { type Context, createQueryContext } from '../../src/graphql/context.ts';
import { between, pick, type Random } from '../../src/lib/random.ts';
import { defaultLimits } from '../../src/limits.ts';
import { Operations } from '../../src/operations/operations.ts';
import { TextSelections } from '../../src/operations/text/text-selections.ts';
import { TrustedDocuments } from '../../src/operations/trusted-documents.ts';
import { buildSchema } from '../../src/schema.ts';
import { freeOfCharge } from '../support/free-of-charge.ts';
import { randomDocument } from '../support/random-query.ts';
import { mulberry32 } from '../support/seeded.ts';
import { startServer, type TestServer } from '../support/server.ts';

/** Replays the random choices of an earlier run. */
const seed = Number(process.env.TEXT_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** How many times longer than in CI. */
const scale = Number(process.env.TEXT_SCALE ?? 1);
const documents = 1_250 * scale;

const viewer = {
  kind: 'service',
  name: 'test',
  keyId: 'k',
  expiresAt: null,
  scopes: new Set(['read', 'admin'] as const),
} as const;
const runIds = ['run_1', 'run_2', 'run "3" \\ \u2028'] as const;

test('what is written as text is what graphql-js makes of it, to the byte, and rests on the same rows', async () => {
  process.stdout.write(`text selections: TEXT_SEED=${seed} TEXT_SCALE=${scale}\n`);
  const random = mulberry32(seed);
  const { operations, services, userIds } = await createWorld(random);
  const outcome = { mistaken: 0, written: 0, 'not written': 0 };
  for (let round = 0; round < documents; round += 1) {
    const text = randomDocument(operations.schema, random, { userIds, runIds });
    const prepared = operations.prepare(text);
    const operation = prepared.mistakes.length === 0 ? prepared.operation() : undefined;
    if (!operation) {
      outcome.mistaken += 1;
      continue;
    }
    // Twice, since the second one finds the writers of the first.
    for (const variables of [randomSwitches(random), randomSwitches(random)]) {
      const [writing, executing] = [
        createQueryContext(viewer, freeOfCharge, services),
        createQueryContext(viewer, freeOfCharge, services),
      ];
      const written = await operation.write(writing, variables);
      const executed = await operation.run(executing, variables);
      outcome[written === undefined ? 'not written' : 'written'] += 1;
      if (written === undefined) continue;
      expect(written, `${text}\n${JSON.stringify(variables)}`).toBe(JSON.stringify(executed));
      expect(rootsOf(writing)).toEqual(rootsOf(executing));
    }
  }
  expect(outcome.mistaken, JSON.stringify(outcome)).toBeLessThan(documents / 2);
  expect(outcome.written, JSON.stringify(outcome)).toBeGreaterThan(documents / 2);
}, 300_000);

test('what fragments of fragments bring is not written as text when it is more than the document is long', () => {
  const schema = buildSchema();
  const many = (name: string, count: number, below: string) =>
    Array.from({ length: count }, (_, at) => `${name}${at}: ${below}`).join(' ');
  const rewritten = (count: number) => {
    const document = parse(`{ user(id: "${crypto.randomUUID()}") { syncEvents { ...C } } }
      fragment C on SyncEventConnection { ${many('a', count, 'edges { ...E }')} }
      fragment E on SyncEventEdge { ${many('n', count, 'node { ...F }')} }
      fragment F on SyncEvent { ${many('f', count, 'id')} }`);
    const [operation, ...fragments] = document.definitions as [OperationDefinitionNode, ...FragmentDefinitionNode[]];
    const byName = new Map(fragments.map((each) => [each.name.value, each]));
    return print(new TextSelections(schema).rewrite(operation, byName)?.document ?? document);
  };
  expect(rewritten(3)).toContain('syncEvents__text');
  expect(rewritten(60)).not.toMatch(/syncEvents__text|edges__text/);
  expect(rewritten(60).split('node__text').length).toBeLessThan(60);
});

test.each([
  ['that waits for something', 'connections { provider health }'],
  ['that somebody may not see', 'email'],
])('a field %s is not plain', async (_, fields) => {
  const { operations, services, userIds } = await createWorld(mulberry32(1));
  const operation = operations.prepare(`{ user(id: "${userIds[0]}") { ${fields} } }`).operation();
  expect(await operation?.write(createQueryContext(viewer, freeOfCharge, services), {})).toBeUndefined();
});

/** What an answer rests on; in which order that was answered is up to chance. */
function rootsOf({ basis }: Context): string[] | undefined {
  return basis?.map((root) => JSON.stringify(root)).sort();
}

function randomSwitches(random: Random): Record<string, unknown> {
  const flip = () => random() < 0.5;
  return { on: flip(), off: flip(), ...(flip() && { maybe: flip() }) };
}

/** Users whose events have values of all kinds, and nothing where nothing is required. */
async function createWorld(random: Random) {
  const server = await startServer({ clock: () => Date.parse('2026-03-01T12:00:00Z') });
  onTestFinished(() => server.close());
  const [first, ...others] = [await server.user({ email: 'a"b\\c@example.org' }), await server.user()];
  const userIds: [string, ...string[]] = [first as string, ...others]; // two of them
  for (const userId of userIds) await recordAnything(server, userId, random);
  const { services } = server.app;
  const formatError = () => expect.fail('no operation here has an error');
  // The more the schema has within what it has, the more a random operation asks for.
  const limits = {
    ...defaultLimits,
    operationItems: { user: Number.MAX_SAFE_INTEGER, service: Number.MAX_SAFE_INTEGER },
    documentTokens: 1_000_000,
    operationAliases: 1_000,
    operationRootFields: 1_000,
    operationDirectives: 1_000,
  };
  return {
    operations: new Operations({
      schema: buildSchema(),
      limits,
      formatError,
      introspection: true,
      trusted: new TrustedDocuments(undefined),
    }),
    services,
    userIds,
  };
}

async function recordAnything(server: TestServer, userId: string, random: Random): Promise<void> {
  const maybe = <T>(value: T) => (random() < 0.6 ? value : null);
  for (let index = 0; index < 12; index += 1)
    await server.record({
      userId,
      runId: pick(random, runIds),
      provider: pick(random, ['oura', 'garmin', 'Ünïcode 🏃']),
      message: maybe(pick(random, ['', '"quoted" \\ \n\t', '\u2028 </script> 🏃', 'x'.repeat(300)])),
      error: maybe('\u0007 bell'),
      progress: maybe(pick(random, [0, 1, 0.1, 1 / 3, 5e-324, 0.30000000000000004])),
      itemsProcessed: maybe(between(random, 0, 2_147_483_647)),
      itemsTotal: maybe(0),
      metadata: pick(random, [{}, { __proto__x: [1, { a: null }], 'a"b': 1e21, deep: { ümlaut: -0.5 } }]),
      startedAt: maybe('2026-02-28T23:59:59.999Z'),
      endedAt: maybe('2026-03-01T00:00:00Z'),
      timestamp: '2026-02-28T12:00:00.5+02:00',
    });
}
