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
import type { ErrorCode } from '../errors.ts';
import { type Context, type ContextParts, createContext } from '../graphql/context.ts';
import type { Alarms } from '../lib/alarms.ts';
import type { Limits } from '../limits.ts';
import { Audiences } from './audiences.ts';
import { type Author, Bill, type Told } from './bill.ts';
import { type BoundedExecution, isWithin } from './bounded-execution.ts';
import { type CoercedVariables, coerceVariables } from './coerced-variables.ts';
import type { Cost } from './cost.ts';
import type { FormatError } from './format-error.ts';
import { findInputProblems } from './input-problems.ts';
import { jsonLength } from './json-length.ts';
import { countedNameOf, labelOf } from './operation-label.ts';
import { type PayloadExecutor, SubscriberResults } from './payload-results.ts';
import { asRefusal, ResultStream, type StreamedResult } from './result-stream.ts';
import { withoutSuggestion } from './reticence.ts';
import { refuseRootFields } from './single-root-field.ts';
import { writeInSlices, writeJson } from './text/json-text.ts';
import type { TextSelections } from './text/text-selections.ts';
import type { Variables } from './valid-operation.ts';

export interface OperationOptions {
  readonly schema: GraphQLSchema;
  readonly limits: Limits;
  readonly formatError: FormatError;
  readonly introspection: boolean;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** The schema as it is executed, see {@link withSteps}. */
  readonly stepped: GraphQLSchema;
  readonly texts: TextSelections;
  /** For the patience of all streams. */
  readonly patience: Alarms;
  /** Told of each reader that was too slow. */
  readonly onSlow: () => void;
  /** For queries and mutations. */
  readonly bounded: BoundedExecution;
  readonly author: Author;
}

/** What graphql-js executes. */
interface Executable {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly coerced: CoercedVariables | undefined;
}

/** What results hold: objects alone, or {@link JsonText} in the place of plain selections, for who writes them as JSON. */
export type ResultForm = 'objects' | 'text';

/** What all subscribers to results of one form share. */
interface PayloadTools {
  readonly audiences: Audiences;
  readonly executor: PayloadExecutor;
}

/**
 * One operation of a document that fits the schema. It may run any number of times, for different viewers, at once.
 * Errors in its results are formatted.
 */
export class Operation {
  readonly kind: OperationTypeNode;
  /** For people: its kind with its name or, if it has none, the fields that it asks for. */
  readonly label: string;
  /** For counts: of these there are few, whatever clients send. */
  readonly countedName: string;
  readonly #options: OperationOptions;
  readonly #bill: Bill;
  readonly #executable: Executable;
  /** The same with plain selections as text; null where there are none, and undefined as long as nobody has asked. */
  #asText: Executable | null | undefined;
  readonly #payloads: Partial<Record<ResultForm, PayloadTools>> = {};

  constructor(options: OperationOptions) {
    this.kind = options.operation.operation;
    this.label = labelOf(options.operation);
    this.countedName = countedNameOf(options.schema, options.operation, options.fragments);
    this.#options = options;
    this.#bill = new Bill(options);
    this.#executable = toExecutable(options.stepped, options);
  }

  /** Subscribes to a subscription, whose results hold text, and runs everything else. */
  answer(parts: ContextParts, variables: Variables): Promise<ExecutionResult | AsyncGenerator<StreamedResult, void>> {
    return this.kind === 'subscription'
      ? this.subscribe(parts, variables, 'text')
      : this.run(createContext(parts), variables);
  }

