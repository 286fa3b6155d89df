import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { type ExecutionArgs, type ExecutionResult, execute, GraphQLError, type GraphQLSchema } from 'graphql';
import { createYoga, type FetchAPI, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Authenticate } from '../auth/authenticate.ts';
import { credentialsFromHeaders } from '../auth/credentials.ts';
import type { Viewer } from '../auth/viewer.ts';
import { AppError, errorCodes, RETRY_AFTER } from '../errors.ts';
import { useRequestGuard } from '../gate/request-guard.ts';
import { type Context, createContext, type StreamLife } from '../graphql/context.ts';
import type { Limits } from '../limits.ts';
import { costError } from '../operations/cost-error.ts';
import { DocumentCache } from '../operations/document-cache.ts';
import { parseWithin } from '../operations/parse-document.ts';
import { subscribe } from '../operations/subscribe.ts';
import type { Services } from '../services.ts';
import type { GraphiqlPage } from './graphiql.ts';
import { eventStreamHeaders, graphqlEvents, once, toEventStream } from './sse.ts';

export interface GraphqlOptions {
  readonly schema: GraphQLSchema;
  readonly services: Services;
  readonly authenticate: Authenticate;
  /** Begins the life of a stream of this viewer; `client` aborts when the client leaves. */
  readonly startStream: (viewer: Viewer, client: AbortSignal) => StreamLife;
  readonly formatError: (error: unknown) => GraphQLError;
  readonly corsOrigins: readonly string[];
  readonly graphiql: GraphiqlPage;
}

/** What a transport that is no HTTP request hands over as the context of an operation. */
interface Prepared {
  readonly prepared?: Context;
}

export type GraphqlServer = YogaServerInstance<Prepared, Context>;

/**
 * The GraphQL endpoint: Yoga over HTTP (POST, GET, server-sent events, and GraphiQL in a browser). Its parsing,
 * validation and execution also serve WebSockets and REST, so that every plugin counts there as well.
 */
export function createGraphqlServer(options: GraphqlOptions): GraphqlServer {
  const { schema, services, authenticate, startStream, formatError, corsOrigins } = options;

  async function httpContext(request: Request): Promise<Context> {
    const viewer = await authenticate(credentialsFromHeaders((name) => request.headers.get(name))).catch(refuse);
    return createContext({
      viewer,
      services,
      resumeAfter: request.headers.get('last-event-id'),
      openStream: () => startStream(viewer, request.signal),
    });
  }

  return createYoga<Prepared, Context>({
    schema,
    context: ({ prepared, request }) => prepared ?? httpContext(request),
    plugins: [
      useDocumentLimits(services.limits),
      useRequestGuard(services.limits),
      useOrderedExecution(services.limits),
      useErrorCodes(formatError),
      useServerSentEvents(services.limits),
    ],
    parserAndValidationCache: { documentCache: new DocumentCache(), errorCache: new DocumentCache() },
    maskedErrors: { errorMessage: '', maskError: formatError },
    // The formatter reports what is unexpected; Yoga would report what clients do wrong as well.
    logging: false,
    maxRequestBodySize: false,
    multipart: false,
    batching: false,
    landingPage: false,
    cors: corsFor(corsOrigins),
    graphiql: options.graphiql,
    renderGraphiQL,
  });
}

/** Answers a page of a known origin only: for any other, Yoga would name the origin `null`, which some pages have. */
function corsFor(origins: readonly string[]) {
  return ({ headers }: Request) => {
    const origin = headers.get('origin');
    return origin !== null && origins.includes(origin) ? { origin, credentials: true } : (false as const);
  };
}

/** A request that cannot be authenticated fails as a whole, with the status of its error. */
function refuse(error: unknown): never {
  if (!(error instanceof AppError)) throw error;
  throw new GraphQLError(error.message, { extensions: { ...error.extensions, http: { status: error.httpStatus } } });
}

/** Counts on every transport, as all of them parse here. A document that is cached has passed. */
function useDocumentLimits(limits: Limits): Plugin {
  const parse = parseWithin(limits);
  return {
    onParse: ({ setParseFn }) => setParseFn(parse),
  };
}

/**
 * GraphQL's own execution. Yoga's default is quicker, but writes fields in the order in which they are resolved instead
 * of the order in which they were asked for (GraphQL specification, 7.2.2).
 */
function useOrderedExecution(limits: Limits): Plugin {
  return {
    onExecute: ({ setExecuteFn }) =>
      setExecuteFn(async (args: ExecutionArgs) => {
        const tooMuch = costError(args, limits);
        if (tooMuch) return { errors: [asRequestError(tooMuch)] };
        const result = await execute(args);
        return 'data' in result ? result : { errors: result.errors?.map(asRequestError) };
      }),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe),
  };
}

/** An error before anything ran, such as a variable that does not fit: the request as a whole is wrong. */
function asRequestError({ message, extensions, nodes }: GraphQLError): GraphQLError {
  return new GraphQLError(message, { nodes: nodes ?? null, extensions: { ...extensions, http: { status: 400 } } });
}

/** The last word on errors of whole requests: syntax, validation, HTTP. Those of operations were formatted before. */
function useErrorCodes(formatError: (error: unknown) => GraphQLError): Plugin {
  return {
    onResultProcess({ result, setResult }) {
      if (Array.isArray(result) || Symbol.asyncIterator in result || !result.errors) return;
      const errors = result.errors.map(formatError);
      const isAway = result.data == null && errors.some(({ extensions }) => extensions.code === 'UNAVAILABLE');
      setResult({ ...result, errors, ...(isAway && { extensions: { ...result.extensions, http: comeAgain } }) });
    },
  };
}

/** For Yoga, which does not write it out: what HTTP says where there is nothing to show, and will be soon. */
const comeAgain = { status: errorCodes.UNAVAILABLE.httpStatus, headers: { 'retry-after': RETRY_AFTER } };

/** A stream for a client that accepts none. Nothing of it has been read yet; what watches over it is freed. */
function refuseStream(stream: AsyncIterator<unknown>, { Response }: FetchAPI): Response {
  void stream.return?.();
  const error = new AppError('BAD_USER_INPUT', 'A subscription needs `accept: text/event-stream`, or a WebSocket');
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  return new Response(JSON.stringify({ errors: [error] }), { status: 406, headers });
}

/** A result as a stream shows it: the status of a stream is sent before there is a result. */
function withoutHttp({ extensions, ...result }: ExecutionResult): ExecutionResult {
  const { http: _, ...shown } = extensions ?? {};
  return Object.keys(shown).length > 0 ? { ...result, extensions: shown } : result;
}

/** Yoga's own server-sent events carry no ids and always say `complete`. */
function useServerSentEvents({ heartbeatMs }: Limits): Plugin {
  return {
    onResultProcess({ request, result, resultProcessor, setResultProcessor }) {
      if (Array.isArray(result)) return;
      const isStream = Symbol.asyncIterator in result;
      if (!resultProcessor) {
        if (!isStream) return;
        const stream = result[Symbol.asyncIterator]();
        setResultProcessor((_, fetchAPI) => refuseStream(stream, fetchAPI), 'application/json');
        return;
      }
      if (!isStream && !request.headers.get('accept')?.startsWith('text/event-stream')) return;
      setResultProcessor((streamed, { Response }) => {
        const results = isStream ? (streamed as AsyncIterable<ExecutionResult>) : once(withoutHttp(result));
        const body = toEventStream(results[Symbol.asyncIterator](), graphqlEvents(), heartbeatMs);
        return new Response(body, { headers: eventStreamHeaders });
      }, 'text/event-stream');
    },
  };
}
