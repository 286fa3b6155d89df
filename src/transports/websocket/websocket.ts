import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, handleProtocols } from 'graphql-ws';
import { type ServerOptions, WebSocketServer } from 'ws';
import { AppError, headersOf } from '../../errors.ts';
import type { Place } from '../../gate/stream-counts.ts';
import { Alarms } from '../../lib/alarms.ts';
import type { Ending } from '../request-counts.ts';
import { protectiveHeaders } from '../server-response.ts';
import type { ConnectionTools } from './answer-operation.ts';
import { CONNECTION, WebSocketConnection } from './websocket-connection.ts';

/** What a client may take to agree to the end of its socket, in milliseconds, before it is cut. */
const CLOSE_MS = 5_000;

/** WebSockets on the GraphQL endpoint, in the graphql-transport-ws protocol. */
export class WebSocketEndpoint {
  readonly #tools: ConnectionTools;
  readonly #sockets: WebSocketServer;

  constructor(options: Omit<ConnectionTools, 'pings'>) {
    const { socketMessageBytes, socketMessagePieces, socketPingMs } = options.services.limits;
    this.#tools = { ...options, pings: new Alarms(socketPingMs) };
    // Its types lack the last one.
    const sockets: ServerOptions & { readonly closeTimeout: number } = {
      noServer: true,
      // One of up to twice the bound is closed with a reason, see `client-messages.ts`; of a longer one nothing is kept.
      maxPayload: 2 * socketMessageBytes,
      maxFragments: socketMessagePieces,
      maxBufferedChunks: socketMessagePieces,
      perMessageDeflate: false, // it takes memory of each socket, and a small message may become a large one
      handleProtocols,
      closeTimeout: CLOSE_MS,
    };
    this.#sockets = new WebSocketServer(sockets);
  }

  /** Takes over an HTTP connection that asks to become a WebSocket, unless a foreign page is behind it. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!this.#tools.gate.origins.allowsSocket(request.headers)) {
      this.#count('FORBIDDEN');
      refuseUpgrade(stream, '403 Forbidden');
      return;
    }
    const { addresses, streams } = this.#tools.gate;
    const address = addresses.of(request);
    let place: Place;
    try {
      place = streams.arrive(address);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#count(error.code);
      refuseUpgrade(stream, `${error.httpStatus} ${STATUS_CODES[error.httpStatus]}`, headersOf(error));
      return;
    }
    stream.once('close', place.leave);
    this.#sockets.handleUpgrade(request, stream, head, (socket) => {
      socket.on('error', () => {}); // `ws` closes the socket with a fitting code, and there is nothing else to do
      const header = (name: string) => request.headers[name]?.toString();
      const presented = { door: 'websocket', address, header, place } as const;
      if (socket.protocol === GRAPHQL_TRANSPORT_WS_PROTOCOL)
        new WebSocketConnection(socket, stream, presented, this.#tools);
      else socket.close(CloseCode.SubprotocolNotAcceptable, 'Subprotocol not acceptable');
    });
  }

  /** A client was not let in. */
  #count(ending: Ending): void {
    this.#tools.requestLog.counts.add('websocket', CONNECTION, ending, undefined);
  }

  /** Cuts whatever is still connected. Streams have ended by then, as their lives have. */
  close(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
  }
}

/** Answers a request that is not to become a WebSocket, and closes its connection. */
export function refuseUpgrade(stream: Duplex, status: string, more: Readonly<Record<string, string>> = {}): void {
  const headers = { ...protectiveHeaders, ...more, connection: 'close', 'content-length': '0' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`, () => stream.destroy());
}
