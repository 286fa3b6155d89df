import type { ExecutionResult, GraphQLError } from 'graphql';
import type { FetchAPI, Plugin } from 'graphql-yoga';
import { AppError, type ErrorCode, errorCodes, headersOf, saysWhen } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { asRefusal } from '../operations/result-stream.ts';
import { eventStreamHeaders, graphqlEvents, once, toEventStream } from './sse.ts';

/** Server-sent events in the place of Yoga's own, which carry no ids and always say `complete`. */
export interface ServerSentEvents {
  readonly plugin: Plugin;
  /** Tells that a request is for a subscription: its result has other forms than that of a query, even if it is refused. */
  markSubscription(request: Request): void;
}

/** How subscriptions are answered over HTTP: as server-sent events, or with why they are not. */
export function createServerSentEvents({ heartbeatMs }: Limits): ServerSentEvents {
  const subscriptions = new WeakSet<Request>();
  const plugin: Plugin = {
    onResultProcess({ request, result, resultProcessor, setResultProcessor }) {
      if (Array.isArray(result)) return;
      const isStream = Symbol.asyncIterator in result;
      if (isStream && !acceptsEvents(request.headers.get('accept'))) {
        const stream = result[Symbol.asyncIterator]();
        setResultProcessor((_, fetchAPI) => refuseStream(stream, fetchAPI), 'application/json');
        return;
      }
      const limited = isStream ? undefined : result.errors?.find(saysWhen);
      if (limited && request.method !== 'GET' && acceptsEventsAlone(request.headers.get('accept'))) {
        setResultProcessor((_, fetchAPI) => refuseLimited(limited, fetchAPI), 'application/json');
        return;
      }
      if (!resultProcessor && !isStream) return;
      if (!isStream && subscriptions.has(request) && !acceptsResult(request.headers.get('accept'))) {
        setResultProcessor((_, { Response }) => new Response(null, notAcceptable), 'application/json');
        return;
      }
      if (!isStream && !acceptsEventsAlone(request.headers.get('accept'))) return;
      setResultProcessor((streamed, { Response }) => {
        // What Yoga hands over is the result that was looked at above.
        const results = isStream ? (streamed as AsyncIterable<ExecutionResult>) : once(only(request, result));
        const body = toEventStream(results[Symbol.asyncIterator](), graphqlEvents(), heartbeatMs);
        return new Response(body, { headers: eventStreamHeaders });
      }, 'text/event-stream');
    },
  };
  /** A query or mutation has one result, and is complete with it: a client that came back would run it again. */
  const only = (request: Request, result: ExecutionResult) =>
    subscriptions.has(request) || result.errors?.some(saysWhen) ? asRefusal(withoutHttp(result)) : withoutHttp(result);
  return { plugin, markSubscription: (request) => void subscriptions.add(request) };
}

/**
 * Who asks for too much, or is put off, is told so by the status, whatever form a result would have. By GET it may be a browser's
 * EventSource, which would never come back after another status than 200: its stream ends at once.
 */
function refuseLimited(error: GraphQLError, { Response }: FetchAPI): Response {
  const status = errorCodes[error.extensions.code as ErrorCode].httpStatus; // formatted errors have one of the table
  const headers = { 'content-type': 'application/json; charset=utf-8', ...headersOf(error) };
  return new Response(JSON.stringify({ errors: [error] }), { status, headers });
}

/** A stream for a client that accepts none. Nothing of it has been read yet; its life is ended. */
function refuseStream(stream: AsyncIterator<unknown>, { Response }: FetchAPI): Response {
  void stream.return?.();
  const error = new AppError('BAD_USER_INPUT', 'A subscription needs `accept: text/event-stream`, or a WebSocket');
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  return new Response(JSON.stringify({ errors: [error] }), { status: 406, headers });
}

/** Does a client take server-sent events? One that says nothing takes anything. */
function acceptsEvents(accept: string | null): boolean {
  return accepts(accept, /^(text\/event-stream|text\/\*|\*\/\*)$/);
}

/** As clients of server-sent events say it. */
function acceptsEventsAlone(accept: string | null): boolean {
  return accept?.startsWith('text/event-stream') ?? false;
}

/** Does a client take any form that the refusal of a subscription has? */
function acceptsResult(accept: string | null): boolean {
  return acceptsEvents(accept) || accepts(accept, /^application\/(graphql-response\+json|json|\*)$/);
}

/** Is one of the media types that a client takes, in UTF-8, like this? */
function accepts(accept: string | null, type: RegExp): boolean {
  const ranges = (accept || '*/*').replace(/\s/g, '').toLowerCase().split(',');
  return ranges.some((range) => {
    const [name = '', ...parameters] = range.split(';');
    const charset = parameters.find((each) => each.includes('charset='));
    return type.test(name) && (charset === undefined || charset === 'charset=utf-8');
  });
}

const notAcceptable = {
  status: 406,
  statusText: 'Not Acceptable',
  headers: {
    accept: 'text/event-stream; charset=utf-8, application/graphql-response+json; charset=utf-8, application/json',
  },
};

/** A result as a stream shows it: the status of a stream is sent before there is a result. */
function withoutHttp({ extensions, ...result }: ExecutionResult): ExecutionResult {
  const { http: _, ...shown } = extensions ?? {};
  return Object.keys(shown).length > 0 ? { ...result, extensions: shown } : result;
}
