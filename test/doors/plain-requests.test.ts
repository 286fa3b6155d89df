import { EventEmitter, once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import { KeptAnswers } from '../../src/operations/kept-answers.ts';
import { closed, connectTo } from '../support/connection.ts';
import { rest } from '../support/rest-client.ts';
import { startServer } from '../support/server.ts';

const origin = 'https://app.example';
const server = await startServer({ settings: { CORS_ORIGINS: origin } });
afterAll(() => server.close());
const { services } = server.app;
const json = { 'content-type': 'application/json' };
const ask = (headers: object, body: unknown) =>
  rest(`${server.url}/graphql`, { method: 'POST', headers: { ...json, ...server.admin, ...headers }, body });

test('a client that leaves while its credential is looked up leaves no stream behind', async () => {
  const userId = await server.user();
  const { verify } = services.keys;
  const steps = new EventEmitter();
  const lookedUp = once(steps, 'looked up');
  services.keys.verify = async (secret) => {
    steps.emit('looked up');
    await once(steps, 'left');
    return verify.call(services.keys, secret);
  };
  const body = JSON.stringify({ query: `subscription { syncEvents(userId: "${userId}") { cursor } }` });
  const head = ['POST /graphql HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Accept: text/event-stream'];
  const credential = Object.entries(server.admin).map(([name, value]) => `${name}: ${value}`);
  const socket = connectTo(server.url);
  socket.write([...head, ...credential, `Content-Length: ${body.length}`, '', body].join('\r\n'));
  await lookedUp;
  socket.destroy();
  await closed(socket);
  await rest(`${server.url}/healthz`); // by then the server has heard of it
  steps.emit('left');
  services.keys.verify = verify;
  await ask({}, { query: '{ __typename }' });
  expect((await rest(`${server.url}/metrics`)).text).toContain('\nsynclog_open_streams{door="graphql"} 0\n');
});

test('a body that breaks off changes nothing, even where what has come of it is a whole request', async () => {
  const id = crypto.randomUUID();
  const body = JSON.stringify({ query: `mutation { upsertUser(input: { id: "${id}" }) { id } }` });
  const head = ['POST /graphql HTTP/1.1', 'Host: x', 'Content-Type: application/json'];
  const credential = Object.entries(server.admin).map(([name, value]) => `${name}: ${value}`);
  const socket = connectTo(server.url);
  socket.end([...head, ...credential, `Content-Length: ${body.length + 1}`, '', body].join('\r\n'));
  socket.resume();
  await closed(socket);
  await ask({}, { query: 'mutation { upsertUser(input: {}) { id } }' });
  expect(await services.users.byIds([id])).toEqual([]);
});

test('no client says which headers the answers to others have', async () => {
  const query = { query: '{ __typename }' };
  const asked = { 'access-control-request-headers': 'x-foreign', 'access-control-request-method': 'FOREIGN' };
  for (const headers of [asked, asked, {}, {}, asked]) {
    const answer = await ask({ origin, ...headers }, query);
    expect(answer.headers['access-control-allow-headers']).toBe(headers === asked ? 'x-foreign' : undefined);
    expect(answer.headers['access-control-allow-methods']).toBe(headers === asked ? 'FOREIGN' : undefined);
  }
});

test('a body that is the URL of a query is no query', async () => {
  const path = `/graphql?${new URLSearchParams({ query: '{ __typename }' })}`;
  for (let times = 0; times < 3; times += 1) await rest(server.url + path, { headers: { ...json, ...server.admin } });
  expect((await ask({}, path)).status).toBe(400);
});

test('a kept answer takes the memory of its own bytes, not of the buffer that they were written into', async () => {
  const kept = new KeptAnswers(services);
  const viewer = { kind: 'user', userId: crypto.randomUUID(), via: 'sync:self', expiresAt: new Date() } as const;
  kept.keep(viewer, 'a request', { headers: {}, operation: '', body: Buffer.from('{}') }, [], kept.era);
  const found = await kept.find(viewer, 'a request');
  expect(found?.body.toString()).toBe('{}');
  expect(found?.body.buffer.byteLength).toBe(2);
  kept.close();
});
