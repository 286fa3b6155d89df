import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import { defaultLimits } from '../../src/limits.ts';
import { hasProgram } from '../support/program.ts';
import { proxies } from '../support/proxies.ts';
import { openRestLogStream } from '../support/rest-log-stream.ts';
import { anEvent } from '../support/server.ts';
import { graphql, newUser, type ServerProcess, startProcess } from '../support/server-process.ts';
import { StreamCut, streamTransports, type TestStream } from '../support/streams.ts';

let postgres: ScratchPostgres;
let servers: [ServerProcess, ServerProcess];

beforeAll(async () => {
  postgres = await startPostgres();
  const { url } = await createOnServer(postgres.url);
  const settings = { DATABASE_URL: url, TRUSTED_PROXIES: '127.0.0.1', RATE_LIMITS: 'on', NODE_ENV: 'production' };
  servers = await Promise.all([startProcess(settings), startProcess(settings)]);
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.remove()));
  await postgres.stop();
});

const record = `mutation ($events: [SyncEventInput!]!) {
  recordSyncEvents(input: { events: $events }) { results { event { sequence } } }
}`;

/** What the last event of a log says. */
const LAST = 'the last one';

interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Records an event, and sends it again until it is answered, as every producer does. */
async function recordOne(target: Target, userId: string, message = '', failed = (_: unknown) => {}): Promise<number> {
  const event = { ...anEvent, id: randomUUID(), userId, message };
  for (;;)
    try {
      const { recordSyncEvents } = await graphql(target, record, { events: [event] });
      return recordSyncEvents.results[0].event.sequence;
    } catch (error) {
      failed(error);
    }
}

/** The ways to follow a log, each from a cursor. */
const ways = {
  websocket: (target: Target, userId: string, after: string) => open('websocket', target, userId, after),
  sse: (target: Target, userId: string, after: string) => open('sse', target, userId, after),
  rest: ({ url, headers }: Target, userId: string, after: string) =>
    openRestLogStream(url, { userId, after }, { ...headers }),
} as const;

function open(transport: keyof typeof streamTransports, { url, headers }: Target, userId: string, after: string) {
  const query = `subscription ($userId: UUID!, $after: SyncCursor) {
    syncEvents(userId: $userId, after: $after) { cursor events { sequence message } }
  }`;
  return streamTransports[transport](url, { query, variables: { userId, after }, headers: { ...headers } });
}

interface Seen {
  readonly sequence: number;
  readonly message: string | null;
}

/** The events of the next payload that has any; nothing where the stream ends. */
async function nextEvents(stream: TestStream): Promise<{ events: readonly Seen[]; cursor: string } | undefined> {
  for (;;) {
    const payload = (await stream.next())?.data?.syncEvents;
    if (!payload || payload.events.length > 0) return payload ?? undefined;
  }
}

/** Follows a log to its last event, coming back with its cursor whenever the stream, or the way to it, ends. */
async function followToLast(begin: (after: string) => Promise<TestStream>) {
  const seen: Seen[] = [];
  let cursor = '0';
  let streams = 0;
  while (seen.at(-1)?.message !== LAST) {
    const stream = await begin(cursor).catch(() => undefined);
    if (!stream) continue;
    streams += 1;
    try {
      while (seen.at(-1)?.message !== LAST) {
        const payload = await nextEvents(stream);
        if (!payload) break;
        seen.push(...payload.events);
        cursor = payload.cursor;
      }
    } catch (error) {
      if (!(error instanceof StreamCut)) throw error;
    }
    await stream.close();
  }
  return { sequences: seen.map(({ sequence }) => sequence), streams };
}

async function statusAndText(url: string, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(url, { headers });
  return { status: response.status, text: await response.text() };
}

