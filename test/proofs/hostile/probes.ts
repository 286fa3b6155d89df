import { SignJWT } from 'jose';
import { deliveryOf } from './deliveries.ts';
import type { HttpInput, Input } from './input.ts';
import type { Headers, Target } from './target.ts';

/** A token whose key has to be looked for at its issuer. */
const foreignToken = await new SignJWT({ sub: 'x', iss: 'https://id.example', aud: 'synclog' })
  .setProtectedHeader({ alg: 'HS256', kid: 'nobody has this one' })
  .setExpirationTime('1h')
  .sign(new TextEncoder().encode('a secret that nobody else has, long enough'));
const asRsa = foreignToken.replace(/^[^.]+/, Buffer.from('{"alg":"RS256","kid":"x"}').toString('base64url'));

/** What touches every layer, through every door and with every credential. @returns each with the name of its credential */
export function probesOf(target: Target): (readonly [credential: string, input: Input])[] {
  const foreign: (readonly [string, Headers])[] = [
    ['foreign key', { 'x-api-key': 'a key that only the platform may know' }],
    ['foreign token', { authorization: `Bearer ${asRsa}` }],
  ];
  return [...target.credentials, ...foreign].flatMap(([name, headers]) =>
    probesWith(headers, target).map((input) => [name, input] as const),
  );
}

function probesWith(headers: Headers, { userIds: [userId] }: Target): Input[] {
  const json = { 'content-type': 'application/json', ...headers };
  const post = (query: string, accept = 'application/json'): HttpInput => ({
    ...{ kind: 'probe', door: 'POST', form: 'http', method: 'POST', path: '/graphql' },
    headers: { ...json, accept },
    body: JSON.stringify({ query }),
  });
  const get = (path: string): HttpInput => ({ kind: 'probe', door: 'GET', form: 'http', method: 'GET', path, headers });
  const event = `{ userId: "${userId}", runId: "r", provider: "oura", source: PULL, stage: FETCHING, status: IN_PROGRESS }`;
  const operations = [
    `{ user(id: "${userId}") { firstName recentSyncEvents(limit: 5) { message run { runId } } connections { provider } } }`,
    '{ users(search: "x") { totalCount edges { node { id syncRuns { totalCount edges { node { runId } } } } } } }',
    '{ syncRuns { edges { node { runId events { edges { cursor } } } } } }',
    '{ connections { edges { node { provider health explain { verdict } } } } }',
    '{ sources { name state } viewer { __typename } }',
    'mutation { upsertUser(input: { firstName: "x" }) { id } }',
    `mutation { recordSyncEvents(input: { events: [${event}] }) { results { duplicate event { run { status } } } } }`,
    `mutation { reportConnection(input: { userId: "${userId}", provider: "oura", word: "revoked", at: "2026-03-14T12:00:00Z" }) { duplicate } }`,
    `mutation { createUserToken(userId: "${userId}") { expiresAt } }`,
    'mutation { deleteUser(id: "0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001") { deletedUserId } }',
  ];
  const streams = [
    `subscription { syncEvents(userId: "${userId}", replayLast: 5) { events { message } } }`,
    'subscription { syncRunChanges { began run { runId } } }',
    'subscription { connectionChanges { began } }',
  ];
  const user = `/api/v1/users/${userId}/sync`;
  const wire = { run_id: 'r', provider: 'oura', source: 'pull', stage: 'fetching', status: 'in_progress' };
  const data = { user_id: userId, provider: 'oura', source: 'pull', run_id: 'pull_1', message: 'm', metadata: {} };
  return [
    ...operations.map((query) => post(query)),
    ...operations.slice(0, 5).map((query) => get(`/graphql?query=${encodeURIComponent(query)}`)),
    ...streams.map((query) => post(query, 'text/event-stream')),
    {
      ...{ kind: 'probe', door: 'WebSocket', form: 'socket', headers: {} },
      messages: [
        { type: 'connection_init', payload: headers },
        ...[...operations, ...streams].map((query, n) => ({ type: 'subscribe', id: `${n}`, payload: { query } })),
      ],
    },
    ...['recent', 'recent?after=0', 'runs', 'history', 'stream?replay=5'].map((path) => get(`${user}/${path}`)),
    ...[
      '/api/v1/sync/runs',
      '/api/v1/sync/history/run%200',
      '/healthz',
      '/readyz',
      '/metrics',
      '/',
      '/openapi.json',
    ].map(get),
    { ...get(`${user}/events`), method: 'POST', headers: json, body: JSON.stringify(wire) },
    deliveryOf({ type: 'sync.started', data }),
    deliveryOf({ type: 'connection.revoked', data }),
  ];
}
