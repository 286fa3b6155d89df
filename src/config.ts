import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { PostgresUrlError, readPostgresUrl, sslModes } from './db/postgres-url.ts';
import { problemOfSqliteUrl } from './db/sqlite-path.ts';
import { withLowerScheme } from './lib/lower-scheme.ts';
import { isMisspelling } from './lib/misspelling.ts';
import { redisUrl } from './lib/redis-url.ts';
import { defaultLimits } from './limits.ts';
import { installedSources } from './sources/installed.ts';
import { readSettings, type SourceSettings } from './sources/source-settings.ts';

/** Brackets are of URLs: a socket knows no address with them. */
const host = z
  .string()
  .overwrite((text) => text.replace(/^\[(.*:.*)\]$/, '$1'))
  .refine((text) => isIPv6(text) || /^\w[\w.-]*$/.test(text), {
    error: 'must be an address or a name of this machine without scheme and port, such as 127.0.0.1',
  });
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL', abort: true });
/** Where the API of another server begins. It is completed to URLs, and nothing of it is a secret. */
const baseUrl = httpUrl.refine((text) => isBase(new URL(text)), {
  error: 'must have no user, query and fragment, such as https://open-wearables.example',
});

function isBase({ username, password, href }: URL): boolean {
  return username === '' && password === '' && !/[?#]/.test(href);
}

/** A list of what is good. @param what names such entries, with an example */
const listOf = (what: string, isGood: (entry: string) => boolean) =>
  z.string().transform((text, context) => {
    const entries = readList(text);
    if (entries?.every(isGood)) return entries;
    context.addIssue({ code: 'custom', message: `must be a JSON list or a comma-separated list of ${what}` });
    return z.NEVER;
  });

/** Scheme, host and port, without a path. */
const isOrigin = (text: string) => /^https?:\/\/[^/?#@*]+\/?$/i.test(text) && URL.canParse(text);

/** An address, or all that begin with the same bits. */
function isAddressBlock(text: string): boolean {
  const [address = '', bits = '1', ...more] = text.split('/');
  const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  return more.length === 0 && /^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most;
}

/** The entries of a JSON list of strings or a comma-separated list; nothing for what is neither. */
function readList(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('['))
    return text
      .split(',')
      .map((entry) => entry.trim())
      .filter(Boolean);
  try {
    return z.array(z.string()).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Of fewer, a user's part would not hold a socket and a stream on it. */
const LEAST_STREAMS = 2 * defaultLimits.streamParts.user;

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number, ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number, ${min} to ${max}`);

/** By how much the rates of `limits.ts` are multiplied. */
const rateLimits = z
  .string()
  .regex(/^(on|off|[1-9]\d{0,3})$/, 'must be on, off, or a whole number that multiplies the limits, 1 to 9999')
  .transform((text) => (text === 'off' ? 0 : text === 'on' ? 1 : Number(text)));

/** That the URL of a Postgres can be read; any other is none of its business. */
function checkPostgresUrl(url: string, context: z.RefinementCtx): void {
  try {
    if (/^postgres(ql)?:\/\//.test(url)) readPostgresUrl(url);
  } catch (error) {
    if (!(error instanceof PostgresUrlError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
}

/** That the URL of a SQLite file can be read; any other is none of its business. */
function checkSqliteUrl(url: string, context: z.RefinementCtx): void {
  const message = url.startsWith('file:') ? problemOfSqliteUrl(url) : undefined;
  if (message !== undefined) context.addIssue({ code: 'custom', message });
}

const settings = z.object({
  PORT: integer(0, 65_535).default(4000),
  HOST: host.default('127.0.0.1'),
  DATABASE_URL: z
    .string()
    .overwrite(withLowerScheme)
    .regex(/^(file:|postgres(ql)?:\/\/.*)/, 'must be a file: or postgresql: URL, such as file:./data/synclog.db')
    .superRefine(checkSqliteUrl)
    .superRefine(checkPostgresUrl)
    .default('file:./data/synclog.db'),
  DATABASE_DIRECT_URL: z
    .string()
    .overwrite(withLowerScheme)
    .regex(/^postgres(ql)?:\/\//, 'must be a postgresql: URL')
    .superRefine(checkPostgresUrl)
    .optional(),
  REDIS_URL: redisUrl.optional(),
  RETENTION_DAYS: integer(1, 36_500).default(30),
  JWT_SECRET: z.string().min(16, 'must be at least 16 characters').optional(),
  JWT_JWKS_URL: httpUrl.optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  OPEN_WEARABLES_URL: baseUrl.optional(),
  CORS_ORIGINS: listOf('origins, such as https://app.example', isOrigin).default([]),
  TRUSTED_PROXIES: listOf('addresses and blocks of them, such as 10.0.0.0/8', isAddressBlock).default([]),
  MAX_STREAMS: integer(LEAST_STREAMS, 10_000_000).default(defaultLimits.openStreams),
  KEEP_ALIVE_SECONDS: integer(1, 3_600).default(75),
  CACHE: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  RATE_LIMITS: rateLimits.default(1),
  USER_EVENTS_PER_DAY: integer(1, 1_000_000_000).default(1_000_000),
  USER_MEGABYTES_PER_DAY: integer(1, 1_000_000).default(1_000),
  LOAD_SHEDDING: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  INTROSPECTION: z.enum(['on', 'off'], { error: 'must be on or off' }).optional(),
  LOG_LEVEL: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
});

/** The names of all settings: the server's own, and those of the installed sources. */
export const settingNames: readonly string[] = [
  ...Object.keys(settings.shape),
  ...installedSources.flatMap((source) => Object.keys(source.settings)),
];

/** What else settings are called, in other programs. */
const otherNames: Readonly<Record<string, string>> = {
  DB_URL: 'DATABASE_URL',
  DIRECT_URL: 'DATABASE_DIRECT_URL',
  JWKS_URL: 'JWT_JWKS_URL',
  OPEN_WEARABLES_API_URL: 'OPEN_WEARABLES_URL',
  OW_API_URL: 'OPEN_WEARABLES_URL',
  CORS_ALLOWED_ORIGINS: 'CORS_ORIGINS',
  KEEP_ALIVE: 'KEEP_ALIVE_SECONDS',
  RATE_LIMIT: 'RATE_LIMITS',
};

/** The name of the setting that may have been meant, by a habit of names or by mistake. */
function meantBy(name: string): string | undefined {
  const usual = name.replace(/^OW_/, 'OPEN_WEARABLES_').replace(/(?<=_URL|_SECRET)_FILE$/, '');
  if (settingNames.includes(usual)) return usual;
  return otherNames[name] ?? settingNames.find((setting) => isMisspelling(name, setting));
}

/**
 * Variables that look like settings and are none, each with the setting that may have been meant. Other programs have
 * variables, too, so nothing is refused for its name.
 */
export function doubtsAbout(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    // Kubernetes tells of a service called `synclog` by SYNCLOG_PORT=tcp://….
    if (!value || /^(tcp|udp):/.test(value) || settingNames.includes(name)) return [];
    const meant = meantBy(name);
    return meant === undefined ? [] : [`${name} is no setting, so it counts for nothing. Did you mean ${meant}?`];
  });
}

/**
 * A key set alone would accept any token of its issuer, so it must come with whom to trust and for what. Tokens of the shared
 * secret are not held against these, so that they come with a key set.
 */
function missingBesideJwks(given: Readonly<Record<string, string | undefined>>): string[] {
  const names = ['JWT_JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE'];
  const found = names.find((name) => given[name]);
  if (found === undefined) return [];
  return names.filter((name) => !given[name]).map((name) => `${name} must be set when ${found} is`);
}

/** Both URLs lead to the same tables. */
function wrongDirectUrl({ DATABASE_URL: url, DATABASE_DIRECT_URL: direct }: z.infer<typeof settings>): string[] {
  if (direct === undefined) return [];
  if (url.startsWith('file:')) return ['DATABASE_DIRECT_URL is set, but DATABASE_URL names no Postgres'];
  if (readPostgresUrl(url).schema === readPostgresUrl(direct).schema) return [];
  return ['DATABASE_DIRECT_URL must name the schema that DATABASE_URL names, or both none'];
}

/** pg encrypts nothing for a word in PGSSLMODE that it does not know, and cuts no space off. */
function wrongPgSslMode(
  { PGSSLMODE: word }: Readonly<Record<string, string | undefined>>,
  { DATABASE_URL: url, DATABASE_DIRECT_URL: direct }: z.infer<typeof settings>,
): string[] {
  const counts = [url, direct].some((url) => url?.startsWith('postgres') && readPostgresUrl(url).sslMode === undefined);
  if (!counts || !word || [...sslModes, 'no-verify'].includes(word)) return [];
  return [`PGSSLMODE must be one of ${sslModes.join(', ')}`];
}

/** What the operator decides, parsed from the environment. README.md describes each setting. */
export interface Config {
  readonly port: number;
  readonly host: string;
  readonly databaseUrl: string;
  /** The Postgres of `databaseUrl` without a pooler, for what needs a session of its own. */
  readonly databaseDirectUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly retentionDays: number;
  readonly jwtSecret: string | undefined;
  readonly jwks: { readonly url: string; readonly issuer: string; readonly audience: string } | undefined;
  /** The Open Wearables whose API keys are good here, too. */
  readonly openWearablesUrl: string | undefined;
  readonly corsOrigins: readonly string[];
  /** Who says truly, in `X-Forwarded-For`, for whom they ask: addresses and blocks. */
  readonly trustedProxies: readonly string[];
  /** How many sockets and streams may be open at once. */
  readonly maxStreams: number;
  /** How long an HTTP connection may wait for its next request, in milliseconds. */
  readonly keepAliveMs: number;
  /** The settings of the sources that are set up. */
  readonly sources: SourceSettings;
  /** May answers be kept, to be given again? */
  readonly cache: boolean;
  /** What all rate limits are multiplied with; 0 for none. */
  readonly rateLimits: number;
  /** May requests be put off while the server cannot keep up? */
  readonly loadShedding: boolean;
  /** What clients may record of one user in a day. */
  readonly userQuota: { readonly events: number; readonly bytes: number };
  /** Does the server show its schema, and suggest names of it to who has mistyped one? */
  readonly introspection: boolean;
  readonly logLevel: string;
}

/** The settings do not parse. `problems` has one line for each mistake: the setting's name and what it must be. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Bad settings:\n${problems.map((line) => `  ${line}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Any text can be this secret, and who signs with it may have the line break in it, too. */
const TAKEN_AS_IT_IS = 'JWT_SECRET';

/**
 * Parses the settings, an empty value counting as unset. Space around a value is cut off, as files that are mounted as
 * settings end with a line break. Values never appear in an error: they may be secrets.
 * @throws ConfigError with all mistakes at once.
 */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(environment)
      .map(([name, value]) => [name, name === TAKEN_AS_IT_IS ? value : value?.trim()])
      .filter(([, value]) => value !== ''),
  );
  const parsed = settings.safeParse(given);
  const sources = installedSources.map(({ name, settings }) => ({ name, ...readSettings(settings, given) }));
  const problems = [
    ...(parsed.error?.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`) ?? []),
    ...sources.flatMap((source) => source.problems),
    ...missingBesideJwks(given),
    ...(parsed.success ? [...wrongDirectUrl(parsed.data), ...wrongPgSslMode(environment, parsed.data)] : []),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const env = parsed.data;
  return {
    port: env.PORT,
    host: env.HOST,
    databaseUrl: env.DATABASE_URL,
    databaseDirectUrl: env.DATABASE_DIRECT_URL,
    redisUrl: env.REDIS_URL,
    retentionDays: env.RETENTION_DAYS,
    jwtSecret: env.JWT_SECRET,
    jwks:
      env.JWT_JWKS_URL && env.JWT_ISSUER && env.JWT_AUDIENCE
        ? { url: env.JWT_JWKS_URL, issuer: env.JWT_ISSUER, audience: env.JWT_AUDIENCE }
        : undefined,
    openWearablesUrl: env.OPEN_WEARABLES_URL,
    corsOrigins: env.CORS_ORIGINS,
    trustedProxies: env.TRUSTED_PROXIES,
    maxStreams: env.MAX_STREAMS,
    keepAliveMs: env.KEEP_ALIVE_SECONDS * 1_000,
    sources: Object.fromEntries(sources.flatMap(({ name, values }) => (values ? [[name, values]] : []))),
    cache: env.CACHE === 'on',
    rateLimits: env.RATE_LIMITS,
    loadShedding: env.LOAD_SHEDDING === 'on',
    userQuota: { events: env.USER_EVENTS_PER_DAY, bytes: env.USER_MEGABYTES_PER_DAY * 1_000_000 },
    introspection: (env.INTROSPECTION ?? (given.NODE_ENV === 'production' ? 'off' : 'on')) === 'on',
    logLevel: env.LOG_LEVEL,
  };
}
