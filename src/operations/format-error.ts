import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { isHeldUp, isUnavailable, isUnwritable } from '../db/faults.ts';
import { type ErrorCode, errorCodes } from '../errors.ts';

/** Makes an error what a client may see. Formatting twice changes nothing. */
export type FormatError = (error: unknown) => GraphQLError;

/** Told of each masked error, with the id that the client was given. */
export type ReportError = (error: unknown, id: string) => void;

/**
 * Makes what every error must become before a client sees it: one with a code of the closed table. An `AppError` is
 * shown as it is. What GraphQL itself has to say (syntax, validation, values that do not fit) is the client's mistake.
 * Everything else is reported under an id, and only the id is shown.
 */
export function createFormatError(report: ReportError): FormatError {
  const masked = new WeakMap<object, GraphQLError>();
  const formatted = new WeakSet<GraphQLError>();

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
    if (error instanceof GraphQLError && (masked.has(error) || formatted.has(error))) return error;
    const cause = rootCause(error);
    if (isUnavailable(cause)) return notNow(cause, error instanceof GraphQLError ? error : undefined);
    if (!(error instanceof GraphQLError)) return mask(error);
    if (!(cause instanceof GraphQLError)) return mask(error, error);
    if (isCode(error.extensions.code) && !Object.keys(error.extensions).includes('http')) return error;
    const result = new GraphQLError(error.message, { ...locationOf(error), extensions: extensionsFor(error) });
    formatted.add(result);
    return result;
  };
}

/** Nobody's mistake, and over soon: the client may send the same again. */
function notNow(cause: unknown, shape: GraphQLError | undefined): GraphQLError {
  return new GraphQLError(`${stateOf(cause)}; try again`, {
    ...locationOf(shape),
    extensions: { code: 'UNAVAILABLE' satisfies ErrorCode },
  });
}

function stateOf(cause: unknown): string {
  if (isHeldUp(cause)) return 'The database is busy with these rows';
  return isUnwritable(cause) ? 'The database cannot be written now' : 'The database is away';
}

function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? rootCause(error.originalError) : error;
}

/** Where an error stands in its document and its result, for another error in its place. */
export function locationOf(error: GraphQLError | undefined) {
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

/**
 * Yoga's own notes on an error, such as a status of 405 or the text of a broken body, are for its HTTP layer alone: it
 * still finds them, but they are not written out, on no transport.
 */
function extensionsFor({ extensions }: GraphQLError): Record<string, unknown> {
  const { code, http, ...details } = extensions;
  const shown = isCode(code) ? { ...details, code } : { code: codeFor(http) };
  const hidden = Object.entries(extensions).filter(([name]) => !(name in shown));
  return Object.defineProperties(shown, Object.fromEntries(hidden.map(([name, value]) => [name, { value }])));
}

function codeFor(http: unknown): ErrorCode {
  const status = typeof http === 'object' && http !== null && 'status' in http ? http.status : undefined;
  return status === 413 ? 'LIMIT_EXCEEDED' : 'BAD_USER_INPUT';
}
