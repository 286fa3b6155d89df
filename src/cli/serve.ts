import type { Logger } from 'pino';
import { type App, createApp } from '../app.ts';
import { parseConfig } from '../config.ts';
import { asTyped } from '../lib/package-folder.ts';
import { doubtsAbout } from '../settings/doubtful-names.ts';
import { collectProcessMetrics } from '../transports/ops/metrics.ts';

/** Makes a log of this level. */
type MakeLog = (level: string) => Logger;

/**
 * The server as this process: settings from its environment, and one app.
 * @param onOpen told how the process ends in order, once there is something to end.
 */
export async function serve(log: MakeLog, onOpen: (end: () => Promise<void>) => void): Promise<void> {
  const processMetrics = collectProcessMetrics();
  for (const doubt of doubtsAbout(process.env)) log('warn').warn(doubt);
  const config = parseConfig(process.env);
  const logger = log(config.logLevel);
  tellBy(logger);
  const app = await createApp(config, { logger, processMetrics });
  onOpen(() => stop(app, logger));
  // Supervisors and scripts wait for this line, so it comes whatever LOG_LEVEL says.
  log('info').info(
    `Synclog listens on ${app.url} (GraphQL${config.graphiql ? ' and GraphiQL' : ''} at ${app.url}/graphql)`,
  );
  await askForKey(app, logger);
}

async function stop(app: App, logger: Logger): Promise<void> {
  try {
    await app.close();
    process.exit(0);
  } catch (error) {
    logger.fatal(error);
    process.exit(1);
  }
}

/** A server without a key answers nobody but holders of tokens, and a newcomer has neither. */
async function askForKey({ services: { keys } }: App, logger: Logger): Promise<void> {
  const known = await keys.list().catch(() => undefined); // a database that is away has been told
  if (known && !known.some((key) => keys.isGood(key)))
    logger.info(
      asTyped('There is no API key yet. Make one: npm run api-key -- create --name NAME --scopes read,write,admin'),
    );
}

/** What Node would write to stderr in its own way is in the log as well: no other line is between those of the log. */
function tellBy(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => logger.warn({ name }, message));
  process.on('uncaughtException', (error) => {
    logger.fatal(error);
    process.exit(1);
  });
}
