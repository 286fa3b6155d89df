import { type DocumentNode, type ExecutionResult, parse, validate } from 'graphql';
import type { Viewer } from '../../auth/viewer.ts';
import { createContext, type StreamLife } from '../../graphql/context.ts';
import type { StreamedResult } from '../../operations/subscribe.ts';
import type { Services } from '../../services.ts';
import type { GraphqlServer } from '../graphql.ts';

/** Runs a query or mutation for a viewer. @throws GraphQLError the first error of the result, formatted */
export type RunDocument<Data> = (viewer: Viewer, variables: Readonly<Record<string, unknown>>) => Promise<Data>;

/** A subscription that somebody wants to run. */
interface Following {
  readonly viewer: Viewer;
  readonly variables: Readonly<Record<string, unknown>>;
  /** `Last-Event-ID`, which wins over variables. */
  readonly resumeAfter: string | null;
  /** Aborts when the client leaves. */
  readonly client: AbortSignal;
}

/** Runs a subscription; ended by `return()`. @throws GraphQLError if it is refused */
export type FollowDocument = (following: Following) => Promise<AsyncGenerator<StreamedResult, void>>;

/**
 * Parses and validates a document of ours once, so the limits of clients' documents do not count. It runs like an
 * operation of any other transport.
 */
export function prepareDocument<Data>(graphql: GraphqlServer, services: Services, text: string): RunDocument<Data> {
  const document = parseStored(graphql, text);
  return async (viewer, variableValues) => {
    const prepared = createContext({ viewer, services, resumeAfter: null, openStream: refuseStream });
    const { schema, execute, contextFactory } = graphql.getEnveloped({ prepared });
    const contextValue = await contextFactory();
    const { data, errors }: ExecutionResult = await execute({ schema, document, variableValues, contextValue });
    if (errors?.[0]) throw errors[0];
    return data as Data; // the shape that the document asks for
  };
}

/** The same for a subscription. `startStream` begins the life of a stream. */
export function prepareStream(
  graphql: GraphqlServer,
  services: Services,
  startStream: (viewer: Viewer, client: AbortSignal) => StreamLife,
  text: string,
): FollowDocument {
  const document = parseStored(graphql, text);
  return async ({ viewer, variables, resumeAfter, client }) => {
    const openStream = () => startStream(viewer, client);
    const prepared = createContext({ viewer, services, resumeAfter, openStream });
    const { schema, subscribe, contextFactory } = graphql.getEnveloped({ prepared });
    const contextValue = await contextFactory();
    const results: AsyncGenerator<StreamedResult, void> | ExecutionResult = await subscribe({
      ...{ schema, document, contextValue },
      variableValues: variables,
    });
    if (Symbol.asyncIterator in results) return results;
    throw results.errors?.[0] ?? new Error('The subscription has neither begun nor been refused');
  };
}

function parseStored(graphql: GraphqlServer, text: string): DocumentNode {
  const document = parse(text);
  const [mistake] = validate(graphql.getEnveloped({}).schema, document);
  if (mistake) throw mistake;
  return document;
}

function refuseStream(): never {
  throw new Error('A query cannot be streamed');
}
