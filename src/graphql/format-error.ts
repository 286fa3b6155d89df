import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { AppError, type ErrorCode, errorCodes } from '../errors.ts';

/** Told of each masked error, with the id that the client was given. */
export type ReportError = (error: unknown, id: string) => void;

/**
 * Makes what every error must become before a client sees it: one with a code of the closed table. An `AppError` is
 * shown as it is. What GraphQL itself has to say (syntax, validation, values that do not fit) is the client's mistake.
 * Everything else is reported under an id, and only the id is shown. Formatting twice changes nothing.
 */
export function createFormatError(report: ReportError): (error: unknown) => GraphQLError {
  const masked = new WeakMap<object, GraphQLError>();

  function mask(error: unknown, shape?: GraphQLError): GraphQLError {
    const cause = rootCause(error);
    const known = typeof cause === 'object' && cause !== null ? masked.get(cause) : undefined;
    const id = known ? String(known.extensions.id) : randomUUID();
    if (!known) report(cause, id);
    const result = new GraphQLError(`Internal error; the server's log has it under ${id}`, {
      ...locationOf(shape),
      extensions: { code: 'INTERNAL_SERVER_ERROR' satisfies ErrorCode, id },
    });
    if (typeof cause === 'object' && cause !== null) masked.set(cause, result);
    masked.set(result, result);
    return result;
  }

  return (error) => {
    if (!(error instanceof GraphQLError)) return mask(error);
    if (masked.has(error)) return error;
    const cause = rootCause(error);
    if (cause instanceof AppError) return error;
    if (!(cause instanceof GraphQLError)) return mask(error, error);
    if (isCode(error.extensions.code)) return error;
    return new GraphQLError(error.message, {
      ...locationOf(error),
      extensions: { ...error.extensions, code: codeFor(error) },
    });
  };
}

function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? rootCause(error.originalError) : error;
}

function locationOf(error: GraphQLError | undefined) {
  return {
    nodes: error?.nodes ?? null,
    source: error?.source ?? null,
    positions: error?.positions ?? null,
    path: error?.path ?? null,
  };
}

function isCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && code in errorCodes;
}

/** The HTTP layer below marks some of its errors with a status, such as 405. */
function codeFor({ extensions }: GraphQLError): ErrorCode {
  const http: unknown = extensions.http;
  const status = typeof http === 'object' && http !== null && 'status' in http ? http.status : undefined;
  return status === 413 ? 'LIMIT_EXCEEDED' : 'BAD_USER_INPUT';
}
