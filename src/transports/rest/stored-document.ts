import type { GraphQLError } from 'graphql';
import { AppError } from '../../errors.ts';
import type { Admitted } from '../../gate/admit.ts';
import type { OpenStreams } from '../../gate/open-streams.ts';
import { createContext, createQueryContext } from '../../graphql/context.ts';
import type { Limits } from '../../limits.ts';
import type { Operations } from '../../operations/operations.ts';
import type { StreamedResult } from '../../operations/result-stream.ts';
import type { Services } from '../../services.ts';
import type { Visit } from './visit.ts';

/** Runs a query or mutation for a visitor. @throws GraphQLError the first error of the result, formatted */
export type RunDocument<Data> = (visit: Visit, variables: Readonly<Record<string, unknown>>) => Promise<Data>;

/** A subscription that somebody wants to run. */
interface Following extends Admitted {
  readonly variables: Readonly<Record<string, unknown>>;
  /** `Last-Event-ID`, which wins over variables. */
  readonly resumeAfter: string | null;
  /** Aborts when the client leaves. */
  readonly client: AbortSignal;
}

/** Runs a subscription; ended by `return()`. @throws GraphQLError if it is refused */
export type FollowDocument = (following: Following) => Promise<AsyncGenerator<StreamedResult, void>>;

interface Tools {
  readonly operations: Operations;
  readonly services: Services;
  readonly streams: OpenStreams;
}

/**
 * Makes a query or mutation of ours ready to run. All that one visit runs has the time of one operation, and is put off as one
 * while the server cannot keep up. @throws GraphQLError if it does not fit the schema
 */
export function prepareDocument<Data>({ operations, services }: Tools, text: string): RunDocument<Data> {
  const operation = operations.prepareStored(text);
  return async (visit, variables) => {
    const { viewer, begunAt } = visit;
    const spending = { ...visit.spending, items: (count: number) => visit.spending.items(count, visit.ask(count)) };
    const context = createQueryContext(viewer, spending, services, begunAt);
    const { data, errors } = await operation.run(context, variables);
    visit.restsOn(operation.kind === 'query' ? context.basis : undefined);
    const [error] = errors ?? [];
    if (error) throw 'limit' in variables && isPastTime(error) ? pastTime(services.limits) : error;
    return data as Data; // the shape that the document asks for
  };
}

/** Makes a subscription of ours ready to run. @throws GraphQLError if it does not fit the schema */
export function prepareStream({ operations, services, streams }: Tools, text: string): FollowDocument {
  const operation = operations.prepareStored(text);
  return async ({ variables, resumeAfter, client, ...admitted }) => {
    const { viewer, spending } = admitted;
    const openStream = () => streams.open(admitted, 'rest', client);
    const context = createContext({ viewer, spending, services, resumeAfter, openStream });
    const results = await operation.subscribe(context, variables);
    if (Symbol.asyncIterator in results) return results;
    throw results.errors?.[0] ?? new Error('The subscription has neither begun nor been refused');
  };
}

/** A document of ours has no other bound while it runs: what a request asks for in all is bounded by its route. */
const isPastTime = ({ extensions }: GraphQLError) => extensions.code === 'LIMIT_EXCEEDED';

/** The same refusal in the words of the parameters of REST. */
function pastTime({ operationMs }: Limits): AppError {
  return new AppError('LIMIT_EXCEEDED', `A list may take at most ${operationMs / 1_000} s: lower \`limit\``);
}
