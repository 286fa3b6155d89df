import { setTimeout as sleep } from 'node:timers/promises';
import { type App, createApp } from '../app.ts';
import { type Config, parseConfig } from '../config.ts';
import { nameOf } from '../db/open-database.ts';
import { KnownFailure } from '../lib/known-failure.ts';
import { createLogger } from '../lib/logger.ts';
import { isLoopback } from '../lib/loopback.ts';
import { doubtsAbout } from '../settings/doubtful-names.ts';
import { graphiqlPage } from '../transports/graphiql.ts';
import { collectProcessMetrics } from '../transports/ops/metrics.ts';
import { demoApiKey, type Environment, withDemoDefaults } from './demo-settings.ts';
import { firstSteps } from './first-steps.ts';
import { loadDemo } from './load-demo.ts';
import { demoPeople } from './people.ts';
import { simulate } from './simulate.ts';

/** Where the demo says what it does. */
interface DemoOutput {
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Writes over the present line, on a terminal. */
  readonly rewrite: ((text: string) => void) | undefined;
  /** Aborts when the demo is to stop. */
  readonly signal: AbortSignal;
}

/** Runs the demo until it is told to stop. */
export async function runDemo(environment: Environment, output: DemoOutput): Promise<void> {
  for (const doubt of doubtsAbout(environment)) output.warn(doubt);
  const config = parseConfig(withDemoDefaults(environment));
  const apiKey = demoApiKey(config.host);
  const [{ id: userId }] = demoPeople;
  const app = await createApp(config, {
    logger: createLogger({ level: config.logLevel, isReadable: true }),
    graphiql: graphiqlPage({ userId, apiKey }),
    ownKey: { secret: apiKey, name: 'npm run demo', scopes: ['read', 'write'] },
    docsApiKey: apiKey,
    processMetrics: collectProcessMetrics(),
    servesLocalPages: true,
  }).catch(explainPort);
  try {
    await refuseForeignData(app, config);
    await load(app, config, output);
    const url = reachable(app.url);
    for (const line of [...firstSteps({ url, apiKey, userId, showsGraphiql: config.graphiql }), '', ...remarks(config)])
      output.print(line);
    output.print('Live syncs are coming in. Stop with Ctrl+C.');
    const clock = () => new Date();
    await simulate(app.services.log, demoPeople, { random: Math.random, sleep, clock, signal: output.signal });
  } catch (error) {
    if (!output.signal.aborted) throw error;
  } finally {
    await app.close();
  }
}

/** A database that others fill is not to be mixed with invented people; one that a demo has filled may hold more. */
async function refuseForeignData({ services: { users } }: App, { databaseUrl }: Config): Promise<void> {
  const [someone] = await users.list({ visible: { kind: 'all' }, limit: 1, fromEnd: false });
  if (!someone || (await users.byIds(demoPeople.map(({ id }) => id))).length > 0) return;
  throw new KnownFailure(
    `${nameOf(databaseUrl)} holds data that is not the demo's; set DATABASE_URL to a database of its own`,
  );
}

async function load({ services }: App, config: Config, { signal, print, rewrite }: DemoOutput): Promise<void> {
  const startedAt = performance.now();
  /** One line that is written over, where there is a terminal; elsewhere only its beginning. */
  const onProgress = (recorded: number, total: number) => {
    if (!rewrite) {
      if (recorded === 0) print('Loading weeks of history …');
    } else if (recorded < total) rewrite(`Loading weeks of history … ${Math.floor((100 * recorded) / total)} %`);
    else rewrite('');
  };
  const loaded = await loadDemo(services, demoPeople, { now: new Date(), random: Math.random, signal, onProgress });
  const events = loaded.events.toLocaleString('en');
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  print(
    loaded.kind === 'kept'
      ? `Kept the ${events} events of earlier starts in ${nameOf(config.databaseUrl)}.`
      : `Loaded ${events} events of ${demoPeople.length} users in ${seconds} s into ${nameOf(config.databaseUrl)}.`,
  );
}

/** The address that a client on this machine uses where the server listens on all of them. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}

function remarks({ host }: Config): string[] {
  const pages = 'Pages of this machine may call the demo, whatever their port (http://localhost:5173).';
  if (isLoopback(host)) return [pages];
  return [pages, 'Careful: GraphiQL and /docs give the API key to everybody who can reach this machine (HOST).'];
}

function explainPort(error: unknown): never {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error)
    throw new KnownFailure(`port ${error.port} is taken; choose another one, such as PORT=4001 npm run demo`);
  throw error;
}
