import { describe, expect, onTestFinished, test } from 'vitest';
import { connectTo } from '../support/connection.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { send, sendBytes } from '../support/raw-requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
shareUnchangedServer((shared) => {
  server = shared;
});

describe('HTTP', () => {
  const json = { 'content-type': 'application/json' };
  const query = JSON.stringify({ query: '{ __typename }' });
  const mutation = JSON.stringify({ query: 'mutation { upsertUser(input: {}) { id } }' });

  test('refuses a body that does not say that it is JSON', async () => {
    const form = new URLSearchParams({ query: 'mutation { upsertUser(input: {}) { id } }' }).toString();
    const part = `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${mutation}\r\n--x--\r\n`;
    const bodies: readonly [type: string | undefined, body: string][] = [
      ['application/x-www-form-urlencoded', form],
      ['multipart/form-data; boundary=x', part],
      ['text/plain', mutation],
      ['text/plain; application/json', mutation],
      ['application/graphql', 'mutation { upsertUser(input: {}) { id } }'],
      ['application/graphql+json', mutation],
      ['', mutation],
      [undefined, mutation],
    ];
    for (const [type, body] of bodies)
      for (const framed of [body, [body]])
        expect(
          await send(server.url, {
            headers: { ...server.admin, ...(type !== undefined && { 'content-type': type }) },
            body: framed,
          }),
        ).toMatchObject({ status: 415, codes: ['BAD_USER_INPUT'] });
  });

  test('takes JSON under its name in any case, with parameters', async () => {
    for (const type of [
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json ;x=y',
    ])
      for (const body of [query, [query.slice(0, 5), query.slice(5)]])
        expect(await send(server.url, { headers: { 'content-type': type }, body })).toMatchObject({ status: 200 });
  });

  test('refuses a body that is no GraphQL request', async () => {
    const malformed = [
      ...[
        '',
        ' ',
        '{',
        '{"query":',
        'nothing',
        'null',
        '1',
        '"{ __typename }"',
        '[]',
        `[${query}]`,
        `[${query},${query}]`,
      ],
      ...['{"query":1}', '{"query":["{ __typename }"]}', '{"query":{}}', '\ufeff', '{"query":"{ __typename }"}}'],
      ...['1', '"{}"', '[]', 'true', '[{}]'].map((value) => `{"query":"{ __typename }","variables":${value}}`),
      ...['1', '"{}"', '[]'].map((value) => `{"query":"{ __typename }","extensions":${value}}`),
      ...['1', '{}', '"Nothing"', 'true'].map((value) => `{"query":"query A { __typename }","operationName":${value}}`),
      '{"query":"{ __typename }","other":1}',
      '{"query":"query A { __typename } query B { __typename }"}',
    ];
    // For these the specification asks for 200 where the client accepts application/json.
    const withoutQuery = ['{}', '{"query":null}', '{"variables":{}}'];
    for (const [status, bodies] of [
      [400, malformed],
      [200, withoutQuery],
    ] as const)
      for (const body of bodies)
        for (const framed of [body, [body]]) {
          const answer = await send(server.url, { headers: json, body: framed });
          expect({ body, status: answer.status, codes: answer.codes }).toEqual({
            body,
            status,
            codes: ['BAD_USER_INPUT'],
          });
        }
  });

  test('does not repeat a broken body in its answer', async () => {
    for (const body of ['{"secret', '{"secret":']) {
      const answer = await send(server.url, { headers: json, body });
      expect(answer.body).not.toContain('secret');
    }
  });

  test('refuses an empty or broken document with the code of its errors', async () => {
    for (const text of [
      '',
      ' ',
      '#',
      '{',
      'query',
      '\0',
      '{ a(b: "\\uD800") }',
      'fragment F on Query { __typename }',
      'type A { b: C }',
    ])
      expect(await send(server.url, { headers: json, body: JSON.stringify({ query: text }) })).toMatchObject({
        codes: ['BAD_USER_INPUT'],
      });
  });

  test('refuses bodies that are too large, with a length and without', async () => {
    const large = JSON.stringify({ query: `# ${'x'.repeat(9 * 1_048_576)}\n{ __typename }` });
    for (const body of [large, [large.slice(0, 5_000_000), large.slice(5_000_000)]])
      expect(await send(server.url, { headers: json, body })).toMatchObject({ status: 413, codes: ['LIMIT_EXCEEDED'] });
  });

  test('takes bodies up to the bound, counted in bytes', async () => {
    const narrow = await startServer({ limits: { requestBytes: 400 } });
    onTestFinished(() => narrow.close());
    const frame = JSON.stringify({ query: '{ __typename } # ' });
    const padded = (bytes: number) => frame.replace('# ', `# ü${'x'.repeat(bytes - Buffer.byteLength(frame) - 2)}`);
    for (const [bytes, status] of [
      [400, 200],
      [401, 413],
    ] as const)
      for (const body of [padded(bytes), [padded(bytes)], [...padded(bytes)]])
        expect(await send(narrow.url, { headers: json, body })).toMatchObject({ status });
  });

  test('cuts off a body without an end, and serves on', async () => {
    const narrow = await startServer({ limits: { requestBytes: 400 } });
    onTestFinished(() => narrow.close());
    const head =
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const answer = await sendBytes(narrow.url, `${head}${'5\r\nabcde\r\n'.repeat(200)}`);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect((await narrow.graphql('{ __typename }')).status).toBe(200);
  });

  test('refuses what breaks the rules of HTTP, and does not show its inside', async () => {
    const requests = [
      'GET /graphql?query={__typename} HTTP/1.1\r\nHost: ][\r\n\r\n',
      'GET /graphql?query={__typename} HTTP/1.1\r\nHost: a b\r\n\r\n',
      'POST /graphql HTTP/1.1\r\nHost: [::1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    ];
    for (const request of requests) {
      const answer = await sendBytes(server.url, request, '\r\n0\r\n\r\n');
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer).not.toMatch(/node_modules|\.js|\.ts/);
    }
  });

  test('reads with GET and changes nothing', async () => {
    const get = (parameters: Record<string, string>) =>
      send(server.url, { method: 'GET', path: `/graphql?${new URLSearchParams(parameters)}`, headers: server.admin });
    expect(await get({ query: '{ __typename }' })).toMatchObject({ status: 200 });
    expect(await get({ query: 'mutation { upsertUser(input: {}) { id } }' })).toMatchObject({
      status: 405,
      codes: ['BAD_USER_INPUT'],
    });
    for (const parameters of [
      { query: '{ __typename }', variables: '{' },
      { query: '{ __typename }', variables: '[]' },
    ])
      expect(await get(parameters)).toMatchObject({ status: 400, codes: ['BAD_USER_INPUT'] });
    for (const method of ['PUT', 'DELETE', 'PATCH'])
      expect(await send(server.url, { method, headers: json, body: mutation })).toMatchObject({
        status: 405,
        codes: ['BAD_USER_INPUT'],
      });
  });

  test('outlives clients that leave in the middle of a request', async () => {
    const unexpected: unknown[] = [];
    const listener = (error: unknown) => unexpected.push(error);
    process.on('uncaughtException', listener).on('unhandledRejection', listener);
    onTestFinished(() => void process.off('uncaughtException', listener).off('unhandledRejection', listener));
    const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const upgrade = 'HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    const beginnings = [
      `${head}Content-Length: 50\r\n\r\n{"query"`,
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`,
      `GET /nothing ${upgrade}\r\n`,
      `GET /graphql ${upgrade}Origin: http://foreign.example\r\n\r\n`,
      `GET /graphql ${upgrade}\r\n`,
      `GET /graphql ${upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    ];
    for (const beginning of beginnings)
      for (const leave of ['destroy', 'resetAndDestroy'] as const) {
        const socket = connectTo(server.url);
        await new Promise<void>((resolve) => socket.write(beginning, () => resolve()));
        // A refused upgrade is answered at once; a broken request leaves the server waiting for the rest.
        if (beginning.startsWith('GET')) await new Promise((resolve) => socket.once('data', resolve));
        socket[leave]();
        await server.graphql('{ __typename }');
      }
    expect(unexpected).toEqual([]);
  });
});
