import type { IncomingMessage, ServerResponse } from 'node:http';
import { GraphQLError } from 'graphql';
import { createYoga, type GraphQLParams, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Viewer } from '../auth/viewer.ts';
import { AppError, type ErrorCode, errorCodes, headersOf, saysWhen } from '../errors.ts';
import type { Admitted } from '../gate/admit.ts';
import type { Gate } from '../gate/gate.ts';
import type { Origins } from '../gate/origins.ts';
import { type Context, createContext } from '../graphql/context.ts';
import { type FormatError, locationOf } from '../operations/format-error.ts';
import type { KeptAnswers } from '../operations/kept-answers.ts';
import type { Operation } from '../operations/operation.ts';
import type { Operations, PreparedDocument } from '../operations/operations.ts';
import type { Services } from '../services.ts';
import { type GraphiqlPage, GraphiqlPages } from './graphiql.ts';
import { type Begun, PlainRequests } from './plain-requests.ts';
import { mayBeLong, useRequestGuard } from './request-guard.ts';
import type { RequestLog } from './request-log.ts';
import { createServerSentEvents, type ServerSentEvents } from './yoga-events.ts';

export interface GraphqlOptions {
  readonly operations: Operations;
  readonly services: Services;
  readonly gate: Gate;
  readonly formatError: FormatError;
  readonly graphiql: GraphiqlPage;
  readonly requestLog: RequestLog;
  /** Undefined: every answer is made anew. */
  readonly kept: KeptAnswers | undefined;
}

/** What Yoga is told beside the request. */
interface ServerContext {
  readonly begun?: Begun;
  /** Yoga's, of Node. */
  readonly req?: IncomingMessage;
}

/**
 * The GraphQL endpoint over HTTP: POST, GET, server-sent events, and GraphiQL in a browser. What {@link PlainRequests} does
 * not answer is left to Yoga.
 */
export function createGraphqlListener(
  options: GraphqlOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const yoga = createYogaServer(options);
  const plain = new PlainRequests(options);
  const pages = new GraphiqlPages(options.graphiql, options);
  return async (request, response) => {
    if (await pages.answer(request, response)) return;
    // Before a long body is read it has to be known whether its sender may record.
    const admitted = mayBeLong(request, options.services.limits) ? plain.admit(request) : undefined;
    if (!mayBePlain(request)) return yoga(request, response, admitted ? { begun: { body: undefined, admitted } } : {});
    const begun = await plain.answer(request, response, admitted);
    if (begun?.body) Object.assign(request, { body: unreadBody(begun.body) });
    if (begun) await yoga(request, response, { begun });
  };
}

/** A body whose length is known, or a query in the URL, from who is no browser that would be shown a page. */
function mayBePlain({ method, url = '', headers }: IncomingMessage): boolean {
  // Of these, Yoga makes headers of the answer. A browser sends them with OPTIONS alone.
  if ('access-control-request-headers' in headers || 'access-control-request-method' in headers) return false;
  if (method === 'POST') return headers['content-length'] !== undefined;
  return method === 'GET' && url.includes('?') && !/text\/(html|event-stream)/.test(headers.accept ?? '');
}

