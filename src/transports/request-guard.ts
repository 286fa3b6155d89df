import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { AppError, type ErrorCode } from '../errors.ts';
import { BodyError, faultInHeaders, JSON_TYPE, readBytes } from '../gate/read-body.ts';
import { parseJson } from '../lib/parse-json.ts';
import type { Limits } from '../limits.ts';

/**
 * What Yoga's own reading of requests does not look after: bodies that come without a length, broken JSON in a URL, and
 * values that would be changed.
 * The length of the other bodies was looked at before they were let in. (Yoga's own limit would pass every body through
 * a stream, which halves its throughput.)
 */
export function useRequestGuard({ requestBytes }: Limits): Plugin {
  return {
    onRequestParse({ request, requestParser: parse, setRequestParser, fetchAPI: { Request } }) {
      if (!parse) return;
      const { url, method, headers, signal, body } = request;
      if (method === 'GET')
        setRequestParser(async () => {
          try {
            return await parse(request);
          } catch {
            throw refusal('BAD_USER_INPUT', 400, 'variables and extensions must be JSON');
          }
        });
      else if (body && headers.has('content-length')) setRequestParser(async () => parse(withExactJson(request)));
      else if (body)
        setRequestParser(async () => {
          const whole = await readBytes(request, requestBytes).catch((error: unknown) => {
            throw error instanceof BodyError && error.fault === 'too long'
              ? refusal('LIMIT_EXCEEDED', 413, `A request may have at most ${requestBytes} bytes`)
              : refusal('BAD_USER_INPUT', 400, 'The body broke off');
          });
          return parse(withExactJson(new Request(url, { method, headers, signal, body: whole })));
        });
    },
  };
}

/** The same request, whose JSON is read as on every other door. */
function withExactJson(request: Request): Request {
  return Object.assign(request, { json: async () => parseJson(await request.text()) });
}

/** A body that GraphQL must not even begin to read. One without a length is counted while it is read. */
export function refuseBody({ method, headers }: IncomingMessage, limits: Limits) {
  if (method !== 'POST') return undefined;
  const fault = faultInHeaders(headers['content-type'], headers['content-length'], limits.requestBytes);
  if (fault === undefined) return undefined;
  return fault === 'other type'
    ? { status: 415, error: new AppError('BAD_USER_INPUT', `The content-type must be ${JSON_TYPE}`) }
    : { status: 413, error: new AppError('LIMIT_EXCEEDED', `A request may have at most ${limits.requestBytes} bytes`) };
}

/** A request that fails as a whole. What is left of its body is not read, so its connection cannot be used again. */
function refusal(code: ErrorCode, status: number, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status, headers: { connection: 'close' } } } });
}
