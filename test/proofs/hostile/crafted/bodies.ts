import type { Bytes, HttpInput } from '../input.ts';
import type { Target } from '../target.ts';
import { texts } from '../values.ts';

const json = 'application/json';
const query = '{"query":"{ __typename }"}';
const base64 = (...bytes: readonly (Buffer | string)[]): Bytes => ({
  base64: Buffer.concat(bytes.map((part) => Buffer.from(part))).toString('base64'),
});
const deep = (open: string, close: string, depth: number) => `${open.repeat(depth)}${close.repeat(depth)}`;

/** Bodies that are no request of GraphQL, or hardly. */
const bodies: readonly Bytes[] = [
  '',
  ' ',
  'null',
  'true',
  '0',
  '""',
  '[]',
  '[[]]',
  '{}',
  '{',
  '{"query"',
  '{"query":}',
  '{"query":"{ __typename }",}',
  "{'query':'{ __typename }'}",
  '{"query":"{ __typename }"}{"query":"{ __typename }"}',
  '{"query":"{ __typename }"}garbage',
  '{"query":"{ __typename }","query":"mutation { nope }"}',
  '{"__proto__":{"query":"{ __typename }"}}',
  '{"query":"{ __typename }","__proto__":{"variables":1}}',
  '{"query":"{ __typename }","constructor":{"prototype":{}}}',
  ...['null', '1', 'true', '[]', '{}', '"{}"', '[1]'].flatMap((value) =>
    ['query', 'variables', 'operationName', 'extensions', 'documentId', 'doc_id', 'id'].map((name) =>
      name === 'query' ? `{"query":${value}}` : `{"query":"{ __typename }","${name}":${value}}`,
    ),
  ),
  '{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}',
  '{"extensions":{"persistedQuery":{"version":9e9,"sha256Hash":null}}}',
  '{"extensions":{"persistedQuery":[]},"query":"{ __typename }"}',
  '{"extensions":{"persistedQuery":null},"query":"{ __typename }"}',
  '{"documentId":"sha256:"}',
  `{"documentId":"sha256:${'0'.repeat(64)}"}`,
  '{"doc_id":"__proto__"}',
  '{"id":"constructor"}',
  `[${Array(200).fill(query).join(',')}]`,
  deep('[', ']', 100_000),
  deep('{"query":', '}', 50_000),
  `{"query":"{ __typename }","variables":${deep('[', ']', 100_000)}}`,
  `{"query":"{ __typename }","variables":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
  `{"query":"{ __typename }","extensions":${deep('[', ']', 41)}}`,
  `{"query":"${' '.repeat(250_000)}{ __typename }"}`,
  `{"query":"${' '.repeat(300_000)}{ __typename }"}`,
  `${' '.repeat(9_000_000)}${query}`,
  `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":${n}`).join(',')}}`,
  base64(query.slice(0, 10), Buffer.from([0xff, 0xfe]), query.slice(10)),
  base64(Buffer.from([0xef, 0xbb, 0xbf]), query),
  base64(Buffer.from([0xff, 0xfe]), Buffer.from(query, 'utf16le')),
  base64(Buffer.from(query, 'utf16le')),
  base64(Buffer.from('{"query":"{ __typename #'), Buffer.from([0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf8, 0x88]), '"}'),
  base64(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), query),
  '{"query":"\\ud800"}',
  '{"query":"{ __typename }","operationName":"\\u0000"}',
  '{"query":"query A { __typename } query B { __typename }","operationName":"C"}',
  '{"query":"query A { __typename } query A { __typename }"}',
  '\u0000',
  '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
  'query={ __typename }',
  '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{ __typename }"}\r\n--x--',
  '--x\r\nContent-Disposition: form-data; name="map"; filename="../../x"\r\n\r\n{}\r\n',
  '--x',
];

const contentTypes = [
  json,
  'application/json; charset=utf-8',
  'APPLICATION/JSON',
  'application/json; charset=utf-16',
  'application/json; charset=latin1',
  'application/json; charset="',
  'application/json;;;',
  'application/graphql',
  'application/graphql-response+json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'multipart/mixed; boundary="',
  'text/plain',
  'text/plain; application/json',
  '*/*',
  '',
  'x'.repeat(2_000),
];

/** Each body with the type of JSON, and each type with the body of a query, and of an upload. */
export function bodyInputs({ admin, userIds }: Target): HttpInput[] {
  const post = (path: string, body: Bytes, type: string): HttpInput => ({
    ...{ kind: 'bodies', door: 'POST', form: 'http', method: 'POST', path, body },
    headers: { 'content-type': type, ...admin },
  });
  const recording = `/api/v1/users/${userIds[0]}/sync/events`;
  const upload =
    '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{ __typename }"}\r\n--x--\r\n';
  return [
    ...bodies.flatMap((body) => [post('/graphql', body, json), { ...post(recording, body, json), door: 'REST' }]),
    ...contentTypes.flatMap((type) => [post('/graphql', query, type), post('/graphql', upload, type)]),
    ...contentTypes.map((type) => ({ ...post(recording, '{}', type), door: 'REST' })),
    ...texts.map((text) => post('/graphql', JSON.stringify({ query: text }), json)),
    ...texts.map((text) => post('/graphql', JSON.stringify({ query: '{ __typename }', operationName: text }), json)),
  ];
}
