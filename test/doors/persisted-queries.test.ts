import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { shareUnchangedServer } from '../support/no-change.ts';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { rest } from '../support/rest-client.ts';
import type { TestServer } from '../support/server.ts';

let server: TestServer;
shareUnchangedServer((shared) => {
  server = shared;
});

const query = 'query Who { viewer { kind } }';
const extensions = {
  clientLibrary: { name: '@apollo/client', version: '4.3.8' },
  persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') },
};
const notSupported = { message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } };
const hash = { operationName: 'Who', variables: {}, extensions };

/** What Apollo's link for persisted queries sends first, and what it accepts. */
const accepted = ['application/graphql-response+json,application/json;q=0.9', 'application/json', '*/*'];

describe('a hash in the place of a document', () => {
  test('is answered so that clients send the document, by POST and by GET', async () => {
    const inUrl = Object.entries(hash).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    for (const accept of accepted) {
      const headers = { ...server.admin, accept, 'content-type': 'application/json' };
      for (const answer of [
        await rest(`${server.url}/graphql`, { method: 'POST', headers, body: hash }),
        await rest(`${server.url}/graphql?${new URLSearchParams(inUrl)}`, { headers: { ...server.admin, accept } }),
      ]) {
        expect(answer.body).toEqual({ errors: [notSupported] });
        if (accept === 'application/json') expect(answer.status).toBe(200);
      }
    }
  });

  test('beside the document changes nothing', async () => {
    for (const accept of accepted) {
      const headers = { ...server.admin, accept, 'content-type': 'application/json' };
      const answer = await rest(`${server.url}/graphql`, { method: 'POST', headers, body: { ...hash, query } });
      expect([answer.status, answer.body]).toMatchObject([200, { data: { viewer: { kind: 'SERVICE' } } }]);
    }
  });

  test('is no reason to close a WebSocket', async () => {
    const socket = await openRawSocket(server.url);
    socket.send(initMessage({ ...server.admin }));
    await socket.next();
    socket.send({ type: 'subscribe', id: '1', payload: { ...hash, query: '' } });
    expect(await socket.next()).toEqual({ type: 'error', id: '1', payload: [notSupported] });
    socket.send({ type: 'subscribe', id: '2', payload: { ...hash, query } });
    expect(await socket.next()).toMatchObject({
      type: 'next',
      id: '2',
      payload: { data: { viewer: { kind: 'SERVICE' } } },
    });
    socket.close();
  });
});
