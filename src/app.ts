import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { OwnKey } from './auth/api-keys.ts';
import { createAuthenticate } from './auth/authenticate.ts';
import type { Config } from './config.ts';
import type { StatementObserver } from './db/watch-statements.ts';
import { AppError } from './errors.ts';
import { createGate } from './gate/gate.ts';
import { Pressure, type PressureState } from './gate/pressure.ts';
import { RateLimits } from './gate/rate-limits.ts';
import { RateSharing } from './gate/rate-sharing.ts';
import { openRedisBuckets } from './instances/redis-buckets.ts';
import type { Clock } from './lib/clock.ts';
import { isObject } from './lib/json.ts';
import { createLogger } from './lib/logger.ts';
import type { Outages } from './lib/outages.ts';
import { withoutSecrets } from './lib/redis-url.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { type OpenedServices, openServices } from './open-services.ts';
import { createFormatError } from './operations/format-error.ts';
import { KeptAnswers } from './operations/kept-answers.ts';
import { Operations } from './operations/operations.ts';
import { openTrustedDocuments, type TrustedDocuments } from './operations/trusted-documents.ts';
import { buildSchema } from './schema.ts';
import { installedSources } from './sources/installed.ts';
import { openSources } from './sources/open-sources.ts';
import { type GraphiqlPage, graphiqlPage } from './transports/graphiql.ts';
import { createGraphqlListener } from './transports/graphql.ts';
import { listen } from './transports/http.ts';
import { RequestLog } from './transports/request-log.ts';
import type { RequestSpans } from './transports/request-spans.ts';
import { createRestListener, type RestOptions } from './transports/rest/rest.ts';
import { WebSocketEndpoint } from './transports/websocket/websocket.ts';

/** What is not a setting: bounds, the time, and what watches from outside. */
export interface AppOptions {
  readonly limits?: Partial<Limits>;
  /** What a test puts in place of the database's clock. */
  readonly clock?: Clock;
  /** What a test puts in place of the clock that rates are measured by, which never goes back. */
  readonly rateClock?: Clock;
  readonly logger?: Logger;
  readonly onStatement?: StatementObserver;
  readonly graphiql?: GraphiqlPage;
  /** Filled into the page of `/docs`, for everybody who opens it. */
  readonly docsApiKey?: string;
  /** What the process counts for `/metrics`; without it, counts begin when they are first asked for. */
  readonly processMetrics?: Registry;
  /** A key that this server alone accepts. */
  readonly ownKey?: OwnKey;
  /** May pages of this machine, of any port, call the server, beside those of `CORS_ORIGINS`? */
  readonly servesLocalPages?: boolean;
}

/** A running server. */
export interface App {
  /** Such as `http://127.0.0.1:4000`. */
  readonly url: string;
  /** What the schema works with, for programs that run the server within them. */
  readonly services: OpenedServices;
  /**
   * Ends streams with a cursor to resume from, lets requests finish, makes what was accepted durable and closes the
   * database. Takes at most `shutdownMs` and a little. Calling it again waits for the same end.
   */
  close(): Promise<void>;
}

/** Puts the server together, brings its database up to date and listens. Several can run in one process. */
export async function createApp(config: Config, options: AppOptions = {}): Promise<App> {
  const logger = options.logger ?? createLogger({ level: config.logLevel });
  const limits: Limits = { ...defaultLimits, openStreams: config.maxStreams, ...options.limits };
  const trusted = await openTrustedDocuments(config.trustedDocuments, config.trustedDocumentsFor, limits);
  const {
    services,
    onError,
    close: closeServices,
  } = await openServices(config, {
    limits,
    clock: options.clock,
    logger,
    onStatement: options.onStatement,
    awaitsUsers: installedSources.some(({ name, bringsUsers }) => bringsUsers && config.sources[name]),
    ownKey: options.ownKey,
  });
  try {
    const sources = await openSources(installedSources, config.sources, { ...services, onError });
    const { url, stop } = await serve(config, services, logger, {
      trusted,
      graphiql: config.graphiql && (options.graphiql ?? graphiqlPage({ introspection: config.introspection })),
      servesLocalPages: options.servesLocalPages ?? false,
      docsApiKey: options.docsApiKey,
      processMetrics: options.processMetrics,
      webhooks: sources.webhooks,
      rateClock: options.rateClock ?? (() => performance.now()),
    });
    sources.start();
    let closed: Promise<void> | undefined;
    return {
      url,
      services,
      close() {
        services.database.stopWaiting();
        closed ??= Promise.all([stop(), sources.close()])
          .then(() => {})
          .finally(closeServices);
        return closed;
      },
    };
  } catch (error) {
    await closeServices();
    throw error;
  }
}

