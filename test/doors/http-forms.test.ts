import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectTo } from '../support/connection.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { openRawSocket } from '../support/raw-socket.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

/** Sends bytes, piece by piece, and resolves to the answer when it holds `enough` or its connection has ended. */
function exchange(
  url: string,
  bytes: string | readonly string[],
  enough = '\u0000',
): Promise<{ text: string; ended: boolean }> {
  const socket = connectTo(url);
  socket.setNoDelay();
  const send = async () => {
    for (const piece of [bytes].flat()) {
      socket.write(piece);
      await setImmediate();
    }
  };
  socket.on('connect', () => void send());
  onTestFinished(() => void socket.destroy());
  let text = '';
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => resolve({ text, ended: true }));
    socket.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes(enough)) resolve({ text, ended: false });
    });
  });
}

/** The server's ends of the connections that bring it requests from now on, each told of with every request. */
function seenSockets(url: string, onRequest: (socket: Socket) => void): Set<Socket> {
  const sockets = new Set<Socket>();
  const note = (message: unknown) => {
    const { request, server: http } = message as { request: IncomingMessage; server: Server }; // as Node documents it
    if (String((http.address() as AddressInfo | null)?.port) !== new URL(url).port) return;
    sockets.add(request.socket);
    onRequest(request.socket);
  };
  subscribe('http.server.request.start', note);
  onTestFinished(() => void unsubscribe('http.server.request.start', note));
  return sockets;
}

const query = encodeURIComponent('{ __typename }');
const follow = () => encodeURIComponent(`subscription { syncEvents(userId: "${userId}") { cursor } }`);
const keyLine = () => `X-API-Key: ${server.admin['x-api-key']}\r\n`;
const userPath = () => `/api/v1/users/${userId}/sync`;

