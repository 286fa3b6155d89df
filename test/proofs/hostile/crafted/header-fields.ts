import type { HttpInput } from '../input.ts';
import type { Target } from '../target.ts';

const base64url = (text: string) => Buffer.from(text).toString('base64url');
const token = (header: string, claims: string, signature = 'c2ln') =>
  `Bearer ${base64url(header)}.${base64url(claims)}.${signature}`;

/** By header, what it may hold. */
const fields: Readonly<Record<string, readonly string[]>> = {
  authorization: [
    '',
    'Bearer',
    'Bearer ',
    'Bearer a.b.c',
    'Bearer ..',
    'bearer x',
    'Basic YTpi',
    'Digest username="x"',
    `Bearer ${'x'.repeat(12_000)}`,
    `Bearer ${'a.'.repeat(4_000)}`,
    token('{"alg":"none"}', '{"sub":"x"}', ''),
    token('{"alg":"NONE"}', '{"sub":"x"}'),
    token('{"alg":"HS256"}', '{'),
    token('{"alg":"HS256"}', 'null'),
    token('null', 'null'),
    token('[]', '[]'),
    token('{"alg":["HS256"]}', '{}'),
    token('{"alg":"HS256","crit":["exp"]}', '{"exp":"x"}'),
    token('{"alg":"RS256","jku":"http://127.0.0.1:1/"}', '{}'),
    token('{"alg":"RS256","kid":"../../../../etc/passwd"}', '{}'),
    token('{"alg":"HS256","b64":false,"crit":["b64"]}', '{}'),
    token('{"alg":"HS256","__proto__":{"alg":"none"}}', '{"exp":1e400}'),
  ],
  'x-api-key': ['', ' ', 'x', 'x'.repeat(256), 'x'.repeat(257), 'x'.repeat(14_000), '__proto__', "' OR 1=1", 'sl_'],
  'x-open-wearables-api-key': ['', 'x', 'x'.repeat(300), 'sk-', '%00'],
  accept: [
    '',
    '*/*',
    'text/html',
    'text/event-stream',
    'application/json;q=0',
    '*/*;q=2',
    ',,,',
    'a/'.repeat(3_000),
    'multipart/mixed',
  ],
  'accept-encoding': ['gzip', 'br;q=1e9', 'identity;q=0, *;q=0', 'x'.repeat(5_000)],
  'content-encoding': ['gzip', 'br', 'deflate, gzip', 'identity', 'x', ''],
  'last-event-id': ['', '0', '-1', 'x', '9'.repeat(400), '9223372036854775808', '1e3', '../', 'x'.repeat(10_000)],
  'if-none-match': ['*', '""', 'W/"x"', `"${'x'.repeat(8_000)}"`, '"a","b"', ','],
  origin: [
    'null',
    'http://evil.example',
    'http://localhost',
    'file://',
    'http://[::1',
    'javascript:',
    '*',
    'x'.repeat(5_000),
    '',
  ],
  'access-control-request-method': ['POST', 'TRACE', 'x y', ''],
  'access-control-request-headers': ['x-api-key', '*', `${'a,'.repeat(3_000)}a`],
  'sec-fetch-site': ['cross-site', 'none', 'x'],
  'sec-fetch-dest': ['iframe', 'embed', 'object', 'x'],
  referer: ['http://evil.example/?x=1'],
  cookie: ['a=b', `a=${'x'.repeat(10_000)}`, '__proto__=1'],
  expect: ['100-continue', '200-ok', 'x'],
  'x-forwarded-for': ['127.0.0.1', '::1, x, , ,', '1'.repeat(5_000), '999.999.999.999', "'"],
  'x-forwarded-host': ['evil.example', 'a b'],
  'x-forwarded-proto': ['https', 'javascript'],
  forwarded: ['for=127.0.0.1;host=evil', 'for="[::1'],
  host: ['', 'x', 'evil.example:99999', '[::1', 'a b', 'x@y', '%', 'x'.repeat(5_000)],
  range: ['bytes=0-', 'bytes=-1', 'bytes=9999999999-0', 'items=1'],
  traceparent: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '00-0-0-0', 'ff', 'x'.repeat(3_000)],
  'x-request-id': ['x', 'a\tb', 'x'.repeat(3_000), '{"a":1}'],
  'x-http-method-override': ['DELETE', 'x'],
  upgrade: ['websocket', 'h2c', 'x', 'websocket, h2c'],
  connection: ['upgrade', 'close, upgrade', 'keep-alive, x-api-key', 'host'],
  te: ['trailers', 'chunked'],
  'content-length': ['0', '1'],
};

const methods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'REPORT',
  'PURGE',
  'M-SEARCH',
];

/** Each field on a query and on a list of REST; each method on each place. */
export function headerInputs({ admin, userIds }: Target): HttpInput[] {
  const rest = `/api/v1/users/${userIds[0]}/sync/recent`;
  const places = [
    '/',
    '/graphql',
    '/graphql/',
    rest,
    rest.replace('recent', 'stream'),
    rest.replace('recent', 'events'),
  ].concat([
    ...['/healthz', '/readyz', '/metrics', '/docs', '/openapi.json', '/api/v1/webhooks/open-wearables', '/favicon.ico'],
    ...['/graphql/stream', '/api/v1', '/assets/x.js'],
  ]);
  const inputs: HttpInput[] = [];
  for (const [name, values] of Object.entries(fields))
    for (const value of values) {
      const headers = { ...admin, 'content-type': 'application/json', [name]: value };
      const named = { kind: `header ${name}`, form: 'http', headers } as const;
      inputs.push({
        ...named,
        door: 'POST',
        method: 'POST',
        path: '/graphql',
        body: '{"query":"{ viewer { __typename } }"}',
      });
      inputs.push({ ...named, door: 'REST', method: 'GET', path: rest });
    }
  for (const method of methods)
    for (const path of places)
      for (const headers of [{}, admin])
        inputs.push({ kind: 'methods', door: 'HTTP', form: 'http', method, path, headers });
  return inputs;
}
