import type { ProducerText } from './auth/producer-texts.ts';
import type { MetricsAccess } from './gate/operator-access.ts';
import { isPrivateAddress } from './lib/private-address.ts';
import { missingBesideJwks, wrongDirectUrl, wrongPgSslMode } from './settings/contradictions.ts';
import { settings } from './settings/settings.ts';
import { installedSources } from './sources/installed.ts';
import { readSettings, type SourceSettings } from './sources/source-settings.ts';

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
  /** What user tokens are shown of what producers write. */
  readonly userVisible: readonly ProducerText[];
  /** Are browsers that open the endpoint shown GraphiQL? */
  readonly graphiql: boolean;
  /** Does the server show its schema, and suggest names of it to who has mistyped one? */
  readonly introspection: boolean;
  /** The file, or folder, of the only documents that are run. */
  readonly trustedDocuments: string | undefined;
  /** Whom it binds. */
  readonly trustedDocumentsFor: 'all' | 'users';
  /** Who reads the metrics, and what is away? */
  readonly metricsAccess: MetricsAccess;
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
    userVisible: env.USER_VISIBLE,
    graphiql: env.GRAPHIQL === 'on',
    introspection: (env.INTROSPECTION ?? (given.NODE_ENV === 'production' ? 'off' : 'on')) === 'on',
    trustedDocuments: env.TRUSTED_DOCUMENTS,
    trustedDocumentsFor: env.TRUSTED_DOCUMENTS_FOR,
    metricsAccess:
      env.METRICS_ACCESS ?? (isPrivateAddress(env.HOST) && !env.TRUSTED_PROXIES[0] ? 'direct' : 'credential'),
    logLevel: env.LOG_LEVEL,
  };
}
