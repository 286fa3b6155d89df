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
import { type Context, type ContextParts, createContext } from '../graphql/context.ts';
import type { Alarms } from '../lib/alarms.ts';
import { retry } from '../lib/retry.ts';
import type { Limits } from '../limits.ts';
import { type Audience, Audiences } from './audiences.ts';
import { type CoercedVariables, coerceVariables } from './coerced-variables.ts';
import { createCostCheck, type Variables } from './cost.ts';
import type { FormatError } from './format-error.ts';
import { ResultStream, type StreamedResult, withCursor } from './result-stream.ts';
import { writeJson } from './text/json-text.ts';
import type { TextSelections } from './text/text-selections.ts';

export interface OperationOptions {
  readonly schema: GraphQLSchema;
  readonly limits: Limits;
  readonly formatError: FormatError;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly texts: TextSelections;
  /** For the patience of all streams. */
  readonly patience: Alarms;
}

/** What graphql-js executes. */
interface Executable {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly coerced: CoercedVariables | undefined;
}

/**
 * One operation of a document that fits the schema. It may run any number of times, for different viewers, at once.
 * Errors in its results are formatted.
 */
export class Operation {
  readonly kind: OperationTypeNode;
  readonly #options: OperationOptions;
  readonly #executable: Executable;
  /** The same with plain selections as text; null where there are none, and undefined as long as nobody has asked. */
  #asText: Executable | null | undefined;
  #audiences: Audiences | undefined;
  #checkCost: ((variables: Variables) => AppError | undefined) | undefined;

  constructor(options: OperationOptions) {
    this.kind = options.operation.operation;
    this.#options = options;
    this.#executable = toExecutable(options.schema, options);
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
   * Runs a query and writes its result as JSON, which takes a part of the time of doing one after the other.
   * @returns undefined when there is nothing to gain by it, or the result holds more than data: then it has to be run.
   */
  async write(context: Context, variables: Variables): Promise<string | undefined> {
    if (this.kind !== 'query') return undefined;
    this.#asText ??= this.#toTextOperation();
    if (!this.#asText || this.#tooMuch(variables)) return undefined;
    const { data, errors } = await execute(this.#args(context, variables, this.#asText));
    return data && !errors ? `{"data":${writeJson(data)}}` : undefined;
  }

  #toTextOperation(): Executable | null {
    const { texts, operation, fragments } = this.#options;
    const rewritten = texts.rewrite(operation, fragments);
    return rewritten ? toExecutable(texts.schema, rewritten) : null;
  }

  /**
   * Begins a subscription; a result instead of a stream says why it was refused. Each payload is executed with caches of
   * its own, as a request would be, and again as long as the database is away: a result without its data would be a hole
   * in the stream. What rests on the payload alone is executed once for all who are shown the same, see {@link Audiences}.
   * See {@link ResultStream} for the end.
   */
  async subscribe(
    context: Context,
    variables: Variables,
  ): Promise<ExecutionResult | AsyncGenerator<StreamedResult, void>> {
    const tooMuch = this.#tooMuch(variables);
    if (tooMuch) return this.#format(tooMuch);
    const life = context.openStream();
    const { viewer, services, openStream, resumeAfter } = context;
    try {
      const own = { viewer, services, openStream, resumeAfter, signal: life.signal };
      const payloads = await createSourceEventStream(this.#args(createContext(own), variables));
      if (!(Symbol.asyncIterator in payloads)) {
        life.end();
        return this.#format(payloads);
      }
      this.#audiences ??= new Audiences(this.#options);
      const { audience, leave } = this.#audiences.join(viewer, variables);
      if (life.signal.aborted) leave();
      else life.signal.addEventListener('abort', leave);
      return new ResultStream({
        payloads: payloads[Symbol.asyncIterator](),
        resultOf: (payload) => this.#resultOf(payload, own, variables, audience),
        format: (result) => this.#format(result),
        life,
        patience: this.#options.patience,
        patienceMs: this.#options.limits.slowConsumerMs,
      });
    } catch (error) {
      life.end();
      return { errors: [this.#options.formatError(error)] };
    }
  }

  /** What a payload shows. If that rests on nothing else, it is the same for the whole audience. */
  #resultOf(
    payload: unknown,
    own: ContextParts & { readonly signal: AbortSignal },
    variables: Variables,
    audience: Audience,
  ): StreamedResult | Promise<StreamedResult | undefined> {
    const object = typeof payload === 'object' && payload !== null ? payload : {};
    const known = audience.resultOf(object);
    if (known) return known;
    const run = (context: Context) => execute({ ...this.#args(context, variables), rootValue: payload });
    const context = createContext(own);
    const begun = run(context);
    if ('then' in begun || begun.errors)
      return this.#retried(begun, () => run(createContext(own)), payload, own.signal);
    const result = withCursor(begun, payload);
    if (context.basis?.length === 0) audience.keep(object, result);
    return result;
  }

  /** Nothing when the stream's life ended before the database came back. */
  #retried(
    begun: ExecutionResult | PromiseLike<ExecutionResult>,
    again: () => ExecutionResult | PromiseLike<ExecutionResult>,
    payload: unknown,
    signal: AbortSignal,
  ): Promise<StreamedResult | undefined> {
    let first: typeof begun | undefined = begun;
    const attempt = async () => {
      const result = await (first ?? again());
      first = undefined;
      const away = result.errors?.find(({ originalError }) => isUnavailable(originalError));
      if (away) throw away.originalError;
      return withCursor(result, payload);
    };
    return retry(attempt, { signal, pauseMs: this.#options.limits.databaseRetryMs, isTemporary: isUnavailable });
  }

  #args(
    contextValue: Context,
    variableValues: Variables,
    { schema, document, coerced }: Executable = this.#executable,
  ) {
    const common = { schema, operationName: this.#options.operation.name?.value ?? null, contextValue };
    const values = coerced?.coerce(variableValues);
    return coerced && values
      ? { ...common, document: coerced.document, variableValues: values }
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

function toExecutable(
  schema: GraphQLSchema,
  { document, operation }: Pick<OperationOptions, 'document' | 'operation'>,
): Executable {
  return { schema, document, coerced: coerceVariables(schema, document, operation) };
}

/**
 * An error before anything ran, such as a variable that does not fit: it is the client's, whatever a scalar has thrown, so
 * the thrown error is left behind.
 */
function asRequestError({ message, extensions, nodes }: GraphQLError): GraphQLError {
  return new GraphQLError(message, { nodes: nodes ?? null, extensions });
}
