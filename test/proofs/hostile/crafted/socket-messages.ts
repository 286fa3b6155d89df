import type { SocketInput } from '../input.ts';
import type { Target } from '../target.ts';
import { texts } from '../values.ts';

const ping = { type: 'ping' };

/** Conversations on a WebSocket that break its protocol, or only seem to. */
export function socketInputs({ admin, userIds: [userId], credentials }: Target): SocketInput[] {
  const init = { type: 'connection_init', payload: admin };
  const query = { query: '{ viewer { __typename } }' };
  const follow = { query: `subscription { syncEvents(userId: "${userId}", replayLast: 1) { cursor } }` };
  const subscribe = (id: unknown, payload: unknown) => ({ type: 'subscribe', id, payload });
  const conversation = (...messages: readonly unknown[]): SocketInput => ({
    ...{ kind: 'messages', door: 'WebSocket', form: 'socket', headers: {}, messages },
  });
  const single: readonly unknown[] = [
    ...[
      '',
      ' ',
      'null',
      '0',
      '[]',
      '{}',
      '{',
      '"x"',
      '{"type":null}',
      '{"type":"nope"}',
      '{"type":"__proto__"}',
      'x'.repeat(300_000),
    ],
    ...[
      '{"type":"ping","type":"pong"}',
      '{"type":"connection_init","payload":[]}',
      '{"type":"connection_init","payload":"x"}',
    ],
    ...[
      '{"type":"connection_ack"}',
      '{"type":"next","id":"1","payload":{}}',
      '{"type":"complete"}',
      '{"type":"complete","id":1}',
    ],
    ...[`${'['.repeat(100_000)}`, `{"type":"ping","payload":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
    Buffer.from('{"type":"ping"}'),
    Buffer.from([0xff, 0xfe, 0x00]),
    Buffer.alloc(200_000),
  ];
  const payloads: readonly unknown[] = [
    ...[null, 0, 'x', [], {}, { query: null }, { query: 1 }, { query: [] }, { query: {} }, { ...query, variables: [] }],
    ...[
      { ...query, variables: 'x' },
      { ...query, operationName: 1 },
      { ...query, extensions: [] },
      { ...query, variables: null },
    ],
    ...[
      { documentId: 'x' },
      { doc_id: '__proto__' },
      { extensions: { persistedQuery: { sha256Hash: 'x' } } },
      { id: 'x' },
    ],
    ...[
      { ...follow, variables: { __proto__: { a: 1 }, a: { b: [] } } },
      { ...query, nope: true },
    ],
  ];
  const ids: readonly unknown[] = [
    '',
    ' ',
    0,
    null,
    [],
    {},
    '__proto__',
    'constructor',
    '\0',
    '\ud800',
    'x'.repeat(100_000),
  ];
  return [
    ...single.flatMap((message) => [conversation(message), conversation(init, message, ping)]),
    ...payloads.map((payload) => conversation(init, subscribe('1', payload))),
    ...ids.map((id) => conversation(init, subscribe(id, query))),
    ...ids.map((id) => conversation(init, { type: 'complete', id }, ping)),
    ...texts.map((text) => conversation(init, subscribe(text, follow), { type: 'complete', id: text })),
    ...texts.map((text) =>
      conversation({ type: 'ping', payload: { text } }, { type: 'pong', payload: { text } }, init),
    ),
    ...texts.map((text) =>
      conversation({ type: 'connection_init', payload: { authorization: text, 'x-api-key': text } }),
    ),
    ...credentials.map(([, payload]) =>
      conversation({ type: 'connection_init', payload }, subscribe('1', follow), subscribe('2', query)),
    ),
    conversation(subscribe('1', query)),
    conversation(init, init),
    conversation({ type: 'connection_init' }, init),
    conversation(init, subscribe('1', follow), subscribe('1', follow)),
    conversation(init, subscribe('1', query), subscribe('1', query)),
    conversation(init, ...Array.from({ length: 60 }, (_, n) => subscribe(String(n), follow))),
    conversation(init, ...Array.from({ length: 600 }, () => ping)),
    conversation(init, ...Array.from({ length: 100 }, (_, n) => ({ type: 'complete', id: String(n) }))),
    ...['', 'graphql-ws', 'graphql-transport-ws, graphql-ws', 'x', 'a,,b', 'x'.repeat(5_000)].map((protocol) => ({
      ...conversation(init, subscribe('1', query)),
      protocol,
    })),
    ...['http://evil.example', 'null', 'http://127.0.0.1'].map((origin) => ({
      ...conversation(init, subscribe('1', query)),
      headers: { origin },
    })),
  ];
}
