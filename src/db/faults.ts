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

/** Somebody keeps rows locked, or a statement has taken too long: the database is there, these rows are not. */
export function isHeldUp(error: unknown): boolean {
  const codes = codesOf(error);
  return codes.has('55P03') || codes.has('57014');
}

/** A unique value is another row's. */
export function isUniqueViolation(error: unknown): boolean {
  const codes = codesOf(error);
  return codes.has('P2002') || codes.has('23505');
}

/**
 * The database is away, or so busy that it might as well be: no connection, a broken one, a time-out, a server that
 * starts or stops. Nothing is wrong with the request, so it can be sent again.
 */
export function isUnavailable(error: unknown): boolean {
  const codes = codesOf(error);
  return [...codes].some((code) => awayCodes.has(code) || code.startsWith('08') || code.startsWith('57P'));
}

/** Of Prisma, its adapters' kinds, Node's sockets and pg; SQLSTATE classes 08 (connection) and 57P (shutdown) aside. */
const awayCodes = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'SQLITE_BUSY',
  'TooManyConnections',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  '53300',
  '55P03',
  '57014',
]);

/** What pg says, without any code, of a connection that broke, timed out or could not be had in time. */
const brokenConnection =
  /(?:Connection terminated(?: unexpectedly| due to connection timeout)?|Query read timeout|timeout exceeded when trying to connect|Client (?:has encountered a connection error|was closed) and is not queryable)$/;

/** Every code and kind that an error, its metadata and its causes name. */
function codesOf(error: unknown, depth = 0): Set<string> {
  const codes = new Set<string>();
  if (typeof error !== 'object' || error === null || depth > 5) return codes;
  if (error instanceof Error && brokenConnection.test(error.message)) codes.add('ConnectionClosed');
  for (const [key, value] of Object.entries({ ...error, cause: 'cause' in error ? error.cause : undefined })) {
    if (['code', 'originalCode', 'kind'].includes(key) && typeof value === 'string') codes.add(value);
    else if (['meta', 'cause', 'driverAdapterError', 'originalError'].includes(key))
      for (const code of codesOf(value, depth + 1)) codes.add(code);
  }
  return codes;
}
