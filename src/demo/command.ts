import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, createApp } from '../app.ts';
import { type Config, ConfigError, parseConfig } from '../config.ts';
import { nameOf } from '../db/open-database.ts';
import { graphiqlPage } from '../transports/graphiql.ts';
import { makeDemoKey } from './demo-key.ts';
import { firstSteps } from './first-steps.ts';
import { loadDemo } from './load-demo.ts';
import { demoPeople } from './people.ts';
import { simulate } from './simulate.ts';

const databaseUrl = 'file:./data/demo.db';

const help = `Starts the server with demo users, weeks of their syncs and live syncs of all sources, until Ctrl+C.

  npm run demo
      Prints where GraphiQL is, an API key, and commands to try. Each start makes a new key and ends the earlier ones.
      What is in the database stays; delete it for a fresh start.
  npm run demo -- --help
      Shows this text.

The settings of the server count here, too (PORT=4001 npm run demo). Only these have other defaults:
  DATABASE_URL  ${databaseUrl}
  JWT_SECRET    a new one with each start, so user tokens work until the demo ends
  LOG_LEVEL     warn

Exit status: 0 ended by a signal, 1 a mistake in the command line or the settings, or a failure.`;

function demoConfig(): Config {
  return parseConfig({
    ...process.env,
    DATABASE_URL: process.env.DATABASE_URL || databaseUrl,
    JWT_SECRET: process.env.JWT_SECRET || randomBytes(32).toString('hex'),
    LOG_LEVEL: process.env.LOG_LEVEL || 'warn',
  });
}

async function run(args: readonly string[]): Promise<void> {
  if (args.some((arg) => arg === '--help' || arg === '-h')) return console.log(help);
  if (args.length > 0) throw new Error(`there is no argument ${args[0]} (see --help)`);
  const config = demoConfig();
  const stop = new AbortController();
  // Not `once`: npm and the terminal may both send the same Ctrl+C, and the second would cut the first one's end short.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

  let page = graphiqlPage();
  // The page gets the key when there is one: only a demo that has its port may end the keys of earlier ones.
  const app = await createApp(config, { graphiql: () => page });
  try {
    await refuseForeignData(app, config);
    await load(app, config, stop.signal);
    const apiKey = await makeDemoKey(app.services.keys);
    const [{ id: userId }] = demoPeople;
    page = graphiqlPage({ userId, apiKey });
    const url = reachable(app.url);
    console.log(['', ...firstSteps({ url, apiKey, userId }), '', ...warnings(app.url)].join('\n'));
    console.log('Live syncs are coming in. Stop with Ctrl+C.');
    const clock = () => new Date();
    await simulate(app.services.log, demoPeople, { random: Math.random, sleep, clock, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    await app.close();
  }
}

/** A database that others fill is not to be mixed with invented people; one that a demo has filled may hold more. */
async function refuseForeignData({ services: { users } }: App, { databaseUrl }: Config): Promise<void> {
  const [someone] = await users.list({ visible: { kind: 'all' }, limit: 1, fromEnd: false });
  if (!someone || (await users.byIds(demoPeople.map(({ id }) => id))).length > 0) return;
  throw new Error(
    `${nameOf(databaseUrl)} holds data that is not the demo's; set DATABASE_URL to a database of its own`,
  );
}

async function load({ services }: App, config: Config, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  const loaded = await loadDemo(services, demoPeople, { now: new Date(), random: Math.random, signal, onProgress });
  const events = loaded.events.toLocaleString('en');
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(
    loaded.kind === 'kept'
      ? `Kept the ${events} events of earlier starts in ${nameOf(config.databaseUrl)}.`
      : `Loaded ${events} events of ${demoPeople.length} users in ${seconds} s into ${nameOf(config.databaseUrl)}.`,
  );
}

/** One line that is written over, where there is a terminal; elsewhere only its beginning. */
function onProgress(recorded: number, total: number): void {
  const { stdout } = process;
  if (!stdout.isTTY) {
    if (recorded === 0) console.log('Loading weeks of history …');
  } else if (recorded < total)
    stdout.write(`\r\x1b[KLoading weeks of history … ${Math.floor((100 * recorded) / total)} %`);
  else stdout.write('\r\x1b[K');
}

/** The address that a client on this machine uses where the server listens on all of them. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}

function warnings(url: string): string[] {
  const { hostname } = new URL(url);
  if (hostname.startsWith('127.') || hostname === '[::1]') return [];
  return ['Careful: GraphiQL gives the API key to everybody who can reach this machine (HOST).'];
}

/** One line that says what to do about it. */
function lineFor(error: unknown): string {
  if (error instanceof ConfigError) return `bad settings: ${error.problems.join('; ')}`;
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'EADDRINUSE' && 'port' in error)
    return `port ${error.port} is taken; choose another one, such as PORT=4001 npm run demo`;
  return error.message.split('\n').find((line) => line.trim() !== '') ?? error.name;
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  console.error(`demo: ${lineFor(error)}`);
  process.exitCode = 1;
}
