/** How a connection to Postgres is encrypted, with the meaning that libpq gives to each word. */
export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof sslModes)[number];

/** What the URL of a Postgres says. What it leaves open, pg takes from `PGHOST` and the like, or from its defaults. */
export interface PostgresUrl {
  /** A name, an address, or the folder of a Unix socket, which begins with `/`. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  /** Where the tables are; without it, where the `search_path` of the session leads. */
  readonly schema: string | undefined;
  readonly sslMode: SslMode | undefined;
  /** Files in PEM; `system` as the root certificate stands for those that Node brings along. */
  readonly sslFiles: { readonly root?: string; readonly certificate?: string; readonly key?: string };
  /** The lowest version of TLS, where it is above what Node wants by itself. */
  readonly sslMinVersion: 'TLSv1.3' | undefined;
  readonly sslNegotiation: 'postgres' | 'direct' | undefined;
  readonly channelBinding: boolean;
  readonly connectTimeoutMs: number | undefined;
  readonly applicationName: string | undefined;
  /** Command-line options for the session, such as `-c search_path=app`. */
  readonly options: string | undefined;
}

/** The URL cannot be used. The message says why, and never shows a value, which may be a part of a password. */
export class PostgresUrlError extends Error {}

const unreadable =
  'is not a URL that can be read; in user and password, write % as %25, / as %2F, # as %23, ? as %3F, @ as %40';

/** Parameters that say what this server does anyway, or what it has no use for: those of libpq and of Prisma. */
const ignored = new Set([
  ...['client_encoding', 'fallback_application_name', 'target_session_attrs', 'load_balance_hosts'],
  ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'],
  ...['sslcompression', 'sslsni', 'uselibpqcompat'],
  ...[
    'connection_limit',
    'pool_timeout',
    'socket_timeout',
    'pgbouncer',
    'statement_cache_size',
    'max_idle_connection_lifetime',
  ],
]);

