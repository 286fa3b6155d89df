import { type DocumentNode, GraphQLError, type GraphQLSchema, getOperationAST, parse, validate } from 'graphql';
import { Alarms } from '../lib/alarms.ts';
import { Pace } from '../lib/pace.ts';
import type { Limits } from '../limits.ts';
import type { Author } from './bill.ts';
import { BoundedExecution } from './bounded-execution.ts';
import { createDocumentCache } from './document-cache.ts';
import type { FormatError } from './format-error.ts';
import { fragmentsIn } from './fragments-in.ts';
import { withLiteralProblems } from './literal-problems.ts';
import { Operation } from './operation.ts';
import { parseWithin } from './parse-document.ts';
import { noIntrospection, withoutSuggestion } from './reticence.ts';
import { validationRules } from './single-root-field.ts';
import { withSteps } from './text/text-schema.ts';
import { TextSelections } from './text/text-selections.ts';
import type { TrustedDocuments } from './trusted-documents.ts';

/** A document with more characters than this takes milliseconds to parse and to validate. */
const LONG_DOCUMENT = 400;
/** With more than so many that wait for their turn, others have it at once. */
const MOST_WAITING = 100;

export interface OperationsOptions {
  readonly schema: GraphQLSchema;
  readonly limits: Limits;
  /** What every error of a result goes through, once. */
  readonly formatError: FormatError;
  /** Whether the schema is shown, and names of it suggested, on every door. */
  readonly introspection: boolean;
  readonly trusted: TrustedDocuments;
}

/** A document that has been parsed within the limits. */
export interface PreparedDocument {
  readonly document: DocumentNode;
  /** Mistakes against the schema, not formatted. A document that has one runs nothing. */
  readonly mistakes: readonly GraphQLError[];
  /** The operation with this name, or the only one without a name. Undefined where there is none, or several. */
  operation(name?: string | null): Operation | undefined;
}

/**
 * The one way to run a GraphQL operation: prepare, then run or subscribe. Every door calls it and translates what goes
 * in and comes out: HTTP (`transports/graphql.ts`), WebSockets, server-sent events and REST.
 *
 * What depends on the text alone is done once for each text: parsing, validation, the cost, and later whatever else can
 * be known of a document before it runs. What depends on the request (viewer, variables) is the {@link Operation}'s.
 */
export class Operations {
  readonly schema: GraphQLSchema;
  /** What every door asks before it prepares a client's document. */
  readonly trusted: TrustedDocuments;
  readonly #options: OperationsOptions;
  readonly #texts: TextSelections;
  readonly #parseWithin: (text: string) => DocumentNode;
  readonly #patience: Alarms;
  readonly #preparing = new Pace();
  #waiting = 0;
  readonly #stepped: GraphQLSchema;
  readonly #bounded: BoundedExecution;
  #slowConsumers = 0;
  readonly #documents = createDocumentCache<PreparedDocument>();
  /** Documents that run nothing, apart from the others: a flood of bad documents does not push good ones out. */
  readonly #refused = createDocumentCache<Error | PreparedDocument>();

  constructor(options: OperationsOptions) {
    this.schema = options.schema;
    this.trusted = options.trusted;
    this.#options = options;
    this.#stepped = withSteps(options.schema);
    this.#texts = new TextSelections(options.schema);
    this.#patience = new Alarms(options.limits.slowConsumerMs);
    this.#bounded = new BoundedExecution(options.limits);
    this.#parseWithin = parseWithin(options.limits);
  }

  /** How many streams were ended as their readers took nothing. */
  get slowConsumers(): number {
    return this.#slowConsumers;
  }

  /** Would it hold up others to prepare this document now? Then {@link turn} is to be awaited first. */
  isLong(text: string): boolean {
    if (this.#waiting >= MOST_WAITING) return false; // the longer all wait, the fewer are sent
    return text.length > LONG_DOCUMENT && !this.#documents.has(text) && !this.#refused.has(text);
  }

  /** Resolves when the next long document may be prepared: one after another, between which others are served. */
  async turn(): Promise<void> {
    this.#waiting += 1;
    await this.#preparing.step();
    this.#waiting -= 1;
  }

  /** A client's document. @throws AppError LIMIT_EXCEEDED; GraphQLError for a syntax error; not formatted */
  prepare(text: string): PreparedDocument {
    const known = this.#documents.get(text) ?? this.#refused.get(text);
    if (known instanceof Error) throw known;
    if (known) return known;
    try {
      const prepared = this.#prepare(this.#parseWithin(text), 'client');
      (prepared.mistakes.length === 0 ? this.#documents : this.#refused).set(text, prepared);
      return prepared;
    } catch (error) {
      if (error instanceof Error) this.#refused.set(text, error);
      throw error;
    }
  }

  /**
   * A document of ours, with one operation: parsed, validated and costed once, when the server starts. The limits on the
   * documents of clients do not count. @throws GraphQLError if it does not fit the schema
   */
  prepareStored(text: string): Operation {
    const prepared = this.#prepare(parse(text), 'server');
    const [mistake] = prepared.mistakes;
    if (mistake) throw mistake;
    const operation = prepared.operation();
    if (!operation) throw new Error('A stored document has one operation');
    operation.prepareCost();
    return operation;
  }

  #mistakesIn(document: DocumentNode): readonly GraphQLError[] {
    const most = { maxErrors: this.#options.limits.documentMistakes };
    if (this.#options.introspection) return validate(this.schema, document, validationRules, most);
    return validate(this.schema, document, [...validationRules, noIntrospection], most).map(
      ({ message, nodes }) => new GraphQLError(withoutSuggestion(message), { nodes: nodes ?? null }),
    );
  }

  #prepare(document: DocumentNode, author: Author): PreparedDocument {
    const { schema } = this;
    const { limits } = this.#options;
    const mistakes = withLiteralProblems(this.#mistakesIn(document), { schema, document, limits });
    const fragments = fragmentsIn(document);
    const operations = new Map<string | undefined, Operation>();
    return {
      document,
      mistakes,
      operation: (name) => {
        const node = getOperationAST(document, name);
        if (!node) return undefined;
        const key = node.name?.value;
        const known = operations.get(key);
        if (known) return known;
        const shared = {
          stepped: this.#stepped,
          texts: this.#texts,
          patience: this.#patience,
          bounded: this.#bounded,
          author,
          onSlow: () => {
            this.#slowConsumers += 1;
          },
        };
        const operation = new Operation({ ...this.#options, ...shared, document, operation: node, fragments });
        operations.set(key, operation);
        return operation;
      },
    };
  }
}
