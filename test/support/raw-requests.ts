import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import WebSocket from 'ws';

/** What the server answered to bytes that no HTTP client of good manners would send. */
export interface RawAnswer {
  readonly status: number;
  /** Of the body's `errors`. */
  readonly codes: unknown[];
  readonly body: string;
}

/** An HTTP request with exactly these headers. A body that is a list goes in chunks, without a length. */
export async function send(
  url: string,
  options: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | readonly string[];
  },
): Promise<RawAnswer> {
  const { method = 'POST', path = '/graphql', headers = {}, body = '' } = options;
  const request = httpRequest(`${url}${path}`, { method, headers, agent: false });
  if (typeof body === 'string') {
    if (body !== '') request.setHeader('content-length', Buffer.byteLength(body));
    request.end(body);
  } else {
    request.setHeader('transfer-encoding', 'chunked');
    for (const chunk of body) request.write(chunk);
    request.end();
  }
  request.on('error', () => {}); // of a body that the server does not want; the answer is there all the same
  const [response] = await once(request, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, codes: codesIn(text), body: text };
}

/** The answer to bytes on a connection of their own, until the server closes it or `enough` has come. */
export async function sendBytes(url: string, bytes: string, enough = '\r\n\r\n'): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.write(bytes);
  for await (const chunk of socket) {
    text += chunk;
    if (text.includes(enough)) break;
  }
  socket.destroy();
  return text;
}

function codesIn(body: string): unknown[] {
  try {
    return JSON.parse(body).errors.map((error: { extensions: { code: unknown } }) => error.extensions.code);
  } catch {
    return [];
  }
}

/** A WebSocket without a client library: what is sent is what the test says. */
export interface RawSocket {
  readonly wire: WebSocket;
  send(message: unknown): void;
  /** The next message. @throws when the socket closes instead */
  next(): Promise<Record<string, unknown>>;
  /** How the socket was closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

export const initMessage = (payload?: object) => ({ type: 'connection_init', payload });

/** Opens a socket on the GraphQL endpoint. @throws with the HTTP status when it is refused */
export async function openRawSocket(
  url: string,
  { protocol = 'graphql-transport-ws', ...options }: { protocol?: string | undefined; origin?: string } = {},
): Promise<RawSocket> {
  const wire = new WebSocket(`${url.replace('http', 'ws')}/graphql`, protocol ? [protocol] : [], {
    ...options,
    maxPayload: 2 ** 28,
  });
  const messages: Record<string, unknown>[] = [];
  let wake = () => {};
  wire.on('message', (data) => {
    messages.push(JSON.parse(String(data)));
    wake();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    wire.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  await new Promise<void>((resolve, reject) => {
    wire.on('open', resolve);
    wire.on('error', reject);
    wire.on('unexpected-response', (_, response) => {
      reject(new Error(`HTTP ${response.statusCode}`));
      wire.terminate();
    });
  });
  return {
    wire,
    closed,
    send: (message) =>
      wire.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)),
    async next() {
      while (messages.length === 0) {
        const end = await Promise.race([new Promise<void>((resolve) => (wake = resolve)), closed]);
        if (end && messages.length === 0) throw new Error(`The socket was closed with ${end.code}: ${end.reason}`);
      }
      return messages.shift() as Record<string, unknown>;
    },
  };
}
