import type { GraphQLError } from 'graphql';
import { HTTPException } from 'hono/http-exception';
import { type ErrorCode, errorCodes, headersOf } from '../../errors.ts';
import { BodyError } from '../../gate/read-body.ts';
import { plain } from '../answer.ts';
import { detail } from './rest-answer.ts';

const AUTHENTICATION_REQUIRED = 'Authentication required: provide JWT token or API key';

/** What is said instead of the error's own message, which speaks of GraphQL or says more than the wire format has. */
const details: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: AUTHENTICATION_REQUIRED,
  TOKEN_EXPIRED: AUTHENTICATION_REQUIRED,
  FORBIDDEN: 'The credential does not permit this',
  NOT_FOUND: 'User not found',
};

/** What is said of an error with this code, if that is always the same. */
export function detailOf(code: ErrorCode): string | undefined {
  return details[code];
}

/** A mistake in the request itself, which has a status and no code. */
export function isOfHttp(error: unknown): error is HTTPException | BodyError {
  return error instanceof HTTPException || error instanceof BodyError;
}

/**
 * The answer to a request that failed: the status of the error's code, and `{"detail": …}`. An API key that may not do
 * something gets 403 and not 401, as another attempt with the same key would fare no better. `formatError` reports
 * what is unexpected, of which the client sees nothing. @param method of the request: what is too much of one without a body
 * is not its content, of which 413 tells, but what it asks for
 */
export function answerFailure(
  formatError: (error: unknown) => GraphQLError,
  error: unknown,
  method: string | undefined,
): Response {
  if (isOfHttp(error)) return detail(error.status, error.message);
  const formatted = formatError(error);
  const { message, extensions } = formatted;
  const code = extensions.code as ErrorCode; // formatted errors have one
  if (code === 'INTERNAL_SERVER_ERROR') return plain(500, 'Internal Server Error');
  if (extensions.credential === 'api_key') return detail(401, 'Invalid or missing API key');
  const { httpStatus } = errorCodes[code === 'LIMIT_EXCEEDED' && method === 'GET' ? 'BAD_USER_INPUT' : code];
  const headers = headersOf(formatted);
  if (code === 'FORBIDDEN') return detail(httpStatus, inShort(message), headers);
  return detail(httpStatus, details[code] ?? message, headers, isListed(code) ? { problems: extensions.problems } : {});
}

/** Errors that may list everything that is wrong with events; `problems` is left out where there are none. */
const isListed = (code: ErrorCode) => code === 'BAD_USER_INPUT' || code === 'EVENT_ID_CONFLICT';

/** Without the name of the GraphQL field. */
const inShort = (message: string) => message.replace(/does not permit [\w.]+/, 'does not permit this');
