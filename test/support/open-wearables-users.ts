import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Open Wearables' list of users, which is read with an API key. */
export interface OpenWearablesUsers {
  readonly url: string;
  /** Its API keys. */
  readonly keys: Set<string>;
  /** What was requested, in order; tests empty it. */
  readonly requests: { readonly line: string; readonly key: string; readonly headers: IncomingHttpHeaders }[];
  /** Answers in place of what Open Wearables would, from now on. */
  instead: ((response: ServerResponse) => void) | undefined;
  /** Resolves when the next request has come. */
  requested(): Promise<unknown>;
  close(): Promise<void>;
}

/** A key in the form that Open Wearables gives its keys. */
export function newOpenWearablesKey(): string {
  return `sk-${randomBytes(16).toString('hex')}`;
}

const aUser = {
  id: '5c756672-88ef-4fdc-baf8-bb23f942f81d',
  created_at: '2026-01-02T03:04:05Z',
  first_name: 'Ada',
  last_name: null,
  email: 'ada@example.com',
  external_user_id: null,
  last_synced_at: null,
  last_synced_provider: null,
  has_active_connection: false,
};
const list = { items: [aUser], total: 2, page: 1, limit: 1, pages: 2, has_next: true, has_prev: false };

/** Answers with 200 and a page of users, or with 401, as Open Wearables does, or with whatever a test puts there. */
export async function serveOpenWearablesUsers(tls?: { key: string; cert: string }): Promise<OpenWearablesUsers> {
  const answer: RequestListener = (request, response) => {
    const key = String(request.headers['x-open-wearables-api-key'] ?? '');
    users.requests.push({ line: `${request.method} ${request.url}`, key, headers: request.headers });
    server.emit('asked');
    if (users.instead) return users.instead(response);
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (users.keys.has(key)) send(200, list);
    else if (key === '') send(401, { detail: 'Authentication required: provide JWT token or API key' });
    else send(401, { detail: 'Invalid or missing API key' });
  };
  const server = tls ? createTlsServer(tls, answer) : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a TCP port
  const users: OpenWearablesUsers = {
    url: `${tls ? 'https' : 'http'}://localhost:${port}`,
    keys: new Set(),
    requests: [],
    instead: undefined,
    requested: () => once(server, 'asked'),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return users;
}
