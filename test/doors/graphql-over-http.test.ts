import { type AuditFail, serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deepList } from '../support/extreme-input.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

/** As shipped, with every limit on; some audits ask for the schema. */
const shipped = { RATE_LIMITS: '1', LOAD_SHEDDING: 'on', MAX_STREAMS: '10000', INTROSPECTION: 'on' };

beforeAll(async () => {
  server = await startServer({ settings: shipped });
});
afterAll(() => server.close());

/** The audits of the GraphQL over HTTP specification, without a credential. */
const audits = serverAudits({ url: () => `${server.url}/graphql` });

describe('GraphQL over HTTP', () => {
  test('is audited in full', () => {
    expect(audits.length).toBeGreaterThanOrEqual(61);
  });

  test.each(audits.map((audit) => [audit.name, audit] as const))('%s', async (_, audit) => {
    const result = await audit.fn();
    expect(result.status, (result as AuditFail).reason).toBe('ok');
  });

  test('answers with the fields in the order in which they were asked for (GraphQL specification, 7.2.2)', async () => {
    const id = await server.user({ firstName: 'Ada' });
    const { data } = await server.graphql(
      `{ user(id: "${id}") { firstName recentSyncEvents { id } syncRuns { edges { cursor } } headCursor id } }`,
    );
    expect(Object.keys(data.user)).toEqual(['firstName', 'recentSyncEvents', 'syncRuns', 'headCursor', 'id']);
  });

  test('tells a client that accepts no stream what a subscription needs, and keeps nothing of it', async () => {
    const userId = await server.user();
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...server.admin },
      body: JSON.stringify({ query: `subscription { syncEvents(userId: "${userId}") { cursor } }` }),
    });
    expect(response.status).toBe(406);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: 'A subscription needs `accept: text/event-stream`, or a WebSocket',
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ],
    });
    expect(server.app.services.log.followedLogs).toBe(0);
  });

  test.each([
    ['a document past a bound', { query: `{ ${'a: __typename '.repeat(31)} }` }],
    ['a document that does not fit the schema', { query: '{ nothing }' }],
    ['a text that is no document', { query: '{' }],
    ['variables that do not fit', { query: 'query ($id: UUID!) { user(id: $id) { id } }', variables: { id: 'x' } }],
    ['variables that are nested too deep', { query: '{ __typename }', variables: { deep: JSON.parse(deepList(41)) } }],
    [
      'a cost past the bound',
      { query: '{ users(first: 100) { edges { node { syncRuns(first: 200) { edges { node { user { id } } } } } } } }' },
    ],
    [
      'too much of the schema',
      {
        query: `{ ${Array.from({ length: 20 }, (_, n) => `a${n}: __schema { types { fields { name type { fields { name } } } } }`).join(' ')} }`,
      },
    ],
  ])(
    'refuses %s with 400 to who accepts the media type of GraphQL, and with 200 to who knows JSON alone',
    async (_, parameters) => {
      const answers = ['application/graphql-response+json', 'application/json'].map(async (accept) => {
        const headers = { ...server.admin, 'content-type': 'application/json', accept };
        const response = await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers,
          body: JSON.stringify(parameters),
        });
        return { status: response.status, body: await response.json() };
      });
      const [graphql, json] = await Promise.all(answers);
      expect([graphql?.status, json?.status]).toEqual([400, 200]);
      expect(graphql?.body).toEqual(json?.body);
      expect(graphql?.body).toMatchObject({ errors: [{ extensions: { code: expect.any(String) } }] });
      expect(graphql?.body).not.toHaveProperty('data');
    },
  );

  test.each([
    ['application/json', 200, 'UNAUTHENTICATED'],
    ['application/graphql-response+json', 200, 'UNAUTHENTICATED'],
    ['*/*', 200, 'UNAUTHENTICATED'],
    ['text/event-stream', 200, 'UNAUTHENTICATED'],
    ['multipart/mixed', 406, ''],
  ])(
    'refuses a subscription without a credential, to a client that accepts %s, with %i',
    async (accept, status, code) => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify({ query: `subscription { syncEvents(userId: "${await server.user()}") { cursor } }` }),
      });
      expect(response.status).toBe(status);
      const body = await response.text();
      if (code) expect(body).toContain(code);
      else expect(body).toBe('');
    },
  );
});
