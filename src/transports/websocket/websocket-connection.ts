import type { Duplex } from 'node:stream';
import type { GraphQLError } from 'graphql';
import { CloseCode, type Message, MessageType, type SubscribePayload } from 'graphql-ws';
import type { RawData, WebSocket } from 'ws';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { Arrival } from '../../gate/admit.ts';
import type { Alarmed } from '../../lib/alarms.ts';
import { continueTrace } from '../../lib/trace-context.ts';
import type { Ending } from '../request-counts.ts';
import { textFrame } from '../text-frame.ts';
import { type Accepted, answerOperation, type ConnectionTools } from './answer-operation.ts';
import { ClientMessages } from './client-messages.ts';
import { closeReason } from './close-reason.ts';
import { type OperationOwner, SocketOperation } from './socket-operation.ts';

/** What letting a client in is counted as. */
export const CONNECTION = 'connection';

/** Close code of RFC 6455 for a server that stops. */
const GOING_AWAY = 1001;
/** Close code, registered since, for an end that passes. The client of graphql-ws comes back after both. */
const TRY_AGAIN_LATER = 1013;
/** Codes of refusals after which the same credential may be let in. */
const passing: ReadonlySet<unknown> = new Set(['UNAVAILABLE', 'RATE_LIMITED', 'INTERNAL_SERVER_ERROR']);
/** When a credential ends: how long last results may take to be written before the socket is closed all the same. */
const LAST_RESULTS_MS = 1_000;

/**
 * One socket that speaks graphql-transport-ws.
 *
 *     opened --connection_init--> asking --admitted--> accepted --life ends--> leaving
 *
 * In each state the socket may be closed, by either end, which ends whatever runs on it. While leaving, operations may
 * send what they have, and the socket is closed after the last of them: its closing code says what happened. The protocol
 * has no word for a stream that its client should begin again, only for all streams of a socket. So a stream that
 * ends for a reason that passes takes its socket with it, and the others there end with a cursor as well; none
 * hears `complete`, after which its client would not come back. Queries and mutations do: they would be run again.
 */
export class WebSocketConnection implements Alarmed, OperationOwner {
  readonly #socket: WebSocket;
  /** What lies under the socket. */
  readonly #stream: Duplex;
  readonly #tools: ConnectionTools;
  /** With the request, until it is known who is asking. */
  #presented: Arrival | undefined;
  /** The trace that the socket was opened in. */
  readonly #traceparent: string | undefined;
  #initialisation: NodeJS.Timeout | undefined;
  #accepted: Accepted | undefined;
  /** Set when the server ends the connection: what to close the socket with. */
  #goodbye: { readonly code: number; readonly reason: string } | undefined;
  /** What runs, by the client's ids. */
  readonly #running = new Map<string, SocketOperation>();
  #isAlive = true;
  #pingSlot: number;
  readonly #messages: ClientMessages;
  /** Bytes of answers that nobody waits for, and that the client has not taken. */
  #untaken = 0;

  constructor(socket: WebSocket, stream: Duplex, presented: Arrival, tools: ConnectionTools) {
    this.#socket = socket;
    this.#stream = stream;
    this.#presented = presented;
    this.#traceparent = presented.header('traceparent') ?? undefined;
    this.#tools = tools;
    this.#messages = new ClientMessages(tools.services.limits);
    this.#pingSlot = this.#awaitPing();
    socket.on('message', (data) => this.#hear(data));
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    socket.on('close', () => this.#closed());
    this.#initialisation = setTimeout(
      () => socket.close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout'),
      tools.services.limits.connectionInitMs,
    );
  }

  /** Time for a ping. A socket that has not answered the last one is cut. */
  ring(): void {
    if (this.#socket.readyState === this.#socket.OPEN) {
      if (!this.#isAlive) {
        this.#socket.terminate();
        return;
      }
      this.#isAlive = false;
      this.#socket.ping();
    }
    this.#pingSlot = this.#awaitPing();
  }

  #awaitPing(): number {
    return this.#tools.pings.set(this, performance.now() + this.#tools.services.limits.socketPingMs);
  }

