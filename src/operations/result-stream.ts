import { type ExecutionResult, GraphQLError } from 'graphql';
import { AppError } from '../errors.ts';

/** Under this key a result tells the transport which cursor it has reached. Not part of its JSON. */
export const resultCursor = Symbol('cursor of a result');

export interface StreamedResult extends ExecutionResult {
  [resultCursor]?: string;
}

/** The result with the cursor of its payload. One without data has reached nothing. */
export function withCursor(result: StreamedResult, payload: unknown): StreamedResult {
  const cursor = typeof payload === 'object' && payload !== null && 'cursor' in payload ? payload.cursor : undefined;
  return typeof cursor === 'number' && result.data ? { ...result, [resultCursor]: String(cursor) } : result;
}

interface ResultStreamOptions {
  /** What the subscription's resolver yields: one payload for each result. */
  readonly payloads: AsyncIterator<unknown>;
  /** Turns a payload into a result; into nothing once the life has ended. */
  readonly execute: (payload: unknown) => Promise<StreamedResult | undefined>;
  /** What every result goes through on its way out. */
  readonly format: (result: StreamedResult) => StreamedResult;
  /** The life of the stream, and with it of the payloads. */
  readonly signal: AbortSignal;
  /** Ends that life. */
  readonly end: () => void;
  /** How long the reader may take over one result, in milliseconds. */
  readonly patienceMs: number;
}

/**
 * The results of one subscription, pulled by its transport one by one.
 *
 * | state | enters | leaves |
 * |---|---|---|
 * | idle | at the beginning, and when a result was handed out; then the timer of the reader's patience runs | `next()` |
 * | reading | `next()`: waits for a payload, then executes it | with a result, or when the life or the payloads end |
 * | ended | `return()`, the end of the life or of the payloads, an error, or the end of the patience | never |
 *
 * After the end `next()` gives the last word, if there is one: why the server ended the stream, with the cursor to resume
 * from among the error's `extensions`. The stream owns the timer and ends the life and the payloads, in this order;
 * the life belongs to the transport, which may end it at any time.
 */
export class ResultStream implements AsyncGenerator<StreamedResult, void, undefined> {
  readonly #options: ResultStreamOptions;
  #patience: NodeJS.Timeout | undefined;
  #cursor: string | undefined;
  #ended = false;
  /** What is still to be said after the end. */
  #lastWord: StreamedResult | undefined;

  constructor(options: ResultStreamOptions) {
    this.#options = options;
  }

  async next(): Promise<IteratorResult<StreamedResult, void>> {
    clearTimeout(this.#patience);
    if (this.#ended) return this.#afterEnd();
    try {
      const step = await this.#options.payloads.next();
      const result = step.done || this.#ended ? undefined : await this.#result(step.value);
      if (result) return { done: false, value: this.#options.format(result) };
      const { reason } = this.#options.signal;
      await this.return();
      // The payload that was just read is not delivered any more, so the cursor is that of the last delivered result.
      if (!step.done && reason instanceof AppError) this.#lastWord = this.#endedBy(reason);
    } catch (error) {
      await this.return();
      this.#lastWord = lastResult(error);
    }
    return this.#afterEnd();
  }

  /** Ends the life first, so that the payloads are not waiting when they are told to return. */
  async return(): Promise<IteratorResult<StreamedResult, void>> {
    clearTimeout(this.#patience);
    this.#ended = true;
    this.#options.end();
    await this.#options.payloads.return?.();
    return { done: true, value: undefined };
  }

  async #result(payload: unknown): Promise<StreamedResult | undefined> {
    const result = await this.#options.execute(payload);
    if (!result) return undefined;
    this.#cursor = result[resultCursor] ?? this.#cursor;
    this.#patience = setTimeout(() => void this.#giveUp(), this.#options.patienceMs).unref();
    return result;
  }

  #afterEnd(): IteratorResult<StreamedResult, void> {
    const value = this.#lastWord;
    this.#lastWord = undefined;
    return value ? { done: false, value: this.#options.format(value) } : { done: true, value };
  }

  /** The reader takes nothing: what the stream holds is freed now, and if the reader comes back it is told so. */
  async #giveUp(): Promise<void> {
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

function lastResult(error: unknown): StreamedResult {
  const shown =
    error instanceof GraphQLError
      ? error
      : new GraphQLError('', { originalError: error instanceof Error ? error : null });
  const cursor: unknown = shown.extensions.cursor;
  return { errors: [shown], ...(typeof cursor === 'string' && { [resultCursor]: cursor }) };
}
