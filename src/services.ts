import type { Logger } from 'pino';
import { type ApiKeys, createApiKeys } from './auth/api-key.ts';
import { type CredentialWatch, createCredentialWatch } from './auth/credential-watch.ts';
import { createTokens, type Tokens } from './auth/jwt.ts';
import type { Config } from './config.ts';
import type { Database } from './db/database.ts';
import { migrate } from './db/migrate.ts';
import { openDatabase, providerOf } from './db/open-database.ts';
import type { StatementObserver } from './db/watch-statements.ts';
import type { ConnectWire } from './events/doorbell.ts';
import { type EventLog, openEventLog } from './events/event-log.ts';
import { notifyWire } from './events/notify-doorbell.ts';
import { redisWire } from './events/redis-doorbell.ts';
import { Retention } from './events/retention.ts';
import type { Limits } from './limits.ts';
import { RunChanges } from './runs/run-changes.ts';
import { createUsers, type Users } from './users/users.ts';

/** What the nouns offer to the GraphQL schema and the transports. One of each for an app. */
export interface Services {
  readonly database: Database;
  readonly log: EventLog;
  readonly runChanges: RunChanges;
  readonly users: Users;
  readonly keys: ApiKeys;
  readonly tokens: Tokens;
  readonly credentials: CredentialWatch;
  readonly limits: Limits;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

export interface ServicesOptions {
  readonly limits: Limits;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly logger: Logger;
  readonly onStatement: StatementObserver | undefined;
}

/** Brings the database up to date and opens everything that works on it. `close` makes what was accepted durable. */
export async function openServices(
  config: Config,
  { limits, clock, logger, onStatement }: ServicesOptions,
): Promise<{ services: Services; close(): Promise<void> }> {
  const onError = (error: unknown) => logger.error(error);
  const applied = await migrate(config.databaseUrl);
  if (applied.length > 0) logger.info({ applied }, 'migrated the database');

  const database = await openDatabase(config.databaseUrl, { observe: onStatement, onError });
  const log = openEventLog({ database, limits, clock, onError, connectWire: wireOf(config) });
  const retention = new Retention({ database, limits, days: config.retentionDays, clock, onError });
  retention.start();
  const runChanges = new RunChanges({ database, limits, clock, wakeUps: log.wakeUps, onError });
  const users = createUsers({ database, wakeUps: log.wakeUps, limits, clock });
  const keys = createApiKeys({ database, limits, clock });
  const tokens = createTokens({ secret: config.jwtSecret, jwks: config.jwks, limits, clock });
  const credentials = createCredentialWatch({ keys, limits, clock, onPollError: onError });

  return {
    services: { database, log, runChanges, users, keys, tokens, credentials, limits, clock },
    async close() {
      database.stopWaiting();
      await retention.close();
      await log.close();
      runChanges.close();
      credentials.close();
      await database.close();
    },
  };
}

/** How instances wake one another: over Redis if there is one, else over Postgres; a SQLite file has one instance. */
function wireOf({ redisUrl, databaseUrl }: Config): ConnectWire | undefined {
  if (redisUrl) return (events) => redisWire(redisUrl, events);
  if (providerOf(databaseUrl) === 'postgresql') return (events) => notifyWire(databaseUrl, events);
  return undefined;
}
