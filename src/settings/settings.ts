import { z } from 'zod';
import { withLowerScheme } from '../lib/lower-scheme.ts';
import { redisUrl } from '../lib/redis-url.ts';
import { defaultLimits } from '../limits.ts';
import { installedSources } from '../sources/installed.ts';
import {
  baseUrl,
  checkPostgresUrl,
  checkSqliteUrl,
  host,
  httpUrl,
  integer,
  isAddressBlock,
  isOrigin,
  listOf,
  rateLimits,
  visibleTexts,
} from './setting-values.ts';

/** Of fewer, a user's part would not hold a socket and a stream on it. */
const LEAST_STREAMS = 2 * defaultLimits.streamParts.user;

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** Each setting by its name: what it may be, and its default. README.md describes them. */
export const settings = z.object({
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
  USER_VISIBLE: visibleTexts.default(['message']),
  LOAD_SHEDDING: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  GRAPHIQL: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  INTROSPECTION: z.enum(['on', 'off'], { error: 'must be on or off' }).optional(),
  TRUSTED_DOCUMENTS: z.string().optional(),
  TRUSTED_DOCUMENTS_FOR: z.enum(['all', 'users'], { error: 'must be all or users' }).default('all'),
  METRICS_ACCESS: z.enum(['open', 'credential'], { error: 'must be open or credential' }).optional(),
  LOG_LEVEL: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
});

/** The names of all settings: the server's own, and those of the installed sources. */
export const settingNames: readonly string[] = [
  ...Object.keys(settings.shape),
  ...installedSources.flatMap((source) => Object.keys(source.settings)),
];