/** The status of an anonymous request that comes from an address of this machine, whatever it says of others. */
const statusFrom = (url: string, localAddress: string, forged: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    const headers = { 'x-forwarded-for': forged, accept: 'application/json' };
    request(`${url}/graphql?query={viewer{kind}}`, { localAddress, headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });

describe.each(['nginx', 'caddy'] as const)('behind %s, set up as deploy/ says', (name) => {
  describe.runIf(hasProgram(name)).each([
    ['below a prefix', '/synclog'],
    ['on a host of its own', ''],
  ])('%s', (_, prefix) => {
    /** The proxy in front of both servers. */
    async function start(): Promise<Target & { readonly userId: string }> {
      const { url } = await proxies[name]([servers[0].url, servers[1].url], prefix);
      const target = { url, headers: servers[0].headers };
      return { ...target, userId: await newUser(target) };
    }

    test('POST, GET, pages and the longest bodies arrive, and a longer one does not', async () => {
      const { userId, ...target } = await start();
      expect(await recordOne(target, userId)).toBe(1);
      const { url, headers } = target;
      const query = encodeURIComponent(`{ user(id: "${userId}") { headCursor } }`);
      expect(await (await fetch(`${url}/graphql?query=${query}`, { headers })).json()).toMatchObject({
        data: { user: { headCursor: '1' } },
      });
      const page = await fetch(`${url}/graphql`, { headers: { accept: 'text/html' } });
      expect(await page.text()).toContain('GraphiQL');
      expect((await fetch(`${url}/docs/swagger-ui.css`)).status).toBe(200);

      const post = (bytes: number) =>
        fetch(`${url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ query: '{ viewer { kind } }' }).padEnd(bytes),
        });
      expect((await post(defaultLimits.requestBytes)).status).toBe(200);
      const { status } = await post(defaultLimits.requestBytes + 1);
      expect(status === 413 || (name === 'caddy' && status === 502), String(status)).toBe(true); // it loses the answer
    });

    test('no stranger is given the metrics, nor who has a key for them, and each server has them for Prometheus', async () => {
      const { url, headers } = await start();
      for (const path of ['/metrics', '/metrics/', '//metrics', '/%6detrics', '/./metrics', '/metrics?x'])
        for (const asked of [{}, headers]) {
          const answer = await statusAndText(`${url}${path}`, asked);
          expect(answer, path).toEqual({ status: 404, text: expect.not.stringContaining('synclog_') });
        }
      expect(await statusAndText(`${url}/readyz`)).toEqual({ status: 200, text: '{"status":"ok"}' });
      expect((await fetch(`${servers[0].url}/metrics`)).status).toBe(401);
    });

    test.each(['websocket', 'sse', 'rest'] as const)(
      'an event comes over %s as it is recorded, and is not held back',
      async (way) => {
        const { userId, ...target } = await start();
        const stream = await ways[way](target, userId, '0');
        onTestFinished(() => stream.close());
        for (const sequence of [1, 2, 3]) {
          await recordOne(target, userId);
          expect((await nextEvents(stream))?.events).toMatchObject([{ sequence }]);
        }
      },
    );

    test('the address of a client is what its rate is counted by, whatever it says itself', async () => {
      const { url } = await start();
      const { burst } = defaultLimits.anonymousRate;
      const statuses = new Set<number | undefined>();
      for (let sent = 0; sent < 4 * burst && !statuses.has(429); sent += 1)
        statuses.add(await statusFrom(url, '127.0.0.2', `198.51.100.${sent % 250}`));
      expect(statuses).toContain(429);
      expect(await statusFrom(url, '127.0.0.3', '127.0.0.2')).toBe(200);
    });

    test('a token in a URL is in no log of the proxy, however the server lets it be spelled', async () => {
      const { url, written } = await proxies[name]([servers[0].url, servers[1].url], prefix);
      const { headers } = servers[0];
      const userId = await newUser({ url, headers });
      const { createUserToken } = await graphql(
        { url, headers },
        'mutation ($id: UUID!) { createUserToken(userId: $id) { token } }',
        { id: userId },
      );
      const { token } = createUserToken;
      const stream = `/api/v1/users/${userId}/sync/stream`;
      const spellings = ['?access_token=', '?after=0&access_token=x&access%5Ftoken=', '?%61ccess%5ftoke%6e='];
      for (const spelling of spellings) {
        const leaving = new AbortController();
        const { status } = await fetch(`${url}${stream}${spelling}${token}`, { signal: leaving.signal });
        expect([spelling, status]).toEqual([spelling, 200]);
        leaving.abort();
      }
      await fetch(`${url}${stream}?access_token=${encodeURIComponent(token).replace(/\./g, '%2E')}`, {
        method: 'HEAD',
      });
      const lines = () => written().split(stream).length - 1;
      await expect.poll(lines).toBeGreaterThanOrEqual(spellings.length + 1);
      const [key = ''] = Object.values(headers);
      for (const secret of [...token.split('.'), key]) expect(written()).not.toContain(secret);
    });

    test('nor is one of a request that a server fails', async () => {
      const failing = createServer(({ url }, response) => (url === '/healthz' ? response.end() : response.destroy()));
      await once(failing.listen(0, '127.0.0.1'), 'listening');
      onTestFinished(() => void failing.close());
      const behind = `http://127.0.0.1:${(failing.address() as AddressInfo).port}`;
      const { url, written } = await proxies[name]([behind, behind], prefix);
      const { status } = await fetch(`${url}/lost?access_token=s3cret`, { headers: { 'x-api-key': 's3cret' } });
      expect(status).toBe(502);
      await expect.poll(written).toContain('/lost');
      expect(written()).not.toContain('s3cret');
    });

    // Once for each proxy.
    test.runIf(prefix)(
      'each server restarts, what is sent again is recorded once, and streams go on without a gap',
      async () => {
        const { userId, ...target } = await start();
        const readers = Object.entries(ways).map(async ([way, begin]) => {
          const read = await followToLast((after) => begin(target, userId, after));
          return { way, ...read };
        });
        let head = 0;
        const failures: unknown[] = [];
        let isOver = false;
        const recorder = (async () => {
          while (!isOver) head = await recordOne(target, userId, '', (error) => failures.push(error));
          head = await recordOne(target, userId, LAST);
        })();
        for (const server of servers) {
          const recordsMore = () => expect.poll(() => head).toBeGreaterThan(head + 20);
          await recordsMore();
          await server.end('SIGTERM');
          await recordsMore();
          await server.start();
        }
        isOver = true;
        await recorder;
        for (const { way, sequences, streams } of await Promise.all(readers)) {
          expect({ way, sequences }).toEqual({ way, sequences: Array.from({ length: head }, (_, index) => index + 1) });
          expect(streams, way).toBeGreaterThan(1);
        }
        if (name === 'nginx') expect(failures).toEqual([]); // Debian's Caddy fails some, see its file
      },
    );
  });
});
