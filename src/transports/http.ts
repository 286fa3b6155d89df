import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError, type ErrorCode, errorCodes } from '../errors.ts';
import { isEmbedding } from '../gate/origins.ts';
import { JSON_TYPE } from '../gate/read-body.ts';
import type { Limits } from '../limits.ts';
import { trackIdleConnections } from './idle-connections.ts';
import { asksForWebSocket, IgnoredUpgrades } from './ignored-upgrade.ts';
import { headerOf } from './node-headers.ts';
import { refuseBody, sendBodyError, sendError } from './request-guard.ts';
import type { RequestLog } from './request-log.ts';
import { GRAPHQL_PATH, hasSeveralHosts, normaliseTarget, pathOf } from './request-target.ts';
import { serverResponseFor } from './server-response.ts';
import { endWithConnection } from './waiting-responses.ts';
import { refuseUpgrade, type WebSocketEndpoint } from './websocket/websocket.ts';

export interface HttpOptions {
  readonly graphql: (request: IncomingMessage, response: ServerResponse) => unknown;
  readonly webSockets: WebSocketEndpoint;
  /** Everything that is not GraphQL. */
  readonly rest: (request: IncomingMessage, response: ServerResponse) => unknown;
  readonly limits: Limits;
  readonly requestLog: RequestLog;
  /** How long a connection may wait for its next request, in milliseconds. */
  readonly keepAliveMs: number;
}

const METHODS = 'GET, HEAD, POST, OPTIONS';

/** How often connections are looked at that take too long, in milliseconds, at most. */
const LOOK_MS = 5_000;

/** The listening server. */
export interface HttpServer {
  /** Such as `http://127.0.0.1:4000`, with the port that was really taken. */
  readonly url: string;
  /** Takes no new connections, lets requests finish, and resolves when all connections are closed. */
  close(): Promise<void>;
}

/** Listens, and sorts requests to GraphQL, WebSockets and REST. */
export async function listen(host: string, port: number, options: HttpOptions): Promise<HttpServer> {
  const { graphql, webSockets, rest, limits, requestLog, keepAliveMs } = options;
  let closing = false;
  const http = {
    ServerResponse: serverResponseFor(limits.connectionIdleMs),
    keepAliveTimeout: keepAliveMs,
    // Node counts what a connection waits for its first request as time for its headers.
    headersTimeout: keepAliveMs + limits.headersMs,
    requestTimeout: keepAliveMs + limits.requestMs,
    connectionsCheckingInterval: Math.min(LOOK_MS, limits.headersMs),
    // Node would take the first of two headers `Authorization`, and others the last: joined, they are no good credential.
    joinDuplicateHeaders: true,
    shouldUpgradeCallback: asksForWebSocket, // of Node 22.21, 24.9 and newer
  };
  const server = createServer(http, (request, response) => {
    request.socket.setTimeout(limits.connectionIdleMs);
    endWithConnection(request, response);
    if (closing) response.setHeader('connection', 'close');
    normaliseTarget(request);
    if (request.url === '*') return void response.writeHead(204, { allow: METHODS }).end(); // OPTIONS, of the server as a whole
    const isGraphql = pathOf(request) === GRAPHQL_PATH;
    requestLog.watch(isGraphql ? 'graphql' : 'rest', request, response);
    if (hasSeveralHosts(request)) return refuse(response, isGraphql, 'BAD_USER_INPUT', 'There must be one Host header');
    if (isEmbedding((name) => headerOf(request, name)))
      return refuse(response, isGraphql, 'FORBIDDEN', 'Pages of other sites may not embed this');
    if (!isGraphql) return requestLog.answer(rest, request, response);
    if (!hasGoodHost(request))
      return sendError(response, 400, new AppError('BAD_USER_INPUT', 'The Host header is not a host'));
    const refused = refuseBody(request, limits);
    if (refused) return sendBodyError(response, refused);
    if (request.method === 'OPTIONS') response.setHeader('allow', METHODS);
    // A media type is written in any case, and Yoga compares it letter by letter.
    if (request.method === 'POST') request.headers['content-type'] = JSON_TYPE;
    requestLog.answer(graphql, request, response);
  });
  const ignored = new IgnoredUpgrades(server);
  server.on('upgrade', (request, stream, head) => {
    if (!asksForWebSocket(request)) return ignored.take(request, stream, head);
    // Node has given the connection out of its hands: whatever goes wrong on it would end the process.
    stream.on('error', () => stream.destroy());
    normaliseTarget(request);
    if (hasSeveralHosts(request)) refuseUpgrade(stream, '400 Bad Request');
    else if (pathOf(request) !== GRAPHQL_PATH || closing) refuseUpgrade(stream, '404 Not Found');
    else webSockets.upgrade(request, stream, head);
  });
  server.setTimeout(limits.connectionIdleMs);
  server.on('connection', (socket) => socket.setTimeout(keepAliveMs)); // until a request comes, as between two of them
  const cutIdleConnections = trackIdleConnections(server);
  await startListening(server, host, port);
  return {
    url: urlOf(server),
    close() {
      closing = true;
      cutIdleConnections();
      const cut = setTimeout(() => {
        webSockets.close();
        ignored.cut();
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

/** Can the request's URL be put together? Yoga would show the stack of the exception that it meets. */
function hasGoodHost({ headers: { host } }: IncomingMessage): boolean {
  return !host || URL.canParse(`http://${host}`);
}

/** Refuses a request before it is read, in the form of the door that was asked. */
function refuse(response: ServerResponse, isGraphql: boolean, code: ErrorCode, message: string): void {
  const status = errorCodes[code].httpStatus;
  if (isGraphql) sendError(response, status, new AppError(code, message));
  else
    response
      .writeHead(status, { 'content-type': JSON_TYPE, connection: 'close' })
      .end(JSON.stringify({ detail: message }));
}
