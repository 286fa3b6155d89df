import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute, GraphQLError } from 'graphql';
import { type Context, createContext } from './context.ts';
import { costError } from './cost-error.ts';

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
  const tooMuch = costError(args, context.services.limits);
  if (tooMuch) return { errors: [tooMuch] };
  const life = context.openStream();
  try {
    const source = await createSourceEventStream({
      ...args,
      contextValue: createContext({ ...context, signal: life.signal }),
    });
    if (Symbol.asyncIterator in source)
      return new ResultStream(
        source[Symbol.asyncIterator](),
        (payload) => executePayload(args, context, payload),
        life.end,
      );
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

class ResultStream implements AsyncGenerator<StreamedResult, void, undefined> {
  readonly #source: AsyncIterator<unknown>;
  readonly #execute: (payload: unknown) => Promise<StreamedResult>;
  readonly #end: () => void;
  #ended = false;

  constructor(source: AsyncIterator<unknown>, execute: (payload: unknown) => Promise<StreamedResult>, end: () => void) {
    this.#source = source;
    this.#execute = execute;
    this.#end = end;
  }

  async next(): Promise<IteratorResult<StreamedResult, void>> {
    if (this.#ended) return { done: true, value: undefined };
    try {
      const step = await this.#source.next();
      if (!step.done && !this.#ended) return { done: false, value: await this.#execute(step.value) };
      await this.return();
      return { done: true, value: undefined };
    } catch (error) {
      await this.return();
      return { done: false, value: lastResult(error) };
    }
  }

  /** Ends the source's life first, so that it is not waiting when it is told to return. */
  async return(): Promise<IteratorResult<StreamedResult, void>> {
    this.#ended = true;
    this.#end();
    await this.#source.return?.();
    return { done: true, value: undefined };
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