  /** Runs a query or a mutation, and lets the context forget. A result without `data` was refused before anything of it ran. */
  async run(context: Context, variables: Variables): Promise<ExecutionResult> {
    const { refused, told } = this.#bill.weigh(variables, context.viewer);
    if (refused) return { ...this.#format(refused), ...told };
    const unpaid = this.#bill.unpaid(context, variables);
    if (unpaid) return { ...this.#format(unpaid), ...told };
    const { result, cost } = await this.#execute(context, variables, told);
    context.forget();
    const shown = 'data' in result ? result : { errors: this.#asRequestErrors(result.errors ?? [], variables) };
    return { ...this.#format(shown), ...cost };
  }

  /** Executes a query or a mutation: one that is past its bounds has that as its only error. */
  async #execute(context: Context, variables: Variables, asked: Told, executable?: Executable) {
    const { author, bounded } = this.#options;
    const { bounds } = context;
    bounds.judge = this.#bill.judgeOf(variables, asked);
    const isLight = this.kind !== 'query' || this.#bill.isLight(variables);
    const result = await bounded.run(() => execute(this.#args(context, variables, executable)), bounds, isLight);
    if (result.data && !executable && author === 'client') isWithin(bounds, jsonLength(result.data));
    const cost = this.#bill.settle(context, asked);
    return { result: bounds.exceeded ? { data: null, errors: [bounds.exceeded] } : result, cost };
  }

  /** What graphql-js refuses before anything runs. The first error lists all that is wrong with a list of items. */
  #asRequestErrors(errors: readonly GraphQLError[], variables: Variables): GraphQLError[] {
    const { schema, operation, limits, introspection } = this.#options;
    const shown = introspection ? (message: string) => message : withoutSuggestion;
    const found = this.kind === 'mutation' ? findInputProblems(schema, operation, variables, limits) : [];
    const problems = found.map((problem) => ({ ...problem, message: shown(problem.message) }));
    const details = problems.length > 0 ? { code: 'BAD_USER_INPUT' satisfies ErrorCode, problems } : {};
    return errors.map(({ message, extensions, nodes }, index) =>
      asRequestError({ message: shown(message), extensions, nodes }, index === 0 ? details : {}),
    );
  }

  /**
   * Runs a query and writes its result as JSON, which takes a part of the time of doing one after the other.
   * @returns undefined when there is nothing to gain by it, or the result holds more than data: then it has to be run.
   * @throws AppError RATE_LIMITED, before anything runs
   */
  async write(context: Context, variables: Variables): Promise<string | undefined> {
    const executable = this.kind === 'query' ? this.#toText() : null;
    if (!executable) return undefined;
    const { refused, told } = this.#bill.weigh(variables, context.viewer);
    if (refused) return undefined;
    this.#bill.pay(context, variables);
    const { result, cost } = await this.#execute(context, variables, told, executable);
    const { data, errors }: ExecutionResult = result;
    if (!data || errors) return undefined;
    const { pace } = context.bounds;
    const json = pace ? await writeInSlices(data, pace) : writeJson(data);
    if (!isWithin(context.bounds, json.length)) return undefined;
    context.forget();
    return `{"data":${json},"extensions":${JSON.stringify(cost.extensions)}}`;
  }

  /** The same operation with text in the place of plain selections; null if there are none. */
  #toText(): Executable | null {
    const { texts, operation, fragments } = this.#options;
    if (this.#asText === undefined) {
      const rewritten = texts.rewrite(operation, fragments);
      this.#asText = rewritten ? toExecutable(texts.schema, rewritten) : null;
    }
    return this.#asText;
  }

  /**
   * Begins a subscription; a result instead of a stream says why it was refused. See
   * {@link SubscriberResults} for what payloads become, and {@link ResultStream} for the end.
   */
  async subscribe(
    parts: ContextParts,
    variables: Variables,
    form: ResultForm = 'objects',
  ): Promise<ExecutionResult | AsyncGenerator<StreamedResult, void>> {
    const refused =
      this.#bill.weigh(variables, parts.viewer).refused ??
      refuseRootFields(this.#options, variables) ??
      this.#bill.unpaid(parts, variables, true);
    if (refused) return this.#format(refused);
    const life = parts.openStream();
    try {
      const args = this.#args(createContext({ ...parts, signal: life.signal }), variables);
      const payloads = await createSourceEventStream(args);
      if (Symbol.asyncIterator in payloads)
        return new ResultStream({
          payloads: payloads[Symbol.asyncIterator](),
          results: this.#resultsFor(parts, variables, life.signal, form),
          life,
          patience: this.#options.patience,
          patienceMs: this.#options.limits.slowConsumerMs,
          onSlow: this.#options.onSlow,
        });
      life.end();
      return asRefusal(this.#format(payloads));
    } catch (error) {
      life.end();
      return asRefusal({ errors: [this.#options.formatError(error)] });
    }
  }

  #resultsFor(parts: ContextParts, variables: Variables, life: AbortSignal, form: ResultForm): SubscriberResults {
    const { audiences, executor } = this.#payloads[form] ?? this.#payloadTools(form);
    return new SubscriberResults(executor, parts, {
      variables,
      audience: audiences.join(parts.viewer, variables, life),
      life,
    });
  }

  #payloadTools(form: ResultForm): PayloadTools {
    const text = form === 'text' ? this.#toText() : null;
    const tools: PayloadTools = {
      audiences: new Audiences(this.#options),
      executor: {
        execute: (context, variables, payload) => {
          context.bounds.judge = this.#bill.ofPayloads;
          return text
            ? this.#executeAsText(text, context, variables, payload)
            : execute({ ...this.#args(context, variables), rootValue: payload });
        },
        format: (result) => this.#format(result),
        databaseRetryMs: this.#options.limits.databaseRetryMs,
      },
    };
    this.#payloads[form] = tools;
    return tools;
  }

  /** What has an error is executed again without text. */
  #executeAsText(text: Executable, context: Context, variables: Variables, rootValue: unknown) {
    const unlessWrong = (result: ExecutionResult) =>
      result.errors ? execute({ ...this.#args(context, variables), rootValue }) : result;
    const begun = execute({ ...this.#args(context, variables, text), rootValue });
    return 'then' in begun ? begun.then(unlessWrong) : unlessWrong(begun);
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

  /** Reads the operation's cost now. */
  prepareCost(): Cost {
    return this.#bill.prepare();
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
function asRequestError(
  { message, extensions, nodes }: Pick<GraphQLError, 'message' | 'extensions' | 'nodes'>,
  details: object,
): GraphQLError {
  return new GraphQLError(message, { nodes: nodes ?? null, extensions: { ...extensions, ...details } });
}
