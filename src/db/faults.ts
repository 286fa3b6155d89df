/**
 * SQLite is locked by another process. The libsql adapter calls SQLITE_BUSY a `SocketTimeout`, of which Prisma makes
 * P1008 for its own statements, and another code for raw ones. The driver itself says SQLITE_BUSY.
 */
export function isBusy(error: unknown): boolean {
  const codes = codesOf(error);
  return codes.has('P1008') || codes.has('SocketTimeout') || codes.has('SQLITE_BUSY');
}

/** Two transactions met: a serialization failure, a deadlock, or the same unique value from both. */
export function isCollision(error: unknown): boolean {
  const codes = codesOf(error);
  return ['40001', '40P01', '23505', 'P2034'].some((code) => codes.has(code));
}

/**
 * A session's prepared statement is gone, or is there and not ours, or its result would have other types than when it was
 * prepared, as a column has got another one: a new session prepares it anew.
 */
export function isStale(error: unknown): boolean {
  const codes = codesOf(error);
  return ['26000', '42P05', '0A000'].some((code) => codes.has(code));
}

/** Somebody keeps rows locked, or a statement has taken too long: the database is there, these rows are not. */
export function isHeldUp(error: unknown): boolean {
  const codes = codesOf(error);
  return [...codes].some((code) => heldUpCodes.has(code));
}

/** Collisions that went on for all attempts are among them. */
const heldUpCodes = new Set(['55P03', '57014', '40001', '40P01', 'P2034', 'TransactionWriteConflict']);

/** A unique value is another row's. */
export function isUniqueViolation(error: unknown): boolean {
  const codes = codesOf(error);
  return codes.has('P2002') || codes.has('23505');
}

/**
 * The database is away, or so busy that it might as well be, or does not do now what it has done before: no connection, a
 * broken one, a time-out, a server that starts or stops, one that refuses our user, a full disk, a file that cannot be
 * opened, written or read. Nothing is wrong with the request, so it can be sent again.
 */
export function isUnavailable(error: unknown): boolean {
  return [...codesOf(error)].some(isAwayCode);
}

/**
 * The database answers, and does not write: a server that was demoted or is set to read only, a disk that is full or
 * read-only, rights that were taken away. All such errors are `isUnavailable`, too.
 */
export function isUnwritable(error: unknown): boolean {
  return [...codesOf(error)].some((code) => unwritableCodes.has(code));
}

/** The connection leads to a server that is none to write to: a new one may lead to the server that has taken over. */
export function isReadOnly(error: unknown): boolean {
  return codesOf(error).has('25006');
}

/**
 * What a connection has learned of its SQLite file may not hold any more: it was opened read-only, or another file is there.
 * A full disk is not among them: to close the last connection would give the room to others that the log had.
 */
export function isLostFile(error: unknown): boolean {
  return [...codesOf(error)].some((code) => /^SQLITE_(?:READONLY|IOERR|CANTOPEN|CORRUPT|NOTADB|PROTOCOL)/.test(code));
}

/**
 * Is it this row that the database refuses, whatever state the database is in: a value or a constraint? Of the errors of
 * the database only these say something of what was sent.
 */
export function isRefusal(error: unknown): boolean {
  return [...codesOf(error)].some((code) => refusals.test(code));
}

/** SQLSTATE classes 22 (data) and 23 (constraint), the same of SQLite, and what Prisma makes of them. */
const refusals = /^(?:2[23][0-9A-Z]{3}|SQLITE_(?:CONSTRAINT|TOOBIG|MISMATCH|RANGE).*|P20(?:0[0-7]|1[1-3]|19|20|33))$/;

/**
 * SQLSTATE classes: 08 no connection, 28 a user who is refused, 53 no room (disk, memory, connections), 57P a server that
 * stops or starts, 58 the system's errors, XX0 damaged data.
 */
const awayClasses = /^(?:08|28|53|57P|58)[0-9A-Z]{2,3}$|^XX00[12]$/;