/** Undefined where no SDK of OpenTelemetry has been loaded: it stands under this name for all copies of its API. */
async function openSpans(): Promise<RequestSpans | undefined> {
  const api: unknown = Reflect.get(globalThis, Symbol.for('opentelemetry.js.api.1'));
  if (!isObject(api) || api.trace === undefined) return undefined;
  const { RequestSpans } = await import('./transports/request-spans.ts');
  return new RequestSpans();
}

/** Counts together with the other instances. */
function shareRates(rates: RateLimits, redisUrl: string, outages: Outages): RateSharing {
  const outage = outages.watch('rate limits', {
    away: 'rate limits are not shared over Redis: each instance counts by itself',
    back: 'rate limits are shared over Redis again',
    hide: (reason) => withoutSecrets(reason, redisUrl),
  });
  return new RateSharing(rates, openRedisBuckets(redisUrl, outage.failed), outage);
}

/** What the log says when the server cannot keep up, and when it can again. */
const pressureTexts: Readonly<Record<PressureState, string>> = {
  calm: 'the server can keep up again',
  strained: 'the server cannot keep up: new streams are refused',
  overloaded: 'the server cannot keep up: new streams, requests without a credential and large lists are refused',
};

/** What the log says when new streams, or exports, of all are refused. */
const fullTexts = {
  streams:
    'as many sockets and streams are open as MAX_STREAMS allows: more are refused. Raise it where there is memory for them, or start another instance',
  exports: 'as many exports are open as an instance may have: more are refused until one ends',
};

/** Opens every transport. `stop` ends the streams and resolves when the last connection is closed. */
async function serve(
  config: Config,
  services: OpenedServices,
  logger: Logger,
  {
    trusted,
    graphiql,
    servesLocalPages,
    rateClock,
    ...restOptions
  }: { trusted: TrustedDocuments; graphiql: GraphiqlPage; servesLocalPages: boolean; rateClock: Clock } & Pick<
    RestOptions,
    'docsApiKey' | 'processMetrics' | 'webhooks'
  >,
) {
  const { limits } = services;
  const formatError = createFormatError((error, id) => logger.error({ err: error, id }, 'unexpected error'));
  const shutdown = new AbortController();
  const pressure = config.loadShedding
    ? new Pressure({ limits, onChange: (state, seen) => logger.warn(seen, pressureTexts[state]) })
    : undefined;
  const rates = new RateLimits({
    ...{ limits, pressure },
    clock: rateClock,
    factor: config.rateLimits,
    userQuota: config.userQuota,
  });
  const gate = createGate({
    authenticate: createAuthenticate(services),
    credentials: services.credentials,
    corsOrigins: config.corsOrigins,
    servesLocalPages,
    trustedProxies: config.trustedProxies,
    metricsAccess: config.metricsAccess,
    rates,
    limits,
    shutdown: shutdown.signal,
    onFull: (open, what) => logger.warn({ open }, fullTexts[what]),
  });
  const operations = new Operations({
    schema: buildSchema(),
    limits,
    formatError,
    introspection: config.introspection,
    trusted,
  });
  const kept = config.cache ? new KeptAnswers(services) : undefined;
  const spans = await openSpans();
  const { database, databaseFigures } = services;
  if (spans) databaseFigures.tell = (what, begun) => spans.tellOf(what, database.kind, begun);
  const requestLog = new RequestLog(logger, spans);
  const common = { operations, services, gate, formatError, kept, requestLog };
  const graphql = createGraphqlListener({ ...common, graphiql });
  const webSockets = new WebSocketEndpoint(common);
  const rest = createRestListener({
    ...common,
    health: services,
    ...restOptions,
    showsGraphiql: graphiql !== false,
    shutdown: shutdown.signal,
  });
  const { host, port, keepAliveMs } = config;
  const http = await listen(host, port, { graphql, webSockets, rest, limits, requestLog, keepAliveMs });
  // From now on, as a start takes the event loop for itself, and a port that is taken leaves nothing open.
  const stopLooking = pressure?.start();
  const sharing = config.redisUrl ? shareRates(rates, config.redisUrl, services.outages) : undefined;
  return {
    url: http.url,
    stop() {
      logger.info('stops: streams end, requests finish');
      const drained = http.close().finally(() => {
        stopLooking?.();
        sharing?.close();
        kept?.close();
      });
      shutdown.abort(new AppError('UNAVAILABLE', 'The server is shutting down'));
      return drained;
    },
  };
}
