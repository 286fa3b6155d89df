import { describe, expect, test } from 'vitest';
import { BASE_PATH } from '../../src/transports/rest/routes.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { sendBytes } from '../support/raw-requests.ts';
import { type RestAnswer, type RestRequest, rest } from '../support/rest-client.ts';
import { type Headers, startServer, type TestServer } from '../support/server.ts';

/** What browsers are told and what they may not do, whoever has made them ask. */

let server: TestServer;
let userId: string;
shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

const json = { 'content-type': 'application/json' };
const query = encodeURIComponent('{ users(first: 1) { edges { cursor } } }');
const recording = `mutation { recordSyncEvents(input: { events: [] }) { results { duplicate } } }`;

/** Every path that answers something, and what answers with an error. */
function requests(): [path: string, request: RestRequest][] {
  const { admin: headers } = server;
  const below = `${BASE_PATH}/users/${userId}/sync`;
  const post = (body: unknown, more: Headers = {}): RestRequest => ({
    method: 'POST',
    headers: { ...headers, ...json, ...more },
    body,
  });
  const pages = ['/', '/docs', '/docs/', '/docs/start.js', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js'];
  const others = ['/openapi.json', '/healthz', '/readyz', '/metrics', '/graphql', '/nothing', '/%', `${below}/nothing`];
  const lists = ['recent', 'runs', 'history'].map((name) => `${below}/${name}`);
  return [
    ...[...pages, ...others, ...lists].map((path): [string, RestRequest] => [path, {}]),
    ...[...lists, `${BASE_PATH}/sync/runs`, `${BASE_PATH}/sync/history/run_1`, `${below}/recent/`].map(
      (path): [string, RestRequest] => [path, { headers }],
    ),
    ['/', { headers: { accept: 'text/html' } }],
    ['/graphql', { headers: { accept: 'text/html' } }],
    [`/graphql?query=${query}`, { headers }],
    [`/graphql?query=${query}`, { headers: { 'x-api-key': 'sk-nothing' } }],
    [`/graphql?query=${encodeURIComponent(recording)}`, { headers }],
    [
      `/graphql?query=${query}`,
      { headers: { ...headers, 'sec-fetch-mode': 'no-cors', 'sec-fetch-site': 'cross-site' } },
    ],
    ['/graphql', post({ query: '{ viewer { kind } }' })],
    ['/graphql', post({ query: '{ viewer { kind } }' }, { accept: 'application/graphql-response+json' })],
    ['/graphql', post({ query: '{' })],
    ['/graphql', post('{')],
    ['/graphql', post('{}', { 'content-type': 'text/plain' })],
    ['/graphql', post({ query: '{ viewer { kind } }' }, { accept: 'text/event-stream' })],
    ['/graphql', { method: 'OPTIONS' }],
    ['/graphql', { method: 'PUT', headers: json, body: {} }],
    ['/graphql', { method: 'HEAD', headers }],
    [`${below}/events`, post([])],
    [`${below}/events`, post('{')],
    [`${below}/recent`, { method: 'DELETE', headers }],
    [`${below}/recent?limit=0`, { headers }],
    [`${below}/stream`, {}],
    [`${BASE_PATH}/webhooks/open-wearables`, { method: 'POST', headers: json, body: {} }],
    ['/healthz', { method: 'POST' }],
  ];
}

function expectProtection(path: string, { headers }: RestAnswer): void {
  expect([path, headers]).toMatchObject([
    path,
    {
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': expect.stringMatching(/^default-src 'none'; .*frame-ancestors 'none'$/),
    },
  ]);
  const isKeptByBrowsers = headers['cache-control'] === 'private, no-cache';
  if (!isKeptByBrowsers) expect([path, headers['cache-control']]).toEqual([path, expect.stringContaining('no-store')]);
}

describe('every answer', () => {
  test('says what it is, may be shown in no frame, tells no address, and is not kept', async () => {
    for (const [path, request] of requests()) expectProtection(path, await rest(server.url + path, request));
  });

  test('does so again, when it is kept here or known to its client', async () => {
    for (const path of [`${BASE_PATH}/users/${userId}/sync/recent`, `/graphql?query=${query}`]) {
      for (let turn = 0; turn < 3; turn += 1) {
        const answer = await rest(server.url + path, { headers: server.admin });
        expectProtection(path, answer);
        expect(answer.headers['cache-control']).toBe('private, no-store');
        const known = await rest(server.url + path, {
          headers: { ...server.admin, 'if-none-match': answer.headers.etag ?? '' },
        });
        expect(known.status).toBe(304);
        expectProtection(path, known);
      }
    }
  });

  test('does so to who asks for a stream, and for a WebSocket that is refused', async () => {
    for (const path of [`${BASE_PATH}/users/${userId}/sync/stream`, '/graphql?query=subscription{syncRuns{id}}']) {
      const left = new AbortController();
      const headers = { ...server.admin, accept: 'text/event-stream' };
      const { headers: given } = await fetch(server.url + path, { headers, signal: left.signal });
      expect(given.get('content-type')).toContain('text/event-stream');
      expectProtection(path, { headers: Object.fromEntries(given) } as unknown as RestAnswer);
      left.abort();
    }
    const upgrade = 'GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    expect(await sendBytes(server.url, upgrade)).toMatch(/x-content-type-options: nosniff/i);
  });

  test('is not kept by browsers, but for the pages and scripts that hold nothing of anybody', async () => {
    const keeping: string[] = [];
    for (const [path, request] of requests()) {
      const { headers } = await rest(server.url + path, request);
      if (headers['cache-control'] === 'private, no-cache') keeping.push(path.replace(/\?.*/, ''));
    }
    expect([...new Set(keeping)].sort()).toEqual([
      '/docs',
      '/docs/',
      '/docs/start.js',
      '/docs/swagger-ui-bundle.js',
      '/docs/swagger-ui.css',
      '/graphql',
      '/openapi.json',
    ]);
  });
});

describe('a page of another site', () => {
  const simpleTypes = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''];

  test('changes and reads nothing by a form, which browsers send without asking us', async () => {
    for (const type of simpleTypes)
      for (const [path, body] of [
        ['/graphql', JSON.stringify({ query: 'mutation { upsertUser(input: { firstName: "Eve" }) { id } }' })],
        ['/graphql', 'query=mutation{upsertUser(input:{firstName:"Eve"}){id}}'],
        [
          '/graphql',
          '--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{"query":"{ __typename }"}\r\n--x--',
        ],
        [`${BASE_PATH}/users/${userId}/sync/events`, '{"run_id":"r","provider":"oura"}'],
      ] as const) {
        const headers = { ...server.admin, ...(type && { 'content-type': type }) };
        const answer = await rest(server.url + path, { method: 'POST', headers, body });
        expect([type, path, answer.status]).toEqual([type, path, 415]);
        expect(answer.text).not.toContain('data":');
      }
  });

  test('changes nothing by a link or an image', async () => {
    const path = `/graphql?query=${encodeURIComponent('mutation { upsertUser(input: { firstName: "Eve" }) { id } }')}`;
    expect((await rest(server.url + path, { headers: server.admin })).status).toBe(405);
    const events = `${BASE_PATH}/users/${userId}/sync/events`;
    expect((await rest(server.url + events, { headers: server.admin })).status).toBe(405);
  });

  test('embeds nothing, on any door', async () => {
    for (const site of ['cross-site', 'same-site'])
      for (const [path, text] of [
        [`/graphql?query=${query}`, '"code":"FORBIDDEN"'],
        [`${BASE_PATH}/users/${userId}/sync/recent`, '{"detail":'],
        ['/docs/start.js', '{"detail":'],
      ] as const) {
        const headers = { ...server.admin, 'sec-fetch-mode': 'no-cors', 'sec-fetch-site': site };
        const answer = await rest(server.url + path, { headers });
        expect([path, answer.status]).toEqual([path, 403]);
        expect(answer.text).toContain(text);
      }
  });

  test('links to the pages, and what it fetches by CORS is for its browser to show or to hide', async () => {
    const link = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site' };
    for (const path of ['/', '/docs', '/graphql'])
      expect((await rest(server.url + path, { headers: link })).status).toBe(200);
    const open = await startServer({ settings: { CORS_ORIGINS: 'https://app.example' } });
    try {
      for (const [origin, allowed] of [
        ['https://app.example', 'https://app.example'],
        ['https://foreign.example', undefined],
      ] as const) {
        const fetched = { origin, 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'cross-site', ...open.admin };
        const answer = await rest(`${open.url}/graphql?query=${query}`, { headers: fetched });
        expect(answer.status).toBe(200);
        expect(answer.headers['access-control-allow-origin']).toBe(allowed);
      }
    } finally {
      await open.close();
    }
  });

  test('is not what asks where a page of this server loads its own', async () => {
    const own = { 'sec-fetch-mode': 'no-cors', 'sec-fetch-site': 'same-origin' };
    expect((await rest(`${server.url}/docs/start.js`, { headers: own })).status).toBe(200);
  });
});
