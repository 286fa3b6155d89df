/** Time-outs of a session, in milliseconds; 0 for none. */
export interface SessionTimeouts {
  readonly lock_timeout: number;
  readonly statement_timeout: number;
  readonly idle_in_transaction_session_timeout: number;
}

/**
 * A statement that sets everything this server relies on and that the server, the database or the role may have set
 * otherwise: for the session, or (`local`) for the transaction alone, which is what holds behind a pooler that gives every
 * transaction another session. Nothing is sent as a start-up parameter, as PgBouncer refuses those.
 *
 * `default_transaction_read_only` stays as it is: whoever turns it on wants no writes, such as a hoster whose disk is full.
 */
export function settingsStatement(schema: string, timeouts: SessionTimeouts, scope: 'session' | 'local'): string {
  const settings = [
    ...Object.entries({ ...formats, search_path: quotedName(schema) }),
    ...Object.entries(timeouts),
    ...(scope === 'session' ? Object.entries(ofSession) : []),
  ];
  const isLocal = scope === 'local';
  const call = ([name, value]: [string, unknown]) => `set_config('${name}', ${quotedText(String(value))}, ${isLocal})`;
  const calls = settings.map(call);
  for (const setting of Object.entries(isLocal ? {} : ofNewerServers))
    calls.push(`CASE WHEN current_setting('${setting[0]}', true) IS NOT NULL THEN ${call(setting)} END`);
  // Whoever asks for more than the local disk, such as `remote_apply`, gets it.
  const durable = `CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END`;
  calls.push(`set_config('synchronous_commit', ${durable}, ${isLocal})`);
  return `SELECT ${calls.join(', ')}`;
}

/** What decides how values are written and read. */
const formats = {
  TimeZone: 'UTC', // Prisma's adapter drops the offset of the times it reads and writes none
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: 1,
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  client_encoding: 'UTF8',
  exit_on_error: 'off',
};

/**
 * What belongs to a connection and not to a transaction. Postgres gives up a client that takes no answer for ten seconds, or
 * that the network has lost: the rows that it had locked are free again.
 */
const ofSession = {
  default_transaction_isolation: 'read committed',
  tcp_keepalives_idle: 10,
  tcp_keepalives_interval: 3,
  tcp_keepalives_count: 3,
};

/** The same, where the server knows of it. The time-outs would end what waits by intention: a listener, a long migration. */
const ofNewerServers = {
  tcp_user_timeout: 10_000,
  idle_session_timeout: 0,
  transaction_timeout: 0,
};

/** How a transaction begins where the session's settings cannot be relied on. */
export const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED';

export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A text without backslashes to care about: its session may read them otherwise. */
const quotedText = (text: string): string =>
  text.includes('\\') ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;