  /** Nobody would hear of an error here but the process. What comes while the socket closes is not even read. */
  #hear(data: RawData): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    try {
      const message = this.#messages.read(data);
      if ('code' in message) this.#close(message.code, message.reason);
      else this.#follow(message);
    } catch {
      this.#close(CloseCode.InternalServerError, 'Internal server error');
    }
  }

  #follow(message: Message): void {
    switch (message.type) {
      case MessageType.ConnectionInit:
        void this.#initialise(message.payload);
        break;
      case MessageType.Subscribe:
        this.#subscribe(message.id, message.payload);
        break;
      case MessageType.Complete:
        this.#running.get(message.id)?.stop();
        this.#remove(message.id, 'stopped by the client');
        break;
      case MessageType.Ping:
        this.#send(JSON.stringify({ type: MessageType.Pong, ...(message.payload && { payload: message.payload }) }));
        break;
      case MessageType.Pong:
        break;
      default:
        this.#close(CloseCode.BadRequest, `Unexpected message of type ${message.type} received`);
    }
  }

  async #initialise(payload: unknown): Promise<void> {
    const presented = this.#presented;
    if (!presented) return this.#close(CloseCode.TooManyInitialisationRequests, 'Too many initialisation requests');
    this.#presented = undefined;
    clearTimeout(this.#initialisation);
    this.#initialisation = undefined;
    const count = (ending: Ending) => this.#tools.requestLog.counts.add('websocket', CONNECTION, ending, undefined);
    try {
      const { admission, streams } = this.#tools.gate;
      const admitted = await admission.admit({ ...presented, payload });
      if (this.#socket.readyState !== this.#socket.OPEN) return count('CUT');
      const life = streams.openSocket(admitted, presented.place);
      this.#accepted = { ...admitted, life };
      life.signal.addEventListener('abort', () => this.#leave(life.signal.reason));
      if (life.signal.aborted) this.#leave(life.signal.reason);
      this.#send('{"type":"connection_ack"}');
      count('OK');
    } catch (error) {
      const { message, extensions } = this.#tools.formatError(error);
      count(extensions.code as ErrorCode); // formatted errors have one
      const isRefused = !passing.has(extensions.code);
      this.#close(isRefused ? CloseCode.Forbidden : TRY_AGAIN_LATER, message);
    }
  }

  #subscribe(id: string, payload: SubscribePayload): void {
    if (this.#goodbye) return; // the client begins it again when it comes back
    if (!this.#accepted) this.#close(CloseCode.Unauthorized, 'Unauthorized');
    else if (this.#running.has(id))
      this.#close(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
    else {
      const operation = new SocketOperation(id, this, this.#tools.requestLog.begin('websocket'));
      if (this.#traceparent !== undefined) operation.entry.trace = continueTrace(this.#traceparent);
      this.#running.set(id, operation);
      const [tools, accepted, { entry }] = [this.#tools, this.#accepted, operation];
      const own = { running: this.#running.size, isWanted: () => this.#running.get(id) === operation };
      const answer = () => answerOperation(tools, accepted, own, payload, entry);
      operation.run(entry.span ? entry.span.within(answer) : answer());
    }
  }

  failed({ id, entry }: SocketOperation, errors: readonly GraphQLError[]): void {
    entry.fails(errors);
    this.#remove(id, 'refused');
    this.#send(`{"id":${JSON.stringify(id)},"type":"error","payload":${JSON.stringify(errors)}}`);
  }

  /** A stream that runs out while the socket is about to be closed was ended by the same, though it has said nothing. */
  completed({ id, isStream }: SocketOperation): void {
    if (!this.#goodbye || !isStream) this.#send(`{"id":${JSON.stringify(id)},"type":"complete"}`);
    this.#remove(id, 'complete');
  }

  interrupted({ id }: SocketOperation): void {
    this.#goodbye ??= { code: TRY_AGAIN_LATER, reason: 'Try again later' };
    this.#accepted?.life.end(new AppError('UNAVAILABLE', 'Another stream of the connection was interrupted'));
    this.#remove(id, 'interrupted');
  }

  sendFrame(frame: Buffer, operation: SocketOperation): void {
    this.#write(frame, (error) => {
      if (!error) operation.written();
    });
  }

  formatError(error: unknown): GraphQLError {
    return this.#tools.formatError(error);
  }

  #remove(id: string, outcome: string): void {
    this.#running.get(id)?.entry.end(outcome, 'OK');
    this.#running.delete(id);
    if (this.#running.size === 0) this.#sayGoodbye();
  }

  /** The life of the connection is over. Nothing is to be done if it is so because the client has left. */
  #leave(reason: unknown): void {
    if (!(reason instanceof AppError)) return;
    if (reason.code === 'UNAVAILABLE') {
      // Operations may finish, as requests may; the listener cuts what takes too long.
      this.#goodbye ??= { code: GOING_AWAY, reason: 'Going away' };
    } else {
      this.#goodbye = { code: CloseCode.Forbidden, reason: reason.message };
      setTimeout(() => this.#sayGoodbye(), LAST_RESULTS_MS).unref();
    }
    if (this.#running.size === 0) this.#sayGoodbye();
  }

  #sayGoodbye(): void {
    if (this.#goodbye) this.#close(this.#goodbye.code, this.#goodbye.reason);
  }

  #close(code: number, reason: string): void {
    this.#socket.close(code, closeReason(reason));
  }

  #closed(): void {
    clearTimeout(this.#initialisation);
    this.#presented = undefined;
    this.#tools.pings.cancel(this, this.#pingSlot);
    for (const operation of this.#running.values()) {
      operation.stop();
      operation.entry.end('closed', operation.isStream ? 'OK' : 'CUT');
    }
    this.#running.clear();
    this.#accepted?.life.end();
  }

  /** A client that asks on and on and takes no answer would have all of them kept for it. */
  #send(message: string): void {
    const frame = textFrame(message);
    this.#untaken += frame.byteLength;
    if (this.#untaken > this.#tools.services.limits.untakenAnswerBytes) this.#socket.terminate();
    this.#write(frame, () => {
      this.#untaken -= frame.byteLength;
    });
  }

  /** Past `ws`, which would write the head of each frame by itself. It writes its own at once as well: the order is that of calls. */
  #write(frame: Buffer, done?: (error?: Error | null) => void): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#stream.write(frame, done);
  }
}
