import { setMaxListeners } from 'node:events';
import { type Logger, pino } from 'pino';
import { createApiKeys } from './auth/api-key.ts';
import { createAuthenticate } from './auth/authenticate.ts';
import { createCredentialWatch } from './auth/credential-watch.ts';
import { createTokens } from './auth/jwt.ts';
import type { Viewer } from './auth/viewer.ts';
import type { Config } from './config.ts';
import { migrate } from './db/migrate.ts';
import { openDatabase } from './db/open-database.ts';
import type { StatementObserver } from './db/watch-statements.ts';
import { AppError } from './errors.ts';
import { openEventLog } from './events/event-log.ts';
import { createFormatError } from './graphql/format-error.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { RunChanges } from './runs/run-changes.ts';
import { buildSchema } from './schema.ts';
import type { Services } from './services.ts';
import { type GraphiqlPage, graphiqlPage } from './transports/graphiql.ts';
import { createGraphqlServer } from './transports/graphql.ts';
import { listen } from './transports/http.ts';
import { createRestListener } from './transports/rest/rest.ts';
import { startLife } from './transports/stream-life.ts';
import { WebSocketEndpoint } from './transports/websocket.ts';
import { createUsers } from './users/users.ts';

/** What is not a setting: bounds, the clock, and what watches from outside. */
export interface AppOptions {
  readonly limits?: Partial<Limits>;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly logger?: Logger;
  readonly onStatement?: StatementObserver;
  readonly graphiql?: GraphiqlPage;
}

/** A running server. */
export interface App {
  /** Such as `http://127.0.0.1:4000`. */
  readonly url: string;
  /** What the schema works with, for programs that run the server within them. */
  readonly services: Services;
  /**
   * Ends streams with a cursor to resume from, lets requests finish, makes what was accepted durable and closes the
   * database. Takes at most `shutdownMs` and a little. Calling it again waits for the same end.
   */
  close(): Promise<void>;
}

/** Puts the server together, brings its database up to date and listens. Several can run in one process. */
export async function createApp(config: Config, options: AppOptions = {}): Promise<App> {
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const clock = options.clock ?? Date.now;
  const logger = options.logger ?? pino({ level: config.logLevel });
  const onError = (error: unknown) => logger.error(error);

  const applied = await migrate(config.databaseUrl);
  if (applied.length > 0) logger.info({ applied }, 'migrated the database');
  const database = await openDatabase(config.databaseUrl, { observe: options.onStatement, onError });

  const log = openEventLog({ database, limits, clock, onError });
  const runChanges = new RunChanges({ database, limits, wakeUps: log.wakeUps, onError });
  const keys = createApiKeys({ database, limits, clock });
  const tokens = createTokens({ secret: config.jwtSecret, jwks: config.jwks, limits, clock });
  const users = createUsers({ database, wakeUps: log.wakeUps, limits, clock });
  const services: Services = { database, log, runChanges, users, keys, tokens, limits };

  const authenticate = createAuthenticate({ keys, tokens });
  const credentials = createCredentialWatch({ keys, limits, clock, onPollError: onError });
  const shutdown = new AbortController();
  setMaxListeners(0, shutdown.signal);
  const startStream = (viewer: Viewer, client: AbortSignal) => {
    const { signal, release } = credentials.watch(viewer);
    return startLife([client, signal, shutdown.signal], release);
  };
  const formatError = createFormatError((error, id) => logger.error({ err: error, id }, 'unexpected error'));
  const { corsOrigins } = config;
  const schema = buildSchema();
  const graphql = createGraphqlServer({
    schema,
    services,
    authenticate,
    startStream,
    formatError,
    corsOrigins,
    graphiql: options.graphiql ?? graphiqlPage(),
  });
  const webSockets = new WebSocketEndpoint({ graphql, services, authenticate, startStream, formatError, corsOrigins });
  const rest = createRestListener({ graphql, services, authenticate, corsOrigins });

  async function closeServices(): Promise<void> {
    await log.close();
    runChanges.close();
    credentials.close();
    await database.close();
  }

  try {
    const http = await listen(config.host, config.port, { graphql, webSockets, rest, limits });
    let closed: Promise<void> | undefined;
    const close = async () => {
      const drained = http.close();
      shutdown.abort(new AppError('UNAVAILABLE', 'The server is shutting down'));
      await drained;
      await closeServices();
    };
    return {
      url: http.url,
      services,
      close: () => (closed ??= close()),
    };
  } catch (error) {
    await closeServices();
    throw error;
  }
}
