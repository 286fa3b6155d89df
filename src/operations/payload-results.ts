import type { ExecutionResult } from 'graphql';
import { isUnavailable } from '../db/faults.ts';
import { type Context, type ContextParts, createContext } from '../graphql/context.ts';
import { retry } from '../lib/retry.ts';
import type { Audience } from './audiences.ts';
import { type PayloadResults, type StreamedResult, withCursor } from './result-stream.ts';
import type { Variables } from './valid-operation.ts';

/** What executes payloads of one subscription. */
export interface PayloadExecutor {
  execute(context: Context, variables: Variables, payload: unknown): ExecutionResult | PromiseLike<ExecutionResult>;
  format(result: StreamedResult): StreamedResult;
  readonly databaseRetryMs: number;
}

/**
 * The results of one subscriber. Each payload is executed with caches of its own, as a request would be, and again as long
 * as the database is away: a result without its data would be a hole in the stream. What rests on the payload alone is
 * executed once for the whole audience.
 */
export class SubscriberResults implements PayloadResults {
  readonly #executor: PayloadExecutor;
  readonly #parts: ContextParts;
  readonly #variables: Variables;
  readonly #audience: Audience;
  readonly #life: AbortSignal;

  constructor(
    executor: PayloadExecutor,
    { viewer, spending, services, resumeAfter }: ContextParts,
    { variables, audience, life }: { variables: Variables; audience: Audience; life: AbortSignal },
  ) {
    this.#executor = executor;
    this.#parts = { viewer, spending, services, openStream: beginNoStream, resumeAfter };
    this.#variables = variables;
    this.#audience = audience;
    this.#life = life;
  }

  of(payload: unknown): StreamedResult | Promise<StreamedResult | undefined> {
    const object = typeof payload === 'object' && payload !== null ? payload : {};
    const known = this.#audience.resultOf(object);
    if (known) return known;
    const begun = this.#executor.execute(this.#createContext(payload), this.#variables, payload);
    if ('then' in begun || begun.errors) return this.#finish(begun, payload);
    const result = withCursor(begun, payload);
    this.#audience.keep(object, result); // what waits for nothing has read nothing: `Context.load` answers later
    return result;
  }

  format(result: StreamedResult): StreamedResult {
    return this.#executor.format(result);
  }

  /** A payload that was judged already, as by a filter, is judged by the same moment throughout. */
  #createContext(payload: unknown): Context {
    const judgedAt =
      typeof payload === 'object' && payload !== null && 'judgedAt' in payload ? Number(payload.judgedAt) : undefined;
    return createContext({ ...this.#parts, now: judgedAt });
  }

  /** Nothing when the stream's life ended before the database came back. */
  #finish(
    begun: ExecutionResult | PromiseLike<ExecutionResult>,
    payload: unknown,
  ): Promise<StreamedResult | undefined> {
    let first: typeof begun | undefined = begun;
    const attempt = async () => {
      const executing = first ?? this.#executor.execute(this.#createContext(payload), this.#variables, payload);
      first = undefined;
      const result = await executing;
      const away = result.errors?.find(({ originalError }) => isUnavailable(originalError));
      if (away) throw away.originalError;
      return withCursor(result, payload);
    };
    const { databaseRetryMs: pauseMs } = this.#executor;
    return retry(attempt, { signal: this.#life, pauseMs, isTemporary: isUnavailable });
  }
}

function beginNoStream(): never {
  throw new Error('A payload begins no stream');
}
