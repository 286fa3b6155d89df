import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closed, connectTo } from '../support/connection.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    settings: { KEEP_ALIVE_SECONDS: '1' },
    limits: { headersMs: 100, requestMs: 300, connectionIdleMs: 700 },
  });
});
afterAll(() => server.close());

function open(): Socket {
  return connectTo(server.url);
}

/** All that the server says until it closes the connection, while a client sends a byte now and then. */
async function dribble(beginning: string, byte: string): Promise<string> {
  const socket = open();
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.write(beginning);
  const dribbling = setInterval(() => socket.write(byte), 50);
  await closed(socket);
  clearInterval(dribbling);
  return text;
}

const post = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

describe('a client that is slow', () => {
  test.each([
    ['with its headers', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ', 'x'],
    ['with a body that has a length', `${post}Content-Length: 100000\r\n\r\n`, ' '],
    ['with chunks, one byte each', `${post}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
    ['with a body for REST', `${post.replace('/graphql', '/api/v1/users/x/sync/events')}Content-Length: 9\r\n\r\n`, ''],
  ])('is cut off in the end: %s', async (_, beginning, byte) => {
    const text = await dribble(beginning, byte);
    expect(text === '' || /^HTTP\/1.1 (401|408) /.test(text)).toBe(true);
    expect((await server.graphql('{ __typename }')).status).toBe(200);
  });

  test('is cut off when it says less than it announced, and its mutation does not run', async () => {
    const mutation = '{"query":"mutation { upsertUser(input: { externalUserId: \\"cut\\" }) { id } }"}';
    const key = `X-Api-Key: ${server.admin['x-api-key']}\r\n`;
    await dribble(`${post}${key}Content-Length: ${mutation.length + 1}\r\n\r\n${mutation}`, '');
    const { data } = await server.graphql('{ users(first: 1) { edges { cursor } } }');
    expect(data.users.edges).toEqual([]);
  });

  test('is refused and cut off when it says more than it announced', async () => {
    const query = '{"query":"{ __typename }"}';
    const text = await dribble(`${post}Content-Length: ${query.length}\r\n\r\n${query}more`, '');
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400']);
  });

  test('does not hold up others, nor is it held, when it is many', async () => {
    const silent = Array.from({ length: 300 }, open);
    const allClosed = Promise.all(silent.map(closed));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    expect((await server.graphql('{ __typename }')).status).toBe(200);
    for (const socket of silent) socket.resume();
    await allClosed;
  });
});
