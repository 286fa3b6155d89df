import { type ExecutionResult, GraphQLError } from 'graphql';
import { AppError, type ErrorCode, isPassing } from '../errors.ts';
import type { StreamLife } from '../graphql/context.ts';
import type { Alarmed, Alarms } from '../lib/alarms.ts';
import type { Delivered } from '../log/follow/steps.ts';

/** Under this key a result tells the transport which cursor it has reached. Not part of its JSON. */
export const resultCursor = Symbol('cursor of a result');

/** Under this key a stream's last result tells the transport that its client does well to come back. Not part of its JSON. */
export const passingEnd = Symbol('an end that passes');

/**
 * Under this key a result of events that have just come has whom the transport tells when it has handed the result to a reader's
 * socket, and when it had asked for it, by `performance.now()`. Not part of its JSON.
 */
export const resultDelivered = Symbol('who measures how late a result comes');

export interface StreamedResult extends ExecutionResult {
  [resultCursor]?: string;
  [resultDelivered]?: Delivered;
  [passingEnd]?: true;
}

/**
 * A result in the place of a stream that could not begin. Only what is expected to pass counts: who is refused because of
 * an expired token or an error of ours is refused again.
 */
export function asRefusal(result: StreamedResult): StreamedResult {
  const passes = result.errors?.some(({ extensions: { code } }) => code === 'UNAVAILABLE' || code === 'RATE_LIMITED');
  return passes ? { ...result, [passingEnd]: true } : result;
}

/** The result with what its payload tells the transport, as the cursor. One without data has reached nothing. */
export function withCursor(result: StreamedResult, payload: unknown): StreamedResult {
  const { cursor, delivered }: Told = typeof payload === 'object' && payload !== null ? payload : {};
  if (typeof cursor !== 'number' || !result.data) return result;
  return { ...result, [resultCursor]: String(cursor), ...(delivered && { [resultDelivered]: delivered }) };
}

/** What payloads of logs have; others may have another `cursor`. */
interface Told {
  readonly cursor?: unknown;
  readonly delivered?: Delivered | undefined;
}

/** What payloads are turned into. */
export interface PayloadResults {
  /** A payload's result; nothing once the life has ended. */
  of(payload: unknown): StreamedResult | Promise<StreamedResult | undefined>;
  /** What every result with errors goes through on its way out. */
  format(result: StreamedResult): StreamedResult;
}

interface ResultStreamOptions {
  /** What the subscription's resolver yields: one payload for each result. */
  readonly payloads: AsyncIterator<unknown>;
  readonly results: PayloadResults;
  /** The life of the stream, and with it of the payloads. The stream ends it. */
  readonly life: StreamLife;
  /** For the waits of all streams for their readers. */
  readonly patience: Alarms;
  /** How long the reader may take over one result, in milliseconds. */
  readonly patienceMs: number;
  /** Told when the reader has taken longer. */
  readonly onSlow: () => void;
}

type NextResult = IteratorResult<StreamedResult, void>;

/**
 * The results of one subscription, pulled by its transport one by one.
 *
 * | state | enters | leaves |
 * |---|---|---|
 * | idle | at the beginning, and when a result was handed out; then the reader's patience is measured | `next()` |
 * | reading | `next()`: waits for a payload, then executes it | with a result, or when the life or the payloads end |
 * | ended | `return()`, the end of the life or of the payloads, an error, or the end of the patience | never |
 *
 * After the end `next()` gives the last word, if there is one: why the server ended the stream, with the cursor to resume
 * from among the error's `extensions`. The stream ends the life and the payloads, in this order; the life belongs to the
 * transport, which may end it at any time. An alarm that was set for one result may ring for a later one: it is then set
 * anew, so that a result costs no alarm.
 */
export class ResultStream implements AsyncGenerator<StreamedResult, void, undefined>, Alarmed {
  readonly #options: ResultStreamOptions;
  /** Since when the reader has had the newest result, and has asked for no other. */
  #idleSince: number | undefined;
  #alarm: number | undefined;
  #cursor: string | undefined;
  #ended = false;
  /** What is still to be said after the end. */
  #lastWord: StreamedResult | undefined;

  constructor(options: ResultStreamOptions) {
    this.#options = options;
  }

  next(): Promise<NextResult> {
    this.#idleSince = undefined;
    if (this.#ended) return Promise.resolve(this.#afterEnd());
    return this.#options.payloads.next().then(
      (step) => this.#onPayload(step),
      (error) => this.#onError(error),
    );
  }

