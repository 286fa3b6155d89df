import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ExecutionArgs } from 'graphql';
import { GraphQLError } from 'graphql';
import type { Context as SocketContext, SubscribePayload } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Gate } from '../gate/gate.ts';
import { startLife } from '../gate/open-streams.ts';
import { type Context, createContext, type StreamLife } from '../graphql/context.ts';
import type { FormatError } from '../operations/format-error.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { Services } from '../services.ts';

export interface WebSocketOptions {
  readonly operations: Operations;
  readonly services: Services;
  readonly gate: Gate;
  readonly formatError: FormatError;
}

/** An accepted socket: who is at the other end, and until when. */
interface Accepted {
  readonly viewer: Viewer;
  readonly life: StreamLife;
  /** Operations that have sent everything, while the connection is ending. */
  readonly finished: Set<string>;
  /** Set when the server ends the connection: what to close the socket with. */
  goodbye: { readonly code: number; readonly reason: string } | undefined;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
}

type Socket = SocketContext<Record<string, unknown> | undefined, Extra & Partial<Record<'accepted', Accepted>>>;

/** Close codes of the graphql-transport-ws protocol, and of RFC 6455 for a server that stops. */
const FORBIDDEN = 4403;
const GOING_AWAY = 1001;
/** When a credential ends: how long last results may take to be written before the socket is closed all the same. */
const LAST_RESULTS_MS = 1_000;
/** A close reason has at most 123 bytes (RFC 6455, 5.5). */
const REASON_LENGTH = 120;

/** WebSockets on the GraphQL endpoint, in the graphql-transport-ws protocol. */
export class WebSocketEndpoint {
  readonly #options: WebSocketOptions;
  readonly #sockets: WebSocketServer;
  readonly #server: { dispose(): Promise<void> | void };

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: options.services.limits.requestBytes });
    this.#server = useServer<Record<string, unknown> | undefined, Partial<Record<'accepted', Accepted>>>(
      {
        connectionInitWaitTimeout: options.services.limits.connectionInitMs,
        onConnect: (socket) => this.#connect(socket),
        onSubscribe: (socket, _, payload) => this.#prepare(socket, payload),
        execute: answer,
        subscribe: answer,
        onComplete: (socket, id) => this.#finish(socket, id),
        onError: (socket, id) => void this.#finish(socket, id),
        onClose: ({ extra }) => extra.accepted?.life.end(),
      },
      this.#sockets,
      options.services.limits.socketPingMs,
    );
  }

  /** Takes over an HTTP connection that asks to become a WebSocket, unless a foreign page is behind it. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!this.#options.gate.origins.allowsSocket(request.headers)) {
      stream.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () => stream.destroy());
      return;
    }
    this.#sockets.handleUpgrade(request, stream, head, (socket) => this.#sockets.emit('connection', socket, request));
  }

  /** Cuts whatever is still connected. Streams have ended by then, as their lives have. */
  close(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
    void this.#server.dispose();
  }

  async #connect(socket: Socket): Promise<boolean> {
    const { socket: wire, request } = socket.extra;
    const client = new AbortController();
    const closed = new Promise<void>((resolve) => wire.once('close', () => resolve()));
    void closed.then(() => client.abort());
    try {
      const { admission, streams } = this.#options.gate;
      const header = (name: string) => request.headers[name]?.toString();
      const viewer = await admission.admit({ header, payload: socket.connectionParams });
      const life = streams.open(viewer, client.signal);
      const accepted: Accepted = { viewer, life, closed, finished: new Set(), goodbye: undefined };
      socket.extra.accepted = accepted;
      life.signal.addEventListener('abort', () => this.#end(socket, accepted));
      if (life.signal.aborted) this.#end(socket, accepted);
      return true;
    } catch (error) {
      wire.close(FORBIDDEN, this.#options.formatError(error).message.slice(0, REASON_LENGTH));
      return true; // the socket is closing with a better reason than `false` would give it
    }
  }

  /** What graphql-ws runs, or the errors to answer with. */
  async #prepare({ extra: { accepted }, subscriptions }: Socket, payload: SubscribePayload) {
    const { operations, services, formatError } = this.#options;
    try {
      if (!accepted) throw new AppError('UNAUTHENTICATED', 'The connection was not accepted');
      if (accepted.goodbye) throw accepted.life.signal.reason;
      if (Object.keys(subscriptions).length > services.limits.streamsPerSocket)
        throw new AppError(
          'LIMIT_EXCEEDED',
          `At most ${services.limits.streamsPerSocket} operations can run on one connection`,
        );
      const { mistakes, document, operation } = operations.prepare(payload.query);
      if (mistakes.length > 0) return mistakes.map(formatError);
      const rootValue = operation(payload.operationName);
      if (!rootValue) throw new GraphQLError('The document has no such operation, or several and no operationName');
      const contextValue = createContext({
        viewer: accepted.viewer,
        services,
        resumeAfter: null,
        openStream: () => startLife([accepted.life.signal]),
      });
      // graphql-ws looks the operation up in the document to tell a subscription, and hands the rest to `answer`.
      const { operationName, variables: variableValues } = payload;
      return { schema: operations.schema, document, operationName, variableValues, contextValue, rootValue };
    } catch (error) {
      return [formatError(error)];
    }
  }

  /** The server ends the connection: once every operation has sent its last result, the socket is closed. */
  #end(socket: Socket, accepted: Accepted): void {
    const reason: unknown = accepted.life.signal.reason;
    if (!(reason instanceof AppError)) return; // the client has left
    if (reason.code === 'UNAVAILABLE') {
      // Operations may finish, as requests may; the listener cuts what takes too long.
      accepted.goodbye = { code: GOING_AWAY, reason: 'Going away' };
    } else {
      accepted.goodbye = { code: FORBIDDEN, reason: reason.message.slice(0, REASON_LENGTH) };
      setTimeout(() => this.#sayGoodbye(socket, accepted), LAST_RESULTS_MS).unref();
    }
    this.#closeIfFinished(socket, accepted);
  }

  /**
   * Called before the client is told that an operation is complete. While the connection ends it is not told so: the
   * socket's closing code says what happened, and a client that hears `complete` would not come back.
   */
  #finish(socket: Socket, id: string): Promise<void> | undefined {
    const { accepted } = socket.extra;
    if (!accepted?.goodbye) return undefined;
    accepted.finished.add(id);
    this.#closeIfFinished(socket, accepted);
    return accepted.closed;
  }

  #closeIfFinished(socket: Socket, accepted: Accepted): void {
    if (Object.keys(socket.subscriptions).every((id) => accepted.finished.has(id))) this.#sayGoodbye(socket, accepted);
  }

  #sayGoodbye({ extra: { socket } }: Socket, { goodbye }: Accepted): void {
    if (goodbye) socket.close(goodbye.code, goodbye.reason);
  }
}

/** Answers with the operation that `#prepare` put into the arguments, in its context. */
function answer({ rootValue, contextValue, variableValues }: ExecutionArgs) {
  // graphql-ws hands both on as `#prepare` returned them, but types them as `unknown`.
  return (rootValue as Operation).answer(contextValue as Context, variableValues ?? {});
}
