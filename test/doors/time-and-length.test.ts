import { buildSchema, type GraphQLError } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createQueryContext } from '../../src/graphql/context.ts';
import { defaultLimits } from '../../src/limits.ts';
import { Operations } from '../../src/operations/operations.ts';
import { TrustedDocuments } from '../../src/operations/trusted-documents.ts';
import { freeOfCharge } from '../support/free-of-charge.ts';
import { transports } from '../support/graphql-transports.ts';
import { anEvent, startServer, type TestServer } from '../support/server.ts';

const late = 'An operation may take at most 0 s: ask for less at once. What a mutation had begun may have been done';

describe('an operation that takes too long', () => {
  test('is ended on every door, and nothing more is read for it', async () => {
    const statements: string[] = [];
    const server = await startServer({ limits: { operationMs: 0 }, onStatement: ({ sql }) => statements.push(sql) });
    onTestFinished(() => server.close());
    const { id } = await server.app.services.users.upsert({});
    for (const [transport, ask] of Object.entries(transports)) {
      // Who is asking is known by then, from the first request on.
      expect(await ask(server.url, { query: '{ viewer { kind } }', headers: server.admin })).toMatchObject({
        data: { viewer: { kind: 'SERVICE' } },
      });
      statements.length = 0;
      const query = `{ user(id: "${id}") { recentSyncEvents(limit: 200) { id } } syncRuns { edges { cursor } } }`;
      const answer = await ask(server.url, { query, headers: server.admin });
      expect({ transport, ...answer }).toMatchObject({
        transport,
        data: null,
        errors: [{ message: late, extensions: { code: 'LIMIT_EXCEEDED' } }],
        extensions: { cost: { limit: 20_000 } },
      });
      expect(answer.errors).toHaveLength(1);
      expect(statements.filter((sql) => /sync_events|sync_runs|FROM "?users/i.test(sql))).toEqual([]);
    }
  });

  test('has recorded nothing, if it had not begun to', async () => {
    const server = await startServer({ limits: { operationMs: 0 } });
    onTestFinished(() => server.close());
    const { id: userId } = await server.app.services.users.upsert({});
    const query =
      'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }';
    const { data, errors } = await server.graphql(query, { events: [{ ...anEvent, userId }] });
    expect({ data, errors }).toMatchObject({ data: null, errors: [{ message: late }] });
    expect(await server.app.services.database.reader.syncEvent.count()).toBe(0);
  });

  test('is answered although what it waits for never comes', async () => {
    const server = await startServer();
    onTestFinished(() => server.close());
    const schema = buildSchema('type Query { soon: Int never: Int }');
    Object.assign(schema.getQueryType()?.getFields().never ?? {}, { resolve: () => new Promise(() => {}) });
    const operations = new Operations({
      schema,
      limits: { ...defaultLimits, operationMs: 20 },
      formatError: (error) => error as GraphQLError,
      introspection: true,
      trusted: new TrustedDocuments(undefined),
    });
    const { services } = server.app;
    const ask = (text: string) =>
      operations
        .prepare(text)
        .operation()
        ?.run(createQueryContext({ kind: 'anonymous' }, freeOfCharge, services), {});
    expect(await ask('{ soon never }')).toMatchObject({
      data: null,
      errors: [{ message: expect.stringContaining('An operation may take at most 0.02 s') }],
    });
    expect(await ask('{ soon }')).toMatchObject({ data: { soon: null } });
  });
});

describe('an answer', () => {
  let server: TestServer;
  let userId: string;
  const asked = () => `{ user(id: "${userId}") { recentSyncEvents(limit: 2) { message } } }`;
  /** The JSON of the data of two events with these messages. */
  const lengthOf = (messages: readonly string[]) =>
    JSON.stringify({ user: { recentSyncEvents: messages.map((message) => ({ message })) } }).length;
  const answerLength = lengthOf(['x'.repeat(1_000), 'y'.repeat(500)]);
  beforeAll(async () => {
    server = await startServer({ limits: { answerLength } });
    userId = await server.user();
  });
  afterAll(() => server.close());

  test('is not written any further once it is too long', async () => {
    const server = await startServer({ limits: { answerLength: 200_000 } });
    onTestFinished(() => server.close());
    const userId = await server.user();
    const message = 'ö'.repeat(4_096);
    await server.record(...Array.from({ length: 200 }, () => ({ userId, message })));
    const aliases = Array.from({ length: 30 }, (_, index) => `m${index}: message`).join(' ');
    const written = vi.spyOn(JSON, 'stringify');
    onTestFinished(() => written.mockRestore());
    const { data, errors } = await server.graphql(
      `{ user(id: "${userId}") { recentSyncEvents(limit: 200) { ${aliases} } } }`,
    );
    expect({ data, codes: errors.map(({ extensions }) => extensions.code) }).toEqual({
      data: null,
      codes: ['LIMIT_EXCEEDED'],
    });
    expect(written.mock.calls.filter(([value]) => value === message).length).toBeLessThan(100);
  });

  test('may be as long as the limit on every door, and no character longer', async () => {
    await server.record({ userId, message: 'x'.repeat(1_000) }, { userId, message: 'y'.repeat(500) });
    for (const [transport, ask] of Object.entries(transports))
      for (const _again of [1, 2]) {
        const { data, errors } = await ask(server.url, { query: asked(), headers: server.admin });
        expect({ transport, errors }).toEqual({ transport, errors: undefined });
        expect(JSON.stringify(data)).toHaveLength(answerLength);
      }
    await server.record({ userId, message: 'x'.repeat(1_001) });
    await server.record({ userId, message: 'y'.repeat(500) });
    for (const [transport, ask] of Object.entries(transports))
      for (const _again of [1, 2]) {
        const answer = await ask(server.url, { query: asked(), headers: server.admin });
        expect({ transport, ...answer }).toMatchObject({
          transport,
          data: null,
          errors: [
            {
              message: `An answer may have at most ${answerLength} characters of data: ask for less at once. What a mutation was to do has been done`,
              extensions: { code: 'LIMIT_EXCEEDED' },
            },
          ],
        });
        expect(answer.errors).toHaveLength(1);
      }
  });
});
