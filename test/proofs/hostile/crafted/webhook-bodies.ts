import { deliveryOf, webhookPath } from '../deliveries.ts';
import type { HttpInput } from '../input.ts';
import type { Target } from '../target.ts';
import { edgesOf, strange, texts, toJson, Verbatim } from '../values.ts';

const types = [
  'sync.started',
  'sync.completed',
  'sync.failed',
  'connection.created',
  'connection.revoked',
  'user.created',
  'nope',
];
const wrong = `whsec_${Buffer.from('a secret of somebody else').toString('base64')}`;

/** Deliveries with signatures that are good, and bodies that are not; and the other way round. */
export function webhookInputs({ userIds: [userId] }: Target): HttpInput[] {
  const data = { user_id: userId, provider: 'oura', source: 'pull', run_id: 'pull_1', message: 'm', metadata: {} };
  const values = [...texts, ...edgesOf('Int'), ...edgesOf('DateTime'), ...edgesOf('JSONObject'), ...strange];
  const bodies = [
    ...['', 'null', '[]', '{}', '{', '"x"', '{"type":null,"data":null}', '{"type":"sync.started"}', '\0'],
    ...types.map((type) => JSON.stringify({ type, data })),
    ...types.map((type) => JSON.stringify({ type, data: {} })),
    ...types.map((type) => JSON.stringify({ type, data: [data] })),
    ...values.map(
      (value) =>
        `{"type":"sync.completed","data":{"user_id":"${userId}","provider":"oura","metadata":${toJson(value)}}}`,
    ),
    ...values.map(
      (value) => `{"type":"sync.started","data":{"user_id":"${userId}","provider":${toJson(value)},"run_id":"r"}}`,
    ),
    ...values.filter((value) => !(value instanceof Verbatim)).map((value) => JSON.stringify({ type: value, data })),
    `{"type":"sync.started","data":{"user_id":"${userId}","metadata":{"a":"${'x'.repeat(1_100_000)}"}}}`,
    `${'['.repeat(200_000)}${']'.repeat(200_000)}`,
  ];
  const good = JSON.stringify({ type: 'sync.started', data });
  const changed = (changes: Readonly<Record<string, string>>): HttpInput => {
    const delivery = deliveryOf(good);
    return { ...delivery, headers: { ...delivery.headers, ...changes } };
  };
  const replayed = deliveryOf(good);
  return [
    ...bodies.map((body) => deliveryOf(body)),
    deliveryOf(good, { secret: wrong }),
    deliveryOf(good, { at: new Date(Date.now() - 600_000) }),
    deliveryOf(good, { at: new Date(Date.now() + 600_000) }),
    replayed,
    replayed,
    { ...replayed, body: `${good} ` },
    ...['', 'v1', 'v1,', 'v1,AAAA', 'v2,AAAA', 'v1a,AAAA', `${'v1,AAAA '.repeat(500)}`, 'x'.repeat(10_000)].map(
      (signature) => changed({ 'svix-signature': signature }),
    ),
    ...['', '0', '-1', 'NaN', '1e9', '99999999999999999999', 'x'].map((at) => changed({ 'svix-timestamp': at })),
    ...['', '__proto__', 'x'.repeat(5_000), 'a.b'].map((id) => changed({ 'svix-id': id })),
    ...['GET', 'PUT', 'DELETE', 'OPTIONS'].map((method): HttpInput => ({ ...changed({}), method })),
    { ...changed({}), path: `${webhookPath}/` },
    { ...changed({}), path: '/api/v1/webhooks/nope' },
  ];
}