describe('a target in absolute form', () => {
  test('is taken for its path, and its host for the one of the request', async () => {
    for (const path of ['/graphql?query={__typename}', `${userPath()}/recent`, '/healthz', '/docs'])
      for (const start of ['http://proxy.example', 'HTTP://127.0.0.1:9', 'http://user@proxy.example']) {
        const { text } = await exchange(
          server.url,
          `GET ${start}${path} HTTP/1.1\r\nHost: ][\r\n${keyLine()}Connection: close\r\n\r\n`,
        );
        expect([path, text.split('\r\n', 1)[0]]).toEqual([path, 'HTTP/1.1 200 OK']);
      }
  });

  test('opens a WebSocket', async () => {
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    const { text } = await exchange(
      server.url,
      `GET http://x/graphql HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
      '\r\n\r\n',
    );
    expect(text).toContain('101 Switching Protocols');
  });
});

describe('an offer to go on with another protocol', () => {
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n';
  const read = (path: string, headers: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n${keyLine()}${headers}\r\n`;
  const post = (headers: string, body = '{"query":"{ __typename }"}') =>
    `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;

  test('is ignored on every path, and the request answered as if it were not there', async () => {
    for (const path of [
      `/graphql?query=${query}`,
      `${userPath()}/recent`,
      '/healthz',
      '/docs',
      '/graphql/',
      '/nothing',
    ])
      for (const headers of [offer, 'Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n']) {
        const [plain, offered] = await Promise.all(
          ['', headers].map((each) => exchange(server.url, `${read(path, `${each}Connection: close\r\n`)}`)),
        );
        expect([path, offered?.text.replace(/date: .*/i, '')]).toEqual([path, plain?.text.replace(/date: .*/i, '')]);
        expect(offered?.text).toMatch(/connection: close/i);
      }
  });

  test('is ignored with a body, in one piece or in chunks, also behind a request that is still to be answered', async () => {
    const chunked = (headers: string) =>
      `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n${headers}\r\n1a\r\n{"query":"{ __typename }"}\r\n0\r\n\r\n`;
    for (const ask of [post, chunked])
      for (const before of [[], [ask('')], [ask(''), ask(''), ask('')]])
        for (const cut of [0, 1, 30, 200]) {
          const bytes = before.join('') + ask(`${offer}Connection: close\r\n`);
          const { text } = await exchange(server.url, [
            bytes.slice(0, bytes.length - cut),
            bytes.slice(bytes.length - cut),
          ]);
          const answers = text.split('{"data":{"__typename":"Query"},').length - 1;
          expect([before, cut, answers]).toEqual([before, cut, before.length + 1]);
        }
  });

  test('may come as often as the connection lives, and leaves nothing behind on it', async () => {
    const listeners: number[] = [];
    const sockets = seenSockets(server.url, (socket) => {
      listeners.push(socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0));
    });
    const socket = connectTo(server.url);
    onTestFinished(() => void socket.destroy());
    for (let each = 0; each < 1001; each += 1) {
      socket.write(post(offer));
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toContain('"__typename":"Query"');
    }
    expect([sockets.size, listeners.length]).toEqual([1, 1001]);
    expect(Math.max(...listeners)).toBeLessThan(20);
  });

  test('is not taken up behind the last answer of a connection', async () => {
    const last = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    expect((await exchange(server.url, last + post(offer))).text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  test.each([
    ['is cut after the time that any answer may wait for its reader', { connectionIdleMs: 500 }, false],
    ['is cut when the server stops', { shutdownMs: 500 }, true],
  ])('behind an answer that nobody takes %s', async (_, limits, stops) => {
    const own = await startServer({ limits });
    onTestFinished(() => own.close());
    const served = new Promise<Socket>((resolve) => seenSockets(own.url, resolve));
    const { hostname, port } = new URL(own.url);
    const much = read('/docs/swagger-ui-bundle.js', '').repeat(50);
    const socket = connect(Number(port), hostname, () => socket.write(much + post(offer)));
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    const closed = once(await served, 'close');
    await Promise.all([closed, stops && own.close()]);
  });
});

describe('several Host headers', () => {
  test('are refused on every path: a proxy may have gone by another one', async () => {
    for (const path of ['/graphql?query={__typename}', `${userPath()}/recent`, '/healthz', '/docs', '/metrics'])
      for (const [second, connection] of [
        ['y', 'close'],
        ['x', 'close'],
        ['y', 'Upgrade\r\nUpgrade: websocket'],
      ]) {
        const bytes = `GET ${path} HTTP/1.1\r\nHost: x\r\nhOST: ${second}\r\n${keyLine()}Connection: ${connection}\r\n\r\n`;
        expect([path, (await exchange(server.url, bytes)).text.split('\r\n', 1)[0]]).toEqual([
          path,
          'HTTP/1.1 400 Bad Request',
        ]);
      }
  });
});

describe('HTTP/1.0', () => {
  test('gets streams without chunks, which end with the connection', async () => {
    for (const path of [`${userPath()}/stream`, `/graphql?query=${follow()}`])
      for (const keepAlive of ['', 'Connection: keep-alive\r\n']) {
        const accept = 'Accept: text/event-stream\r\n';
        const { text } = await exchange(
          server.url,
          `GET ${path} HTTP/1.0\r\n${keyLine()}${accept}${keepAlive}\r\n`,
          'id: ',
        );
        expect(text).toMatch(/^HTTP\/1\.1 200 /);
        expect(text.toLowerCase()).not.toMatch(/transfer-encoding|connection: keep-alive/);
        expect(text).toMatch(/\r\n\r\n: connected\n\n/);
      }
  });

  test('gets other answers with their length', async () => {
    for (const path of [`${userPath()}/recent`, `/graphql?query=${query}`, '/healthz']) {
      const { text, ended } = await exchange(server.url, `GET ${path} HTTP/1.0\r\n${keyLine()}\r\n`);
      expect([path, ended]).toEqual([path, true]);
      expect(text).toMatch(/\r\ncontent-length: \d+\r\n/i);
    }
  });
});

describe('HEAD', () => {
  test('is answered as GET is, without the body', async () => {
    for (const path of [
      `${userPath()}/recent`,
      `${userPath()}/runs`,
      '/api/v1/sync/runs',
      `/graphql?query=${query}`,
      '/graphql',
      '/healthz',
      '/readyz',
      '/docs',
      '/docs/start.js',
      '/openapi.json',
      '/nothing',
      `${userPath()}/events`,
      '/api/v1/users/x/sync/recent',
    ]) {
      const ask = (method: string) => rest(server.url + path, { method, headers: server.admin });
      const [get, head] = [await ask('GET'), await ask('HEAD')];
      const named = ({ date: _, ...headers }: typeof get.headers) => headers;
      expect([path, head.status, named(head.headers)]).toEqual([path, get.status, named(get.headers)]);
      expect(head.text).toBe('');
    }
  });

  test('of a stream ends at once, and leaves nothing behind', async () => {
    for (const [path, accept] of [
      [`${userPath()}/stream`, '*/*'],
      [`/graphql?query=${follow()}`, 'text/event-stream'],
    ] as const) {
      const head = await rest(server.url + path, { method: 'HEAD', headers: { ...server.admin, accept } });
      expect([head.status, head.headers['content-type'], head.text]).toEqual([
        200,
        'text/event-stream; charset=utf-8',
        '',
      ]);
    }
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
  });
});

describe('OPTIONS', () => {
  test('says which methods there are', async () => {
    for (const path of ['/graphql', '/healthz', '/readyz', '/metrics', '/docs', '/openapi.json']) {
      const answer = await rest(server.url + path, { method: 'OPTIONS' });
      expect([path, answer.status, answer.headers.allow]).toEqual([
        path,
        204,
        expect.stringMatching(/GET, HEAD.*OPTIONS/),
      ]);
      if (path !== '/graphql') expect((await rest(server.url + path, { method: 'POST' })).status).toBe(405);
    }
    const { text } = await exchange(server.url, 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 204 [\s\S]*allow: GET, HEAD, POST, OPTIONS/);
  });
});

describe('a slash at the end', () => {
  test('makes no difference to GraphQL, the pages and the checks', async () => {
    for (const path of [`/graphql/?query=${query}`, '/docs/', '/healthz/', '/readyz/', '/metrics/', '/openapi.json/'])
      expect([path, (await rest(server.url + path, { headers: server.admin })).status]).toEqual([path, 200]);
    const posted = await rest(`${server.url}/graphql/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: { query: '{ __typename }' },
    });
    expect(posted.body).toMatchObject({ data: { __typename: 'Query' } });
    (await openRawSocket(server.url)).close();
  });

  test('leaves the page of REST whole', async () => {
    for (const path of ['/docs', '/docs/', '/docs/?x']) {
      const { text } = await rest(server.url + path);
      const loaded = [...text.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, each = '']) => each);
      expect(loaded).toHaveLength(3);
      for (const each of loaded) expect((await fetch(new URL(each, server.url + path))).status).toBe(200);
    }
  });

  test('of REST redirects by a location that holds behind a prefix of a proxy', async () => {
    for (const path of [`${userPath()}/recent`, '/api/v1/sync/runs']) {
      const { status, headers } = await rest(`${server.url}${path}/?limit=1`, { headers: server.admin });
      expect(status).toBe(307);
      const behindProxy = new URL(headers.location ?? '', `https://proxy.example/prefix${path}/?limit=1`);
      expect(behindProxy.href).toBe(`https://proxy.example/prefix${path}?limit=1`);
    }
  });
});

