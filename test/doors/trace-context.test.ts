import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Headers, startServer } from '../support/server.ts';
import { openWebSocketStream } from '../support/streams.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = `00-${traceId}-00f067aa0ba902b7-01`;

async function started(level = 'debug') {
  const lines: string[] = [];
  const server = await startServer({ logger: pino({ level }, { write: (line: string) => void lines.push(line) }) });
  onTestFinished(() => server.close());
  const entries = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');
  return { server, lines, entries };
}

const doors: [string, string, RequestInit][] = [
  [
    'GraphQL',
    '/graphql',
    { method: 'POST', body: '{"query":"{ __typename }"}', headers: { 'content-type': 'application/json' } },
  ],
  ['REST', '/api/v1/sync/runs', {}],
  ['a page', '/healthz', {}],
];

describe.each(doors)('over %s', (_, path, { headers: own, ...init }) => {
  test('a request goes on with the trace that it names, is answered with its own place in it, and logged with both', async () => {
    const { server, entries } = await started();
    const ask = async (headers: Headers) => {
      const given = { ...server.admin, ...(own as Headers), ...headers };
      return (await fetch(server.url + path, { ...init, headers: given })).headers;
    };
    const told = (await ask({ traceparent: parent })).get('traceparent') ?? '';
    expect(told).toMatch(new RegExp(`^00-${traceId}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`));
    await expect.poll(entries).toContainEqual(expect.objectContaining({ traceId, spanId: told.split('-')[2] }));
    expect((await ask({})).has('traceparent')).toBe(false);
    const id = randomUUID();
    expect((await ask({ 'x-request-id': id })).get('x-request-id')).toBe(id);
    await expect.poll(entries).toContainEqual(expect.objectContaining({ id }));
  });

  test.each([
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `ff-${traceId}-00f067aa0ba902b7-01`,
    `00-${traceId.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${traceId}-00f067aa0ba902b7-01-more`,
    `00-${traceId}-00f067aa0ba902b7`,
    'sk-secret',
  ])('one that cannot be read is replaced: %s', async (traceparent) => {
    const { server } = await started();
    const { headers } = await fetch(server.url + path, { ...init, headers: { ...(own as Headers), traceparent } });
    expect(headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(headers.get('traceparent')).not.toContain(traceId);
  });

  test.each(['a b', 'x'.repeat(129), `sk-${'0'.repeat(64)}`, 'é'])('an id that is none is replaced: %s', async (id) => {
    const { server } = await started();
    const { headers } = await fetch(server.url + path, {
      ...init,
      headers: { ...(own as Headers), 'x-request-id': id },
    });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

test('a later version of the header is read as far as this one goes', async () => {
  const { server } = await started();
  const traceparent = `01-${traceId}-00f067aa0ba902b7-01-what-comes`;
  const { headers } = await fetch(`${server.url}/healthz`, { headers: { traceparent } });
  expect(headers.get('traceparent')).toMatch(new RegExp(`^00-${traceId}-`));
});

test('operations on a socket are in the trace that it was opened in', async () => {
  const { server, entries } = await started();
  const query = `subscription { syncEvents(userId: "${await server.user()}") { cursor } }`;
  const stream = await openWebSocketStream(server.url, { query, headers: { ...server.admin, traceparent: parent } });
  await stream.next();
  await stream.close();
  await expect.poll(() => entries().filter(({ door }) => door === 'websocket')).toMatchObject([{ door: 'websocket' }]);
});

test('a request that fails by a mistake of ours is in the log without `debug`, with the ids of the errors', async () => {
  const { server, lines, entries } = await started('info');
  const { runs, sources } = server.app.services;
  const broken = async () => {
    throw new Error('broken');
  };
  sources.list = broken;
  Object.assign(runs, { page: broken, list: broken, newest: broken });
  const { errors } = await server.graphql('query Ours { sources { name } }');
  const { id } = errors[0]?.extensions ?? {};
  await expect.poll(entries).toMatchObject([{ level: 40, operation: 'query Ours', errorIds: [id] }]);
  expect(lines.filter((line) => line.includes(String(id)))).toHaveLength(2);
});
