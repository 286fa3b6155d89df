import type { Logger } from 'pino';
import { ActCounts } from './audit/act-counts.ts';
import { Audit } from './audit/audit.ts';
import { ApiKeys, type OwnKey } from './auth/api-keys.ts';
import { createAskAboutKey } from './auth/ask-open-wearables.ts';
import { CredentialWatch } from './auth/credential-watch.ts';
import { createTokens } from './auth/jwt.ts';
import { KeyUses } from './auth/key-uses.ts';
import { OpenWearablesKeys } from './auth/open-wearables-keys.ts';
import { hiddenTextsBut, type ProducerText } from './auth/producer-texts.ts';
import { createConnectionProjection } from './connections/connection-projection.ts';
import { Connections } from './connections/connections.ts';
import { startJudgingLinks } from './connections/keep-judged.ts';
import { watchedLinks } from './connections/watched-links.ts';
import { createProviderDataTypeProjection, createRunDataTypeProjection } from './data-types/data-type-projection.ts';
import { DataTypes } from './data-types/data-types.ts';
import { Availability } from './db/availability.ts';
import type { Database } from './db/database.ts';
import { openDatabaseClock } from './db/database-clock.ts';
import { DatabaseFigures } from './db/database-figures.ts';
import { isBusy, isUnavailable } from './db/faults.ts';
import { migrate } from './db/migrations.ts';
import { nameOf, openDatabase, providerOf } from './db/open-database.ts';
import type { StatementObserver } from './db/watch-statements.ts';
import { tryWriting } from './db/write-trial.ts';
import type { ConnectWire } from './instances/doorbell.ts';
import type { Clock } from './lib/clock.ts';
import { Opened } from './lib/opened.ts';
import { Outages } from './lib/outages.ts';
import { withoutSecrets } from './lib/redis-url.ts';
import type { Limits } from './limits.ts';
import { RowChanges } from './log/changes/row-changes.ts';
import { openEventLog } from './log/event-log.ts';
import { startRefoldingRuns } from './log/refold-runs.ts';
import { Retention } from './log/retention.ts';
import { RunHistory } from './runs/run-history.ts';
import { Runs } from './runs/runs.ts';
import { watchedRuns } from './runs/watched-runs.ts';
import type { Services } from './services.ts';
import { Sources } from './sources/sources.ts';
import { startFillingSearchTexts } from './users/fill-search-texts.ts';
import { Users } from './users/users.ts';

/** What the services take of the settings. */
interface ServicesSettings {
  readonly databaseUrl: string;
  /** The same Postgres without a pooler that takes away what lasts for a session: for migrations and wake-ups. */
  readonly databaseDirectUrl?: string | undefined;
  /** Where instances wake one another; without it they do so over Postgres. */
  readonly redisUrl: string | undefined;
  readonly retentionDays: number;
  readonly jwtSecret: string | undefined;
  readonly jwks: Parameters<typeof createTokens>[0]['jwks'];
  /** Who is asked about API keys that are not in the database. */
  readonly openWearablesUrl?: string | undefined;
  /** What user tokens are shown of what producers write. */
  readonly userVisible: readonly ProducerText[];
}

interface ServicesOptions {
  readonly limits: Limits;
  readonly clock: Clock | undefined;
  readonly logger: Logger;
  readonly onStatement: StatementObserver | undefined;
  /** See `EventLog.awaitsUsers`. */
  readonly awaitsUsers?: boolean;
  readonly ownKey: OwnKey | undefined;
}

/** The services with the database beneath them, for what opens, watches and closes an app. */
export interface OpenedServices extends Services {
  readonly database: Database;
  readonly availability: Availability;
  /** What is away of all that the server works with. */
  readonly outages: Outages;
  readonly databaseFigures: DatabaseFigures;
}

interface OpenServices {
  readonly services: OpenedServices;
  /** Takes failures that no request waits for. */
  readonly onError: (error: unknown) => void;
  close(): Promise<void>;
}

/**
 * Brings the database up to date and opens everything that works on it. `close` makes what was accepted durable. When it
 * rejects, everything is closed again.
 */
export async function openServices(config: ServicesSettings, options: ServicesOptions): Promise<OpenServices> {
  const opened = new Opened();
  try {
    return { ...(await openOneByOne(config, options, opened)), close: () => opened.close() };
  } catch (error) {
    await opened.close().catch(() => {}); // the first failure is the one to tell
    throw error;
  }
}

