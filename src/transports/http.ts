import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError } from '../errors.ts';
import { JSON_TYPE } from '../gate/read-body.ts';
import type { Limits } from '../limits.ts';
import { trackIdleConnections } from './idle-connections.ts';
import { refuseBody } from './request-guard.ts';
import type { RequestLog } from './request-log.ts';
import type { WebSocketEndpoint } from './websocket.ts';

const GRAPHQL_PATH = '/graphql';

export interface HttpOptions {
  readonly graphql: (request: IncomingMessage, response: ServerResponse) => unknown;
  readonly webSockets: WebSocketEndpoint;
  /** Everything that is not GraphQL. */
  readonly rest: (request: IncomingMessage, response: ServerResponse) => unknown;
  readonly limits: Limits;
  readonly requestLog: RequestLog;
}

/** The listening server. */
export interface HttpServer {
  /** Such as `http://127.0.0.1:4000`, with the port that was really taken. */
  readonly url: string;
  /** Takes no new connections, lets requests finish, and resolves when all connections are closed. */
  close(): Promise<void>;
}

/** Listens, and sorts requests to GraphQL, WebSockets and REST. */
export async function listen(host: string, port: number, options: HttpOptions): Promise<HttpServer> {
  const { graphql, webSockets, rest, limits, requestLog } = options;
  let closing = false;
  const server = createServer({ ServerResponse: cuttingIdle(limits.connectionIdleMs) }, (request, response) => {
    if (closing) response.setHeader('connection', 'close');
    const isGraphql = pathOf(request) === GRAPHQL_PATH;
    requestLog.watch(isGraphql ? 'graphql' : 'rest', request, response);
    if (!isGraphql) return void rest(request, response);
    const refusal = refuseHost(request) ?? refuseBody(request, limits);
    if (refusal) return sendError(response, refusal.status, refusal.error);
    // A media type is written in any case, and Yoga compares it letter by letter.
    if (request.method === 'POST') request.headers['content-type'] = JSON_TYPE;
    void graphql(request, response);
  });
  server.on('upgrade', (request, stream, head) => {
    // Node has given the connection out of its hands: whatever goes wrong on it would end the process.
    stream.on('error', () => stream.destroy());
    if (pathOf(request) === GRAPHQL_PATH && !closing) webSockets.upgrade(request, stream, head);
    else stream.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () => stream.destroy());
  });
  server.setTimeout(limits.connectionIdleMs);
  const cutIdleConnections = trackIdleConnections(server);
  await startListening(server, host, port);
  return {
    url: urlOf(server),
    close() {
      closing = true;
      cutIdleConnections();
      const cut = setTimeout(() => {
        webSockets.close();
        server.closeAllConnections();
      }, limits.shutdownMs);
      return new Promise((resolve, reject) => {
        server.close((error) => {
          clearTimeout(cut);
          if (error) reject(error);
          else resolve();
        });
      });
    },
  };
}

/**
 * Yoga's adapter takes the time limit off a connection right before it writes the first piece of a stream, so that a
 * client that stops reading would hold it for ever. That piece puts it back.
 */
function cuttingIdle(idleMs: number): typeof ServerResponse {
  return class extends ServerResponse {
    override write(...args: [chunk: unknown]): boolean {
      if (this.socket?.timeout === 0) this.socket.setTimeout(idleMs);
      return super.write(...args);
    }
  } as typeof ServerResponse; // its `write` passes on whatever the original's takes
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo; // a TCP server that listens has this address
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

function startListening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A request whose URL cannot be put together; Yoga would show the stack of the exception that it meets. */
function refuseHost({ headers: { host } }: IncomingMessage) {
  if (!host || URL.canParse(`http://${host}`)) return undefined;
  return { status: 400, error: new AppError('BAD_USER_INPUT', 'The Host header is not a host') };
}

/** The request's body is not read, so its connection cannot be used again. */
function sendError(response: ServerResponse, status: number, error: AppError): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', connection: 'close' });
  response.end(JSON.stringify({ errors: [error] }));
}
