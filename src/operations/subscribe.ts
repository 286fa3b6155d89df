import { setTimeout as wait } from 'node:timers/promises';
import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute, GraphQLError } from 'graphql';
import { isUnavailable } from '../db/faults.ts';
import { AppError } from '../errors.ts';
import { type Context, createContext } from '../graphql/context.ts';
import { costError } from './cost-error.ts';

/** Under this key a result tells the transport which cursor it has reached. Not part of its JSON. */
export const resultCursor = Symbol('cursor of a result');

export interface StreamedResult extends ExecutionResult {
  [resultCursor]?: string;
}

/**
 * Runs a subscription. Each payload is executed with caches of its own, as a request would be, and again as long as
 * the database is away: a result without its data would be a hole in the stream. The stream is pulled,
 * and `return()` ends it at once even while it waits. An error that ends the source becomes the last result, with the
 * cursor to resume from among its `extensions`.
 */
export async function subscribe(args: ExecutionArgs): Promise<AsyncGenerator<StreamedResult> | ExecutionResult> {
  const context = args.contextValue as Context; // every transport makes this context and no other
  const tooMuch = costError(args, context.services.limits);
  if (tooMuch) return { errors: [tooMuch] };
  const life = context.openStream();
  try {
    const source = await createSourceEventStream({
      ...args,
      contextValue: createContext({ ...context, signal: life.signal }),
    });
    if (Symbol.asyncIterator in source)
      return new ResultStream({
        source: source[Symbol.asyncIterator](),
        execute: (payload) => executePayload(args, context, payload, life.signal),
        signal: life.signal,
        end: life.end,
        patienceMs: context.services.limits.slowConsumerMs,
      });
    life.end();
    return source;
  } catch (error) {
    life.end();
    throw error;
  }
}

/** Nothing when the stream's life ended before the database came back. */
async function executePayload(
  args: ExecutionArgs,
  context: Context,
  payload: unknown,
  signal: AbortSignal,
): Promise<StreamedResult | undefined> {
  for (;;) {
    // Without @defer and @stream a payload has one result.
    const result = (await execute({
      ...args,
      rootValue: payload,
      contextValue: createContext(context),
    })) as StreamedResult;
    if (!result.errors?.some(({ originalError }) => isUnavailable(originalError))) return withCursor(result, payload);
    await wait(context.services.limits.databaseRetryMs, undefined, { signal, ref: false }).catch(() => {});
    if (signal.aborted) return undefined;
  }
}

/** A result without data has reached nothing. */
function withCursor(result: StreamedResult, payload: unknown): StreamedResult {
  const cursor = typeof payload === 'object' && payload !== null && 'cursor' in payload ? payload.cursor : undefined;
  return typeof cursor === 'number' && result.data ? { ...result, [resultCursor]: String(cursor) } : result;
}

interface ResultStreamOptions {
  readonly source: AsyncIterator<unknown>;
  readonly execute: (payload: unknown) => Promise<StreamedResult | undefined>;
  /** The life of the source. */
  readonly signal: AbortSignal;
  /** Ends the life of the source. */
  readonly end: () => void;
  /** How long the reader may take over one result, in milliseconds. */
  readonly patienceMs: number;
}

class ResultStream implements AsyncGenerator<StreamedResult, void, undefined> {
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
      const step = await this.#options.source.next();
      const result = step.done || this.#ended ? undefined : await this.#result(step.value);
      if (result) return { done: false, value: result };
      const { reason } = this.#options.signal;
      await this.return();
      // The source's own last word would name a cursor past what was delivered.
      if (!step.done && reason instanceof AppError) this.#lastWord = this.#endedBy(reason);
    } catch (error) {
      await this.return();
      this.#lastWord = lastResult(error);
    }
    return this.#afterEnd();
  }

  /** Ends the source's life first, so that it is not waiting when it is told to return. */
  async return(): Promise<IteratorResult<StreamedResult, void>> {
    clearTimeout(this.#patience);
    this.#ended = true;
    this.#options.end();
    await this.#options.source.return?.();
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
    return value ? { done: false, value } : { done: true, value };
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