/**
 * What SQLite says of its file: extended codes, such as SQLITE_IOERR_WRITE, begin with these. A file that is damaged or is
 * none is here as well: somebody has to mend it, and until then nothing is wrong with what is asked.
 */
const awayFiles = /^SQLITE_(?:BUSY|FULL|READONLY|IOERR|CANTOPEN|CORRUPT|NOTADB|PROTOCOL|NOMEM|LOCKED|PERM|NOLFS|AUTH)/;

/** A certificate that is not trusted, has ended, or is another host's: OpenSSL's names, and Node's. */
const certificateFaults = /CERT|^ERR_(?:TLS|SSL)_|^HOSTNAME_MISMATCH$/;

function isAwayCode(code: string): boolean {
  return (
    awayCodes.has(code) ||
    unwritableCodes.has(code) ||
    awayClasses.test(code) ||
    awayFiles.test(code) ||
    certificateFaults.test(code)
  );
}

/** Postgres' for a read-only transaction, missing rights, and a full disk; SQLite's for a full and a read-only one. */
const unwritableCodes = new Set(['25006', '42501', '53100', 'SQLITE_FULL', 'SQLITE_READONLY']);

/** Of Prisma, its adapters' kinds, Node's sockets and pg, and single SQLSTATEs. */
const awayCodes = new Set([
  'FILE_GONE', // of a SQLite file that is not where it was opened
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'DatabaseNotReachable',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
  'AuthenticationFailed',
  'TlsConnectionError',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'ENOSPC',
  'EROFS',
  // The server ended an idle or long transaction; it, a database or an object is not in the state to be used.
  '25P03',
  '25P04',
  '55000',
  '55006',
  '55P03',
  '57014',
  '40001',
  '40P01',
  'P2034',
  'TransactionWriteConflict',
  '3D000',
]);

/** What pg says, without any code, of a connection that broke, timed out, was refused or could not be had in time. */
const brokenConnection =
  /(?:Connection terminated(?: unexpectedly| due to connection timeout)?|Query read timeout|timeout exceeded when trying to connect|Client (?:has encountered a connection error|was closed) and is not queryable|server does not support SSL connections|error establishing an SSL connection)$|^SASL: /;

/** What libsql says, without any code, of a file that it cannot open; 14 is SQLITE_CANTOPEN. */
const unopenedFile = /Unable to open connection to local database .*: (\d+)/;

/** SQLite's primary results by number, as Prisma's adapter names them. */
const sqliteResults: Readonly<Record<number, string>> = {
  3: 'SQLITE_PERM',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
  23: 'SQLITE_AUTH',
  25: 'SQLITE_RANGE',
  26: 'SQLITE_NOTADB',
};

/** Every code and kind that an error, its metadata and its causes name. */
function codesOf(error: unknown, depth = 0): Set<string> {
  const codes = new Set<string>();
  if (typeof error !== 'object' || error === null || depth > 5) return codes;
  if (error instanceof Error) {
    if (brokenConnection.test(error.message)) codes.add('ConnectionClosed');
    const [, result] = unopenedFile.exec(error.message) ?? [];
    if (result !== undefined) addResult(codes, Number(result));
  }
  for (const [key, value] of Object.entries({ ...error, cause: 'cause' in error ? error.cause : undefined })) {
    if (['code', 'originalCode', 'kind'].includes(key) && typeof value === 'string') codes.add(value);
    else if (['extendedCode', 'rawCode'].includes(key) && typeof value === 'number') addResult(codes, value);
    else if (['meta', 'cause', 'driverAdapterError', 'originalError'].includes(key))
      for (const code of codesOf(value, depth + 1)) codes.add(code);
  }
  // A host with several addresses: one error for each of them.
  if (error instanceof AggregateError)
    for (const each of error.errors) for (const code of codesOf(each, depth + 1)) codes.add(code);
  return codes;
}

/** The low byte of an extended result is the primary one. */
function addResult(codes: Set<string>, result: number): void {
  const name = sqliteResults[result & 0xff];
  if (name) codes.add(name);
}
