import { type ExecutionResult, parse, validate } from 'graphql';
import type { Viewer } from '../../auth/viewer.ts';
import { createContext } from '../../graphql/context.ts';
import type { Services } from '../../services.ts';
import type { GraphqlServer } from '../graphql.ts';

/** Runs a query or mutation for a viewer. @throws GraphQLError the first error of the result, formatted */
export type RunDocument<Data> = (viewer: Viewer, variables: Readonly<Record<string, unknown>>) => Promise<Data>;

/**
 * Parses and validates a document of ours once, so the limits of clients' documents do not count. It runs like an
 * operation of any other transport.
 */
export function prepareDocument<Data>(graphql: GraphqlServer, services: Services, text: string): RunDocument<Data> {
  const document = parse(text);
  const [mistake] = validate(graphql.getEnveloped({}).schema, document);
  if (mistake) throw mistake;

  return async (viewer, variableValues) => {
    const prepared = createContext({ viewer, services, resumeAfter: null, openStream: refuseStream });
    const { schema, execute, contextFactory } = graphql.getEnveloped({ prepared });
    const contextValue = await contextFactory();
    const { data, errors }: ExecutionResult = await execute({ schema, document, variableValues, contextValue });
    if (errors?.[0]) throw errors[0];
    return data as Data; // the shape that the document asks for
  };
}

function refuseStream(): never {
  throw new Error('A stored document is no subscription');
}