  #onPayload(step: IteratorResult<unknown>): NextResult | Promise<NextResult> {
    if (step.done || this.#ended) return this.#cut(!step.done);
    try {
      const result = this.#options.results.of(step.value);
      return 'then' in result ? this.#whenMade(result) : this.#handOut(result);
    } catch (error) {
      return this.#onError(error);
    }
  }

  async #whenMade(making: Promise<StreamedResult | undefined>): Promise<NextResult> {
    try {
      const result = await making;
      return result ? this.#handOut(result) : this.#cut(true);
    } catch (error) {
      return this.#onError(error);
    }
  }

  async #onError(error: unknown): Promise<NextResult> {
    if (error instanceof AppError && error.code === 'SLOW_CONSUMER') this.#options.onSlow();
    await this.return();
    this.#lastWord = lastResult(error);
    return this.#afterEnd();
  }

  /** The payloads have ended. @param isOpen one has come that is not delivered any more: the last cursor stands */
  async #cut(isOpen: boolean): Promise<NextResult> {
    const { reason } = this.#options.life.signal;
    await this.return();
    if (isOpen && reason instanceof AppError) this.#lastWord = this.#endedBy(reason);
    return this.#afterEnd();
  }

  /** A result of which an error of ours took all data would be a hole, past which the client could not go back. */
  #handOut(result: StreamedResult): NextResult | Promise<NextResult> {
    const shown = result.errors ? this.#options.results.format(result) : result;
    const error = shown.data == null ? shown.errors?.find(isInternal) : undefined;
    if (error) return this.#onError(error);
    this.#cursor = result[resultCursor] ?? this.#cursor;
    this.#idleSince = performance.now();
    if (!this.#ended) this.#alarm ??= this.#options.patience.set(this, this.#idleSince + this.#options.patienceMs);
    return { done: false, value: shown };
  }

  /** Ends the life first, so that the payloads are not waiting when they are told to return. */
  async return(): Promise<NextResult> {
    this.#ended = true;
    if (this.#alarm !== undefined) this.#options.patience.cancel(this, this.#alarm);
    this.#options.life.end();
    await this.#options.payloads.return?.();
    return { done: true, value: undefined };
  }

  /** The reader may have had its time. */
  ring(): void {
    this.#alarm = undefined;
    if (this.#idleSince === undefined) return;
    const until = this.#idleSince + this.#options.patienceMs;
    if (performance.now() < until) this.#alarm = this.#options.patience.set(this, until);
    else void this.#giveUp();
  }

  #afterEnd(): NextResult {
    const value = this.#lastWord;
    this.#lastWord = undefined;
    return value
      ? { done: false, value: asEnd(this.#options.results.format(value), this.#cursor) }
      : { done: true, value };
  }

  /** The reader takes nothing: what the stream holds is freed now, and if the reader comes back it is told so. */
  async #giveUp(): Promise<void> {
    this.#options.onSlow();
    this.#lastWord = this.#endedBy(
      new AppError('SLOW_CONSUMER', `Nothing was read for ${this.#options.patienceMs / 1000} s`),
    );
    await this.return();
  }

  #endedBy({ code, message, extensions }: AppError): StreamedResult {
    const details = this.#cursor === undefined ? {} : { cursor: this.#cursor };
    return lastResult(new AppError(code, message, { ...extensions, ...details }));
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

/** The formatted last result: of an error of ours, too, it says where to go on. */
function asEnd(result: StreamedResult, cursor: string | undefined): StreamedResult {
  const { errors = [] } = result;
  if (!errors.some(({ extensions }) => isPassing(extensions.code))) return result;
  if (cursor === undefined || !errors.some(isInternal)) return { ...result, [passingEnd]: true };
  const located = errors.map(
    ({ message, extensions }) => new GraphQLError(message, { extensions: { ...extensions, cursor } }),
  );
  return { ...result, errors: located, [resultCursor]: cursor, [passingEnd]: true };
}

function isInternal({ extensions }: GraphQLError): boolean {
  return extensions.code === ('INTERNAL_SERVER_ERROR' satisfies ErrorCode);
}

function lastResult(error: unknown): StreamedResult {
  const shown =
    error instanceof GraphQLError
      ? error
      : new GraphQLError('', { originalError: error instanceof Error ? error : null });
  const cursor: unknown = shown.extensions.cursor;
  return { errors: [shown], ...(typeof cursor === 'string' && { [resultCursor]: cursor }) };
}
