import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionResult,
  execute,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type OperationTypeNode,
} from 'graphql';
import { isUnavailable } from '../db/faults.ts';
import type { AppError } from '../errors.ts';
import { type Context, createContext } from '../graphql/context.ts';
import { retry } from '../lib/retry.ts';
import type { Limits } from '../limits.ts';
import { type CoercedVariables, coerceVariables } from './coerced-variables.ts';
import { createCostCheck, type Variables } from './cost.ts';
import type { FormatError } from './format-error.ts';
import { ResultStream, type StreamedResult, withCursor } from './result-stream.ts';

export interface OperationOptions {
  readonly schema: GraphQLSchema;
  readonly limits: Limits;
  readonly formatError: FormatError;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
}

/**
 * One operation of a document that fits the schema. It may run any number of times, for different viewers, at once.
 * Errors in its results are formatted.
 */
export class Operation {
  readonly kind: OperationTypeNode;
  readonly #options: OperationOptions;
  readonly #coerced: CoercedVariables | undefined;
  #checkCost: ((variables: Variables) => AppError | undefined) | undefined;

  constructor(options: OperationOptions) {
    this.kind = options.operation.operation;
    this.#options = options;
    this.#coerced = coerceVariables(options.schema, options.document, options.operation);
  }

  /** Subscribes to a subscription and runs everything else. */
  answer(context: Context, variables: Variables): Promise<ExecutionResult | AsyncGenerator<StreamedResult, void>> {
    return this.kind === 'subscription' ? this.subscribe(context, variables) : this.run(context, variables);
  }

  /** Runs a query or a mutation. A result without `data` was refused before anything of it ran. */
  async run(context: Context, variables: Variables): Promise<ExecutionResult> {
    const tooMuch = this.#tooMuch(variables);
    if (tooMuch) return this.#format(tooMuch);
    const result = await execute(this.#args(context, variables));
    return this.#format('data' in result ? result : { errors: result.errors?.map(asRequestError) ?? [] });
  }

  /**
   * Begins a subscription; a result instead of a stream says why it was refused. Each payload is executed with caches of
   * its own, as a request would be, and again as long as the database is away: a result without its data would be a hole
   * in the stream. See {@link ResultStream} for its end.
   */
  async subscribe(
    context: Context,
    variables: Variables,
  ): Promise<ExecutionResult | AsyncGenerator<StreamedResult, void>> {
    const tooMuch = this.#tooMuch(variables);
    if (tooMuch) return this.#format(tooMuch);
    const life = context.openStream();
    try {
      const args = this.#args(createContext({ ...context, signal: life.signal }), variables);
      const payloads = await createSourceEventStream(args);
      if (Symbol.asyncIterator in payloads)
        return new ResultStream({
          payloads: payloads[Symbol.asyncIterator](),
          execute: (payload) => this.#executePayload(context, variables, payload, life.signal),
          format: (result) => this.#format(result),
          signal: life.signal,
          end: life.end,
          patienceMs: this.#options.limits.slowConsumerMs,
        });
      life.end();
      return this.#format(payloads);
    } catch (error) {
      life.end();
      return { errors: [this.#options.formatError(error)] };
    }
  }

  /** Nothing when the stream's life ended before the database came back. */
  #executePayload(
    context: Context,
    variables: Variables,
    payload: unknown,
    signal: AbortSignal,
  ): Promise<StreamedResult | undefined> {
    const attempt = async () => {
      const args = { ...this.#args(createContext(context), variables), rootValue: payload };
      const result = await execute(args);
      const away = result.errors?.find(({ originalError }) => isUnavailable(originalError));
      if (away) throw away.originalError;
      return withCursor(result, payload);
    };
    return retry(attempt, { signal, pauseMs: this.#options.limits.databaseRetryMs, isTemporary: isUnavailable });
  }

  #args(contextValue: Context, variableValues: Variables) {
    const { schema, document, operation } = this.#options;
    const common = { schema, operationName: operation.name?.value ?? null, contextValue };
    const coerced = this.#coerced?.coerce(variableValues);
    return this.#coerced && coerced
      ? { ...common, document: this.#coerced.document, variableValues: coerced }
      : { ...common, document, variableValues };
  }

  /** Makes the check of the operation's cost, if there is none yet: a client's operation gets it when it first runs. */
  prepareCost(): (variables: Variables) => AppError | undefined {
    this.#checkCost ??= createCostCheck(this.#options, this.#options.limits);
    return this.#checkCost;
  }

  #tooMuch(variables: Variables): ExecutionResult | undefined {
    const error = this.prepareCost()(variables);
    return error && { errors: [error] };
  }

  #format<R extends ExecutionResult>(result: R): R {
    return result.errors ? { ...result, errors: result.errors.map(this.#options.formatError) } : result;
  }
}

/**
 * An error before anything ran, such as a variable that does not fit: it is the client's, whatever a scalar has thrown, so
 * the thrown error is left behind.
 */
function asRequestError({ message, extensions, nodes }: GraphQLError): GraphQLError {
  return new GraphQLError(message, { nodes: nodes ?? null, extensions });
}