/** @param opened gets each part as soon as it is open */
async function openOneByOne(
  config: ServicesSettings,
  { limits, clock: givenClock, logger, onStatement, awaitsUsers = false, ownKey }: ServicesOptions,
  opened: Opened,
): Promise<Omit<OpenServices, 'close'>> {
  const applied = await migrate(directUrlOf(config), undefined, {
    onWarning: (text) => logger.warn(text),
    onWait: (waitedSeconds) =>
      logger.warn({ waitedSeconds }, 'waiting for another instance, which migrates the database'),
  });
  if (applied.length > 0) logger.info({ applied }, 'migrated the database');

  const outages = new Outages(logger);
  const availability = new Availability({
    away: outages.watch('database', {
      away: 'the database is away: requests are answered with UNAVAILABLE, streams wait',
      back: 'the database is back',
      shown: 'is away',
    }),
    unwritable: outages.watch('database writes', {
      away: 'the database cannot be written: recordings and changes are answered with UNAVAILABLE, reads and streams go on',
      back: 'the database can be written again',
      shown: 'the database cannot be written',
    }),
  });
  const figures = new DatabaseFigures();
  const database = opened.add(await openDatabase(config.databaseUrl, { observe: onStatement, availability, figures }));
  availability.start(() => tryWriting(database));
  opened.add({ close: () => availability.stop() });
  const onError = (error: unknown) => {
    // What is away has been told; a file that another process keeps locked has not.
    if (!isUnavailable(error) || (database.kind === 'sqlite' && isBusy(error))) logger.error(error);
  };
  const clock = givenClock ?? opened.add(await openDatabaseClock(database)).now;
  const elsewhere = openWearablesKeysOf(config, limits, outages);
  const uses = opened.add(new KeyUses({ database, limits, clock, onError }));
  const keys = new ApiKeys({ database, ownKey, elsewhere, limits, clock, uses });
  const credentials = opened.add(new CredentialWatch({ keys, elsewhere, limits, clock, onError }));
  const sources = opened.add(new Sources({ database, limits, clock, onError }));
  const doorbell = await doorbellOf(config, limits, outages);
  const projections = [
    createConnectionProjection(database),
    createRunDataTypeProjection(database),
    createProviderDataTypeProjection(database),
  ];
  const log = opened.add(openEventLog({ database, projections, awaitsUsers, limits, clock, onError, doorbell }));
  const watching = { database, limits, clock, wakeUps: log.wakeUps, onError };
  const runChanges = opened.add(new RowChanges({ ...watching, rows: watchedRuns(database) }));
  const connectionChanges = opened.add(new RowChanges({ ...watching, rows: watchedLinks(database) }));
  const audit = new Audit({ database, limits });
  const actCounts = opened.add(new ActCounts({ database, limits, clock, onError }));
  const retention = new Retention({
    also: (now, signal) => audit.sweep(now, signal),
    ...{ database, limits, days: config.retentionDays, clock, onError },
    onSwept: (swept) => logger.info(swept, 'retention has removed what was too old'),
    onDoubt: (now) => logger.warn({ now }, doubtText(limits)),
  });
  retention.start();
  opened.add(retention);
  opened.add({ close: startFillingSearchTexts(database, onError) });
  opened.add({ close: startRefoldingRuns({ database, projections, onError }) });
  opened.add({ close: startJudgingLinks(watching) });
  logger.info({ database: nameOf(config.databaseUrl), retentionDays: config.retentionDays }, 'opened the database');
  const runs = new Runs({ database });
  const runHistory = new RunHistory({ database });
  const dataTypes = new DataTypes(watching);
  const connections = new Connections(watching);
  const users = new Users({ database, wakeUps: log.wakeUps, limits, clock });
  const tokens = createTokens({ secret: config.jwtSecret, jwks: config.jwks, limits, clock });
  const nouns = {
    log,
    retention,
    runs,
    runChanges,
    runHistory,
    dataTypes,
    connections,
    connectionChanges,
    users,
    audit,
    actCounts,
    sources,
    keys,
    tokens,
    credentials,
  };
  const hiddenFromUsers = hiddenTextsBut(config.userVisible);
  const beneath = { database, databaseFigures: figures, availability, outages };
  return { services: { ...beneath, ...nouns, limits, hiddenFromUsers, clock }, onError };
}

/** What an operator has to know when retention stands still. */
function doubtText({ retentionDoubtMs }: Limits): string {
  const hours = retentionDoubtMs / 3_600_000;
  return `retention removes nothing: the database's clock has jumped, which is believed once it has lasted ${hours} hours; if the clock is wrong, set it right before then`;
}

/** How instances wake one another: over Redis if there is one, else over Postgres; a SQLite file has one instance. */
async function doorbellOf(config: ServicesSettings, { slowPollMs }: Limits, outages: Outages) {
  const { redisUrl } = config;
  const databaseUrl = directUrlOf(config);
  if (!redisUrl && providerOf(databaseUrl) === 'sqlite') return undefined;
  const over = redisUrl ? 'Redis' : "Postgres' NOTIFY";
  const outage = outages.watch('wake-ups', {
    away: `wake-ups over ${over} fail: events of other instances are seen up to ${slowPollMs / 1000} s late`,
    back: `wake-ups over ${over} work again`,
    hide: (reason) => (redisUrl ? withoutSecrets(reason, redisUrl) : reason),
  });
  return { connect: await wireOver(redisUrl ?? databaseUrl), outage };
}

/** Loads no client but the one that the wire needs. */
async function wireOver(url: string): Promise<ConnectWire> {
  if (url.startsWith('redis')) {
    const { redisWire } = await import('./instances/redis-wire.ts');
    return (events) => redisWire(url, events);
  }
  const { notifyWire } = await import('./instances/notify-wire.ts');
  return (events) => notifyWire(url, events);
}

function openWearablesKeysOf({ openWearablesUrl }: ServicesSettings, limits: Limits, outages: Outages) {
  if (openWearablesUrl === undefined) return undefined;
  const outage = outages.watch('Open Wearables', {
    away: 'Open Wearables cannot be asked about API keys: those that are not known here are answered with UNAVAILABLE',
    back: 'Open Wearables can be asked about API keys again',
  });
  return new OpenWearablesKeys({
    ask: createAskAboutKey(openWearablesUrl, limits.openWearablesAnswerMs),
    outage,
    limits,
  });
}

/** For what needs a session of its own. */
function directUrlOf({ databaseUrl, databaseDirectUrl }: ServicesSettings): string {
  return databaseDirectUrl ?? databaseUrl;
}
