import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { startServer } from '../support/server.ts';
import { openWebSocketStream } from '../support/streams.ts';

/** A text that stands nowhere else. */
const secretOf = (name: string) => `${name}-${randomUUID()}`;

test('no secret is in the log at `trace`, whichever door it was sent through, in whichever place', async () => {
  const lines: string[] = [];
  const words = Buffer.from(secretOf('whsec')).toString('base64');
  const [jwtSecret, redisPassword] = [secretOf('jwt'), secretOf('redis')];
  const server = await startServer({
    logger: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
    settings: {
      LOG_LEVEL: 'trace',
      JWT_SECRET: jwtSecret,
      REDIS_URL: `redis://user:${redisPassword}@127.0.0.1:1/0`,
      OPEN_WEARABLES_REDIS_URL: `redis://user:${redisPassword}@127.0.0.1:1/0`,
      OPEN_WEARABLES_WEBHOOK_SECRET: `whsec_${words}`,
    },
  });
  onTestFinished(() => server.close());
  const userId = await server.user();
  const key = (await server.key('read', 'write'))['x-api-key'] ?? '';
  const token = String((await server.userToken(userId)).authorization).slice('Bearer '.length);
  const made = [`sk-${randomUUID().replaceAll('-', '')}${randomUUID().replaceAll('-', '')}`, secretOf('typed')];
  const secrets = [key, token, ...made];
  const list = `/api/v1/users/${userId}/sync/recent`;
  const post = (path: string, body: string, headers: Record<string, string>) =>
    fetch(server.url + path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  for (const secret of secrets) {
    const credentials = [
      { 'x-api-key': secret },
      { 'x-open-wearables-api-key': secret },
      { authorization: `Bearer ${secret}` },
      { authorization: secret },
      {
        cookie: secret,
        traceparent: secret,
        'x-request-id': `${secret.startsWith('typed') ? '' : secret}`.slice(0, 100),
        'user-agent': secret,
      },
      { 'svix-id': secret, 'svix-signature': `v1,${secret}`, 'svix-timestamp': '1', 'x-forwarded-for': secret },
    ];
    for (const headers of credentials) {
      await post('/graphql', JSON.stringify({ query: '{ viewer { scopes } }' }), headers);
      await post('/graphql', `{"query": "${secret}"`, headers);
      await post(
        '/graphql',
        JSON.stringify({ query: `{ users(search: "${secret}", first: 1) { nope } }`, variables: { secret } }),
        headers,
      );
      await post(`${list.replace('recent', 'events')}`, JSON.stringify([{ message: secret, stage: secret }]), headers);
      await post('/api/v1/webhooks/open-wearables', JSON.stringify({ type: secret }), headers);
      await fetch(`${server.url}${list}?access_token=${secret}&search=${secret}`, { headers });
      await fetch(`${server.url}/graphql?query=${secret}&access_token=${secret}`, { headers });
      await fetch(`${server.url}/metrics?key=${secret}`, { headers });
    }
    const query = `subscription { syncEvents(userId: "${userId}") { cursor } }`;
    const stream = await openWebSocketStream(server.url, { query, headers: { 'x-api-key': secret } }).catch(
      () => undefined,
    );
    await stream?.next().catch(() => {});
    await stream?.close();
  }
  // What fails within the server, too, by errors that hold what was sent.
  const { sources } = server.app.services;
  sources.list = async () => {
    throw new Error('Broken');
  };
  await server.graphql('{ sources { name } }');
  await server.close();
  const text = lines.join('');
  expect(text).toContain('"msg":"request"');
  for (const secret of [...secrets, jwtSecret, redisPassword, words]) expect(text).not.toContain(secret);
});
