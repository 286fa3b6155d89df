import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute, GraphQLError } from 'graphql';
import { AppError } from '../errors.ts';
import { type Context, createContext } from './context.ts';

/** Under this key a result tells the transport which cursor it has reached. Not part of its JSON. */
export const resultCursor = Symbol('cursor of a result');

export interface StreamedResult extends ExecutionResult {
  [resultCursor]?: string;
}

/**
 * Runs a subscription. Each payload is executed with caches of its own, as a request would be. The stream is pulled,
 * and `return()` ends it at once even while it waits. An error that ends the source becomes the last result, with the
 * cursor to resume from among its `extensions`.
 */
export async function subscribe(args: ExecutionArgs): Promise<AsyncGenerator<StreamedResult> | ExecutionResult> {
  const context = args.contextValue as Context; // every transport makes this context and no other
  const life = context.openStream();
  try {
    const source = await createSourceEventStream({
      ...args,
      contextValue: createContext({ ...context, signal: life.signal }),
    });
    if (Symbol.asyncIterator in source)
      return new ResultStream({
        source: source[Symbol.asyncIterator](),
        execute: (payload) => executePayload(args, context, payload),
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

async function executePayload(args: ExecutionArgs, context: Context, payload: unknown): Promise<StreamedResult> {
  // Without @defer and @stream a payload has one result.
  const result = (await execute({
    ...args,
    rootValue: payload,
    contextValue: createContext(context),
  })) as StreamedResult;
  const cursor = typeof payload === 'object' && payload !== null && 'cursor' in payload ? payload.cursor : undefined;
  return typeof cursor === 'number' ? { ...result, [resultCursor]: String(cursor) } : result;
}

interface ResultStreamOptions {
  readonly source: AsyncIterator<unknown>;
  readonly execute: (payload: unknown) => Promise<StreamedResult>;
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
      if (!step.done && !this.#ended) return { done: false, value: await this.#result(step.value) };
      await this.return();
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

  async #result(payload: unknown): Promise<StreamedResult> {
    const result = await this.#options.execute(payload);
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
    const details = this.#cursor === undefined ? {} : { cursor: this.#cursor };
    this.#lastWord = lastResult(
      new AppError('SLOW_CONSUMER', `Nothing was read for ${this.#options.patienceMs / 1000} s`, details),
    );
    await this.return();
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