describe('an origin', () => {
  test('is compared as what it names, on WebSockets and for CORS', async () => {
    const shared = await startServer({ settings: { CORS_ORIGINS: 'https://app.example,https://Other.example:443' } });
    onTestFinished(() => shared.close());
    const upgrade = async (origin: string, host: string) => {
      const lines = [
        'GET /graphql HTTP/1.1',
        `Host: ${host}`,
        `Origin: ${origin}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
      ];
      const key = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
      return (await exchange(shared.url, `${[...lines, ...key].join('\r\n')}\r\n\r\n`, '\r\n\r\n')).text.split(' ')[1];
    };
    for (const [origin, host, status] of [
      ['https://x.example', 'x.example:443', '101'],
      ['https://x.example', 'x.example:80', '101'],
      ['http://x.example', 'x.example:80', '101'],
      ['https://x.example', 'X.Example', '101'],
      ['https://X.EXAMPLE:443', 'x.example', '101'],
      ['https://x.example.', 'x.example', '101'],
      ['http://[0:0::1]:4000', '[::1]:4000', '101'],
      ['http://[::1]', '[::1]:80', '101'],
      ['https://APP.example:443', 'elsewhere', '101'],
      ['https://other.example', 'elsewhere', '101'],
      ['https://x.example:8443', 'x.example', '403'],
      ['https://x.example', 'x.example:8443', '403'],
      ['https://x.example', 'y.example', '403'],
      ['http://app.example', 'elsewhere', '403'],
      ['ftp://x.example', 'x.example', '403'],
      ['null', 'null', '403'],
    ] as const)
      expect([origin, host, await upgrade(origin, host)]).toEqual([origin, host, status]);
    for (const [origin, isAllowed] of [
      ['https://app.example', true],
      ['https://APP.example', true],
      ['https://app.example:443', true],
      ['https://other.example', true],
      ['http://app.example', false],
      ['https://app.example:444', false],
    ] as const)
      for (const path of [`/graphql?query=${query}`, '/api/v1/sync/runs']) {
        const { headers } = await rest(shared.url + path, { headers: { origin } });
        expect(headers['access-control-allow-origin']).toBe(isAllowed ? origin : undefined);
      }
  });
});
