import { type AuditFail, serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** The audits of the GraphQL over HTTP specification, against the shipped configuration and without a credential. */
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
