import type { ExecutionResult, GraphQLError } from 'graphql';
import { passingEnd, resultDelivered, type StreamedResult } from '../../operations/result-stream.ts';
import type { RequestEntry } from '../request-log.ts';
import { nextFrame } from '../result-message.ts';

/** What an operation comes to: the errors that it was refused with, a result, or a stream of them. */
export type SocketAnswer = readonly GraphQLError[] | ExecutionResult | AsyncGenerator<StreamedResult, void>;

/** The connection that an operation runs on. */
export interface OperationOwner {
  /** Sends the bytes of a frame. What is written to a socket that is closing is dropped: its end stops what runs on it. */
  sendFrame(frame: Buffer, operation: SocketOperation): void;
  /** Told once, of an operation that nobody has stopped. */
  failed(operation: SocketOperation, errors: readonly GraphQLError[]): void;
  /** Told once, when all of it was written out. */
  completed(operation: SocketOperation): void;
  /** The same of a stream whose last result was an end that passes. */
  interrupted(operation: SocketOperation): void;
  formatError(error: unknown): GraphQLError;
}

/**
 * One operation on a socket: what has the client's id. Of a stream the next result is asked for when the last one was
 * written out, so that a client that does not read holds up its own streams.
 *
 *     answering --stream--> streaming --complete--> over
 *               --errors, or a result that is written--^   (`stop()` leads there from everywhere)
 */
export class SocketOperation {
  readonly id: string;
  readonly entry: RequestEntry;
  readonly #owner: OperationOwner;
  #stream: AsyncGenerator<StreamedResult, void> | undefined;
  #isOver = false;
  #isInterrupted = false;
  /** When the next result was asked for. */
  #readyAt = 0;

  constructor(id: string, owner: OperationOwner, entry: RequestEntry) {
    this.id = id;
    this.entry = entry;
    this.#owner = owner;
  }

  /** Is it a subscription that has begun? */
  get isStream(): boolean {
    return this.#stream !== undefined;
  }

  /** Called once. */
  run(answer: Promise<SocketAnswer>): void {
    answer.then((given) => this.#take(given)).catch((error) => this.#onError(error));
  }

  /** The client, or the connection, wants no more of it. */
  stop(): void {
    this.#isOver = true;
    this.#stream?.return().catch(() => {});
  }

  #take(answer: SocketAnswer): void {
    if (Array.isArray(answer)) this.#fail(answer);
    else if (Symbol.asyncIterator in answer) {
      this.#stream = answer;
      if (this.#isOver) this.stop();
      else this.#pull();
    } else if (!this.#isOver) this.#send(answer as ExecutionResult); // neither of the other two
  }

  #pull(): void {
    this.#readyAt = performance.now();
    this.#stream
      ?.next()
      .then((step) => this.#onStep(step))
      .catch((error: unknown) => this.#onError(error));
  }

  #onStep({ done, value }: IteratorResult<StreamedResult, void>): void {
    if (this.#isOver) return;
    if (done) this.#complete();
    else this.#send(value);
  }

  #send(result: StreamedResult): void {
    this.#isInterrupted = result[passingEnd] === true;
    if (result.errors) this.entry.fails(result.errors);
    this.#owner.sendFrame(nextFrame(this.id, result), this);
    result[resultDelivered]?.(this.#readyAt);
  }

  /** What was sent is written out. */
  written(): void {
    if (this.#isOver) return;
    if (this.#stream) this.#pull();
    else this.#complete();
  }

  #complete(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isInterrupted) this.#owner.interrupted(this);
    else this.#owner.completed(this);
  }

  #onError(error: unknown): void {
    this.#fail([this.#owner.formatError(error)]);
  }

  #fail(errors: readonly GraphQLError[]): void {
    if (this.#isOver) return;
    this.stop();
    this.#owner.failed(this, errors);
  }
}