/** Parameters that are read below. */
const known = new Set([
  ...['host', 'port', 'user', 'password', 'dbname', 'schema', 'options', 'application_name', 'connect_timeout'],
  ...['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'channel_binding'],
  ...['ssl_min_protocol_version', 'gssencmode'],
]);

/**
 * Parameters of which only these words are known. Any other is refused, as it may ask for protection that would be missing
 * without a word; so is `gssencmode=require`, which nothing here can do.
 */
const words: Readonly<Record<string, readonly string[]>> = {
  ssl: ['true', '1', 'false', '0'],
  sslmode: [...sslModes, 'no-verify'],
  sslnegotiation: ['postgres', 'direct'],
  ssl_min_protocol_version: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
  channel_binding: ['disable', 'prefer', 'require'],
  gssencmode: ['disable', 'prefer'],
};

/**
 * Reads a `postgresql://` or `postgres://` URL as libpq does, with `?schema=` as Prisma does. Parameters go before what
 * stands in the other parts of the URL.
 * @throws PostgresUrlError
 */
export function readPostgresUrl(url: string): PostgresUrl {
  const [, authority = '', path = '', query = ''] =
    /^postgres(?:ql)?:\/\/([^/?#]*)(\/[^?#]*)?(\?[^#]*)?$/.exec(url) ?? refuse(unreadable);
  const at = authority.lastIndexOf('@');
  const [user, ...password] = at < 0 ? [''] : authority.slice(0, at).split(':');
  const server = readServer(authority.slice(at + 1));
  const given = readParameters(query.slice(1));
  const host = given.get('host') ?? server.host;
  if (host?.includes(',')) refuse(severalHosts);
  return {
    host,
    port: readPort(given.get('port')) ?? server.port,
    user: given.get('user') ?? (decode(user ?? '') || undefined),
    password: given.get('password') ?? (decode(password.join(':')) || undefined),
    database: given.get('dbname') ?? (decode(path.slice(1)) || undefined),
    schema: readSchema(given.get('schema')),
    ...readEncryption(given),
    channelBinding: (given.get('channel_binding') ?? 'disable') !== 'disable',
    connectTimeoutMs: readSeconds(given.get('connect_timeout')),
    applicationName: given.get('application_name'),
    options: given.get('options'),
  };
}

const severalHosts =
  'names several hosts, of which this server can use one: name the primary, a proxy, or a name that leads to it';

/** `name:port`, `[IPv6]:port` or `[IPv6%25zone]:port`, or the folder of a socket with `%2F` for its slashes. */
function readServer(text: string): Pick<PostgresUrl, 'host' | 'port'> {
  if (text.includes(',')) refuse(severalHosts);
  const [, address, name = '', port] =
    /^(?:\[([\da-f:.]+(?:%25[\w.-]+)?)\]|([^:[\]]*))(?::(\d*))?$/i.exec(text) ?? refuse(unreadable);
  return { host: decode(address ?? name) || undefined, port: readPort(port) };
}

function readPort(text: string | undefined): number | undefined {
  if (!text) return undefined;
  if (text.includes(',')) refuse(severalHosts);
  const port = Number(text);
  return /^\d+$/.test(text) && port > 0 && port < 65_536 ? port : refuse('has a port that is not 1 to 65535');
}

/** The parameters with a value. Of a name that stands twice the last one counts, as with libpq. */
function readParameters(query: string): ReadonlyMap<string, string> {
  // A question mark in a password that is not written as %3F: what follows is no query.
  if (query.includes('@')) refuse(unreadable);
  const given = new Map<string, string>();
  for (const pair of query.split('&').filter(Boolean)) {
    const [, name = '', value] = /^([^=]*)=?(.*)$/s.exec(pair) ?? [];
    if (!/^\w{1,40}$/.test(name)) refuse(unreadable);
    if (ignored.has(name)) continue;
    if (!known.has(name)) refuse(`has the parameter ${name}, which is unknown here`);
    // Only in `options` does a plus stand for a space: elsewhere it may belong to a password.
    const decoded = decode(name === 'options' ? (value ?? '').replaceAll('+', ' ') : (value ?? ''));
    if (decoded === '') continue;
    if (words[name]?.includes(decoded) === false)
      refuse(`has ${name} with a value that is none of ${words[name].join(', ')}`);
    given.set(name, decoded);
  }
  return given;
}

function readEncryption(
  given: ReadonlyMap<string, string>,
): Pick<PostgresUrl, 'sslMode' | 'sslFiles' | 'sslMinVersion' | 'sslNegotiation'> {
  const root = given.get('sslrootcert');
  const certificate = given.get('sslcert');
  const key = given.get('sslkey');
  const negotiation = given.get('sslnegotiation');
  return {
    sslMode: readSslMode(given),
    sslFiles: { ...(root && { root }), ...(certificate && { certificate }), ...(key && { key }) },
    sslMinVersion: given.get('ssl_min_protocol_version') === 'TLSv1.3' ? 'TLSv1.3' : undefined,
    sslNegotiation: negotiation === 'postgres' || negotiation === 'direct' ? negotiation : undefined,
  };
}

/** Without a mode, a root certificate asks to check with it, and `ssl=true` to encrypt. */
function readSslMode(given: ReadonlyMap<string, string>): SslMode | undefined {
  const word = given.get('sslmode');
  if (word === undefined) {
    const ssl = given.get('ssl');
    if (ssl !== undefined) return ssl === 'true' || ssl === '1' ? 'require' : 'disable';
    return given.has('sslrootcert') ? 'verify-full' : undefined;
  }
  if (word === 'no-verify') return 'require'; // pg's own word for it
  const mode = sslModes.find((known) => known === word);
  if (mode === 'verify-ca' && !given.has('sslrootcert'))
    refuse('has sslmode=verify-ca, for which sslrootcert must name the certificate to check with');
  return mode;
}

/** Postgres cuts longer names, and Prisma writes a quotation mark as it stands. */
function readSchema(name: string | undefined): string | undefined {
  if (name !== undefined && (name.includes('"') || Buffer.byteLength(name) > 63))
    refuse('has a schema with a quotation mark, or of more than 63 bytes');
  return name;
}

/** Seconds as milliseconds; with libpq, zero and less leave it open. */
function readSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,4}$/.test(text)) refuse('has a connect_timeout that is not a number of seconds');
  return Number(text) > 0 ? Number(text) * 1000 : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(unreadable);
  }
}

function refuse(reason: string): never {
  throw new PostgresUrlError(reason);
}

/** How a Postgres is named where people read it: without user, password and parameters that may be secret. */
export function nameOfPostgres(url: string): string {
  const { host, port, database, schema } = readPostgresUrl(url);
  const isFolder = host?.startsWith('/') ?? false;
  const name = host?.includes(':') ? `[${host}]` : host;
  const parameters = [...(isFolder ? [`host=${host}`] : []), ...(schema ? [`schema=${schema}`] : [])];
  const server = isFolder ? '' : `${name ?? ''}${port ? `:${port}` : ''}`;
  return `postgresql://${server}/${database ?? ''}${parameters.length > 0 ? `?${parameters.join('&')}` : ''}`;
}
