import type fc from 'fast-check';
import type { GraphQLSchema } from 'graphql';
import { between, pick, type Random } from '../../../../src/lib/random.ts';
import { deliveryOf } from '../deliveries.ts';
import type { Input } from '../input.ts';
import type { Target } from '../target.ts';
import { edgesOf, texts } from '../values.ts';
import { type Operation, randomOperation } from './random-operation.ts';
import { anyOf } from './random-values.ts';
import { chance, madeOf } from './tape.ts';

/** Doors that generated inputs go through. */
export const doors = ['POST', 'GET', 'SSE', 'WebSocket', 'REST', 'webhooks'] as const;
type Door = (typeof doors)[number];

const json = { 'content-type': 'application/json' };

/** Inputs for one door, with any credential. */
export function inputsFor(door: Door, schema: GraphQLSchema, target: Target): fc.Arbitrary<Input> {
  return madeOf((random): Input => {
    const [, headers] = anyOf(random, target.credentials);
    if (door === 'REST') return restInput(random, target, headers);
    if (door === 'webhooks') return { ...deliveryOf(randomDelivery(random, target)), kind: 'generated' };
    return throughGraphql(door, headers, () => randomOperation(schema, random, target), random);
  });
}

function throughGraphql(
  door: Exclude<Door, 'REST' | 'webhooks'>,
  headers: Readonly<Record<string, string>>,
  operation: () => Operation,
  random: Random,
): Input {
  const named = { kind: 'generated', door };
  if (door === 'WebSocket') {
    const messages = Array.from({ length: between(random, 1, 4) }, (_, n) => {
      const id = chance(random, 0.05) ? '1' : String(n + 1);
      const { query, variables } = operation();
      return `{"type":"subscribe","id":"${id}","payload":{"query":${JSON.stringify(query)},"variables":${variables}}}`;
    });
    const left = chance(random, 0.2) ? [{ type: 'complete', id: '1' }] : [];
    return {
      ...named,
      form: 'socket',
      headers: {},
      messages: [{ type: 'connection_init', payload: headers }, ...messages, ...left],
    };
  }
  const { query, variables } = operation();
  if (door === 'GET') {
    const path = `/graphql?query=${encoded(query)}&variables=${encoded(variables)}`;
    return { ...named, form: 'http', method: 'GET', path, headers: { accept: 'application/json', ...headers } };
  }
  const accept = door === 'SSE' ? 'text/event-stream' : 'application/json';
  const body = `{"query":${JSON.stringify(query)},"variables":${variables}}`;
  const resumed = door === 'SSE' && chance(random, 0.2) ? { 'last-event-id': String(between(random, 0, 5)) } : {};
  return {
    ...named,
    form: 'http',
    method: 'POST',
    path: '/graphql',
    headers: { ...json, accept, ...resumed, ...headers },
    body,
  };
}

const parameters = [
  'limit',
  'offset',
  'after',
  'replay',
  'since',
  'until',
  'provider',
  'status',
  'source',
  'stage',
  'scope',
  'search',
  'access_token',
  'order',
];

function restInput(random: Random, { userIds }: Target, headers: Readonly<Record<string, string>>): Input {
  const userId = chance(random, 0.2) ? String(anyOf(random, edgesOf('UUID'))) : pick(random, userIds);
  const route = pick(random, ['recent', 'runs', 'history', 'stream', 'events', '*']);
  const user = `/api/v1/users/${encoded(userId)}/sync`;
  const path =
    route === '*'
      ? pick(random, ['/api/v1/sync/runs', '/api/v1/sync/history/run%200', '/api/v1/users', '/readyz'])
      : `${user}/${route}`;
  const query = Array.from(
    { length: between(random, 0, 3) },
    () => `${pick(random, parameters as [string])}=${encoded(parameter(random))}`,
  );
  const named = { kind: 'generated', door: 'REST', form: 'http' } as const;
  const whole = `${path}${query.length > 0 ? `?${query.join('&')}` : ''}`;
  if (route !== 'events') return { ...named, method: 'GET', path: whole, headers };
  return {
    ...named,
    method: 'POST',
    path: whole,
    headers: { ...json, ...headers },
    body: JSON.stringify(wireEvents(random)),
  };
}

function parameter(random: Random): string {
  const kind = pick(random, ['Int', 'SyncCursor', 'DateTime', 'word', 'String']);
  if (kind === 'word') return pick(random, ['pull', 'success', 'completed', 'oura', 'live', 'historical', 'PULL,sdk']);
  return String(anyOf(random, edgesOf(kind)));
}

const wireFields = [
  'event_id',
  'run_id',
  'provider',
  'source',
  'stage',
  'status',
  'message',
  'error',
  'metadata',
  'started_at',
  'ended_at',
  'timestamp',
  'progress',
  'items_total',
];

function wireEvents(random: Random): unknown {
  const event = () => {
    const usual = {
      run_id: 'run 0',
      provider: 'oura',
      source: 'pull',
      stage: 'started',
      status: 'in_progress',
      timestamp: '2026-03-14T12:00:00Z',
    };
    const changes = Array.from({ length: between(random, 0, 2) }, () => [anyOf(random, wireFields), odd(random)]);
    return { ...usual, ...Object.fromEntries(changes) };
  };
  return pick(random, [event, () => [event(), event()], () => ({ events: [event()] }), () => odd(random)])();
}

function odd(random: Random): unknown {
  return anyOf<() => unknown>(random, [
    () => null,
    () => anyOf(random, texts),
    () => between(random, -1, 2 ** 31),
    () => [[]],
    () => ({ a: { b: null } }),
    () => anyOf(random, edgesOf('DateTime')),
    () => true,
  ])();
}

function randomDelivery(random: Random, { userIds }: Target): unknown {
  const type = pick(random, [
    'sync.started',
    'sync.completed',
    'sync.failed',
    'connection.created',
    'connection.revoked',
    'series.saved',
    'x',
  ]);
  const data: Record<string, unknown> = {
    user_id: pick(random, userIds),
    provider: 'oura',
    source: 'pull',
    run_id: `pull_${between(random, 0, 99)}`,
  };
  const names = [
    'user_id',
    'provider',
    'source',
    'run_id',
    'status',
    'message',
    'metadata',
    'started_at',
    'items_processed',
    'error',
  ];
  for (let changes = between(random, 0, 2); changes > 0; changes -= 1) data[anyOf(random, names)] = odd(random);
  return chance(random, 0.05) ? odd(random) : { type: chance(random, 0.05) ? odd(random) : type, data };
}

/** A lone surrogate has no place in a URL. */
const encoded = (text: string) => encodeURIComponent(text.toWellFormed());
