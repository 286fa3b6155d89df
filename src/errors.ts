import { GraphQLError, type GraphQLErrorOptions } from 'graphql';

/**
 * Every error code a client can meet, with the status and headers of HTTP where a whole request fails with it.
 * The table is closed: what is not in it is masked as `INTERNAL_SERVER_ERROR`.
 */
export const errorCodes = {
  BAD_USER_INPUT: { httpStatus: 400 },
  UNAUTHENTICATED: { httpStatus: 401 },
  FORBIDDEN: { httpStatus: 403 },
  /** What clients are told of documents that they name, or may not send; the names are Apollo's, whose clients know them. */
  PERSISTED_QUERY_NOT_SUPPORTED: { httpStatus: 400 },
  PERSISTED_QUERY_NOT_FOUND: { httpStatus: 400 },
  PERSISTED_QUERY_NOT_IN_LIST: { httpStatus: 400 },
  NOT_FOUND: { httpStatus: 404 },
  EVENT_ID_CONFLICT: { httpStatus: 409 },
  LIMIT_EXCEEDED: { httpStatus: 413 },
  /** `extensions.retryAfter` says after how many seconds the same can be asked again; so does `Retry-After`. */
  RATE_LIMITED: { httpStatus: 429 },
  SLOW_CONSUMER: { httpStatus: 408 },
  TOKEN_EXPIRED: { httpStatus: 401 },
  UNAVAILABLE: { httpStatus: 503, headers: { 'retry-after': '1' } },
  INTERNAL_SERVER_ERROR: { httpStatus: 500 },
} as const satisfies Record<string, HttpAnswer>;

export type ErrorCode = keyof typeof errorCodes;

/** Why a stream may end although nobody is done with it. */
const passing: ReadonlySet<unknown> = new Set<ErrorCode>([
  'SLOW_CONSUMER',
  'TOKEN_EXPIRED',
  'UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
]);

/**
 * Is it over with this end of a stream as soon as its client comes back: a follower of a log with its cursor, and whose
 * token has ended with a new one? Every transport then ends the stream so that clients come back by themselves.
 */
export function isPassing(code: unknown): boolean {
  return passing.has(code);
}

/** Does an error say when to come again, as that of a limit does? */
export function saysWhen({ extensions }: GraphQLError): boolean {
  return typeof extensions.retryAfter === 'number';
}

/** The headers of HTTP where a whole request fails with this error. `retryAfter` of its extensions is in seconds. */
export function headersOf({ extensions: { code, retryAfter } }: GraphQLError): Readonly<Record<string, string>> {
  if (typeof retryAfter === 'number') return { 'retry-after': String(retryAfter) };
  const { headers }: HttpAnswer = errorCodes[code as ErrorCode]; // formatted errors have one of the table
  return headers ?? {};
}

/** What HTTP says of a request that fails as a whole. */
export interface HttpAnswer {
  readonly httpStatus: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * An expected error: its message and code are shown to the client as they are, so they must hold nothing secret.
 * `details` join `code` in the GraphQL error's `extensions`, for example the index and field of a bad event. `place` says
 * where it stands in the document, which clients are told as `locations`.
 */
export class AppError extends GraphQLError {
  readonly code: ErrorCode;

  constructor(
    code: ErrorCode,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    place: Pick<GraphQLErrorOptions, 'nodes' | 'source' | 'positions'> = {},
  ) {
    super(message, { ...place, extensions: { ...details, code } });
    this.name = 'AppError';
    this.code = code;
  }

  /** The HTTP status of a request that fails with this error as a whole. */
  get httpStatus(): number {
    return errorCodes[this.code].httpStatus;
  }
}

/** The refusal of what names a user who does not exist, or whom the viewer may not see: the two look the same. */
export function noSuchUser(id: string): AppError {
  return new AppError('NOT_FOUND', `There is no user ${id}`);
}

/** A value from the client that breaks a rule; `path` says where it stands in the input. */
export function badInput(
  message: string,
  path: readonly (string | number)[],
  details: Readonly<Record<string, unknown>> = {},
): AppError {
  return new AppError('BAD_USER_INPUT', message, { ...details, argumentPath: path });
}