/** A body that Yoga has not read, as Yoga takes it. (It would list the indices of a plain buffer one by one.) */
function unreadBody(bytes: Buffer) {
  return {
    isUnread: true,
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
}

/**
 * Yoga reads requests and writes answers; what it has read is answered by {@link Operations}, as on every other door.
 */
function createYogaServer(options: GraphqlOptions): YogaServerInstance<ServerContext, Record<never, never>> {
  const { services, gate, formatError, requestLog } = options;
  const streams = createServerSentEvents(services.limits);
  return createYoga<ServerContext>({
    plugins: [
      useOperations(options, streams),
      useRequestGuard(services.limits, options.operations.trusted),
      useErrorCodes(formatError, requestLog),
      streams.plugin,
    ],
    parserAndValidationCache: false,
    maskedErrors: { errorMessage: '', maskError: formatError },
    // The formatter reports what is unexpected; Yoga would report what clients do wrong as well.
    logging: false,
    maxRequestBodySize: false,
    multipart: false,
    batching: false,
    landingPage: false,
    cors: corsFor(gate.origins),
    graphiql: false,
  });
}

/** Puts {@link Operations} in the place of Yoga's own parsing, validation and execution. */
function useOperations(
  { operations, services, gate, formatError, requestLog }: GraphqlOptions,
  streams: ServerSentEvents,
): Plugin<object, ServerContext> {
  /** Who has sent the requests that are read. */
  const arrived = new WeakMap<Request, Promise<Admitted>>();

  /** Who is asking; of a request that is none of Node's, nobody knows from where. */
  function admit({ headers }: Request, req: IncomingMessage | undefined): Promise<Admitted> {
    const address = req ? gate.addresses.of(req) : '';
    return gate.admission.admit({ door: 'graphql', address, header: (name) => headers.get(name) });
  }

  async function contextOf(request: Request, admitting: Promise<Admitted>): Promise<Context> {
    const admitted = await admitting.catch(refuse);
    const { viewer, spending } = admitted;
    const openStream = () => gate.streams.open(admitted, 'graphql', request.signal);
    return createContext({ viewer, spending, services, resumeAfter: request.headers.get('last-event-id'), openStream });
  }

  async function answer(request: Request, params: GraphQLParams, { begun, req }: ServerContext) {
    const { query = '', operationName, variables } = params;
    const admitting = arrived.get(request) ?? begun?.admitted ?? admit(request, req);
    if (operations.trusted.binds) {
      const { viewer } = await admitting.catch(refuse);
      checkTrusted(operations, query, viewer);
    }
    if (operations.isLong(query)) await operations.turn();
    const prepared = prepare(operations, query);
    const operation = operationFor(request, prepared, operationName);
    requestLog.of(req)?.runs(operation);
    if (prepared.mistakes.length > 0) return { errors: prepared.mistakes.map(asRequestError) };
    if (operation.kind === 'subscription') streams.markSubscription(request);
    const context = await contextOf(request, admitting);
    if (operation.kind === 'subscription') return operation.subscribe(context, variables ?? {}, 'text');
    const result = await (begun?.result ?? operation.run(context, variables ?? {}));
    return 'data' in result ? result : { ...result, errors: result.errors?.map(asRequestError) ?? [] };
  }

  return {
    // Charged whatever comes of it, and refused before anything is done for it; else, a mistake in the request comes first.
    async onRequestParse({ request, serverContext: { begun, req } }) {
      const admitting = begun?.admitted ?? admit(request, req);
      arrived.set(request, admitting);
      await admitting.catch(refuseOverspent);
    },
    onParams: ({ context, setParamsHandler }) =>
      setParamsHandler(({ request, params }) =>
        answer(request, params, context).catch((error: unknown) => ({ errors: [formatError(error)] })),
      ),
  };
}

function prepare(operations: Operations, query: string): PreparedDocument {
  try {
    return operations.prepare(query);
  } catch (error) {
    throw error instanceof GraphQLError ? asRequestError(error) : error;
  }
}

function checkTrusted({ trusted }: Operations, query: string, viewer: Viewer): void {
  try {
    trusted.check(query, viewer);
  } catch (error) {
    throw error instanceof GraphQLError ? asRequestError(error) : error;
  }
}

/** The operation that a request names. Links and images are fetched by GET, so nothing may be changed by it. */
function operationFor({ method }: Request, document: PreparedDocument, name: string | undefined): Operation {
  const operation = document.operation(name);
  if (!operation)
    throw new GraphQLError('Could not determine what operation to execute.', { extensions: { http: { status: 400 } } });
  if (operation.kind === 'mutation' && method === 'GET')
    throw new GraphQLError('Can only perform a mutation operation from a POST request.', {
      extensions: { http: { status: 405, headers: { Allow: 'POST' } } },
    });
  return operation;
}

/**
 * A request that is well-formed, and of which nothing was run: its document is wrong or past a bound, its
 * variables do not fit, or it costs too much. `spec` is for Yoga: the status counts for clients that accept
 * `application/graphql-response+json`, and others get 200, as GraphQL over HTTP has it.
 */
function asRequestError(error: GraphQLError): GraphQLError {
  return withHttp(error, { spec: true, status: 400 });
}

/** The same error, with what Yoga is to make of it. */
function withHttp(error: GraphQLError, http: object): GraphQLError {
  return new GraphQLError(error.message, { ...locationOf(error), extensions: { ...error.extensions, http } });
}

/** Answers a page of a known origin only: for any other, Yoga would name the origin `null`, which some pages have. */
function corsFor(origins: Origins) {
  return ({ headers }: Request) => {
    const origin = headers.get('origin');
    return origin !== null && origins.allows(origin) ? { origin, credentials: true } : (false as const);
  };
}

/** A request that cannot be authenticated fails as a whole, with the status of its error. */
function refuse(error: unknown): never {
  if (!(error instanceof AppError)) throw error;
  throw new GraphQLError(error.message, { extensions: { ...error.extensions, http: { status: error.httpStatus } } });
}

function refuseOverspent(error: unknown): void {
  if (error instanceof AppError && saysWhen(error)) refuse(error);
}

/** The last word on errors of whole requests: syntax, validation, HTTP. Those of operations were formatted before. */
function useErrorCodes(formatError: FormatError, requestLog: RequestLog): Plugin<object, ServerContext> {
  return {
    onResultProcess({ result, setResult, serverContext }) {
      if (Array.isArray(result) || Symbol.asyncIterator in result || !result.errors) return;
      const errors = result.errors.map(formatError);
      requestLog.of(serverContext.req)?.fails(errors);
      const later = result.data == null ? errors.find(({ extensions }) => isForLater(extensions.code)) : undefined;
      setResult({ ...result, errors, ...(later && { extensions: { ...result.extensions, http: comeAgain(later) } }) });
    },
  };
}

const isForLater = (code: unknown) => code === 'UNAVAILABLE' || code === 'RATE_LIMITED';

/** Tells Yoga to answer with the status of the error, and `Retry-After`; Yoga does not write this extension out. */
function comeAgain(error: GraphQLError) {
  const code = error.extensions.code as ErrorCode; // it is one of the two above
  return { status: errorCodes[code].httpStatus, headers: headersOf(error) };
}
