import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { serverSettings } from '../data/databases.ts';

const root = join(import.meta.dirname, '../..');

/** Servers under measurement share a core, and nothing else runs there: neither the load nor the database. */
const SERVER_CORE = '0';
const LOAD_CORE = '1';
/** For a server that has all that a machine gives it, as where it is installed: it collects garbage beside what it does. */
export const ALL_CORES = `${SERVER_CORE},${LOAD_CORE}`;

/** A server of this takes longer to start than this only if something is wrong. */
const START_PATIENCE_MS = 60_000;
/** What a server may take to end before it is killed. */
const END_PATIENCE_MS = 10_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A server under measurement, as a process of its own. */
export interface MeasuredServer {
  readonly url: string;
  readonly pid: number;
  /** From the start of the process until it said that it listens, in milliseconds. */
  readonly startMs: number;
  /** Collects its garbage, and tells what is left in bytes. */
  heap(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * Moves this process, and what it starts from now on, away from the core of the servers.
 * @throws where that cannot be done
 */
export function leaveServersCore(): void {
  if (process.platform !== 'linux') throw new Error('The bench reads /proc, so that it needs Linux');
  if (availableParallelism() < 2) throw new Error('The bench needs two cores: one for the servers, one for the load');
  try {
    execFileSync('taskset', ['-a', '-c', '-p', LOAD_CORE, String(process.pid)], { stdio: 'pipe' });
  } catch (cause) {
    throw new Error('The bench needs `taskset` (of util-linux) to keep the load from the core of the servers', {
      cause,
    });
  }
}

/** Starts a server of the repository on the servers' core, and waits until it says that it listens. @param file in JavaScript, or in TypeScript, which is compiled as it runs. @param cores as `taskset` takes them */
export async function startServer(
  file: string,
  environment: Readonly<Record<string, string>>,
  cores = SERVER_CORE,
): Promise<MeasuredServer> {
  const begun = performance.now();
  const options = ['--expose-gc', '--import', './bench/measure/heap-report.mjs'];
  const command = [
    '-c',
    cores,
    process.execPath,
    ...(file.endsWith('.ts') ? ['--import', 'tsx'] : []),
    ...options,
    file,
  ];
  const child = spawn('taskset', command, {
    cwd: root,
    env: { ...process.env, LOG_LEVEL: 'warn', ...serverSettings, ...environment, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  const lines = createInterface(child.stdout);
  const url = await listens(child, lines, file);
  return {
    url,
    pid: child.pid as number, // it has said something
    startMs: performance.now() - begun,
    heap: async () => {
      child.kill('SIGUSR2');
      return Number(await lineOf(lines, /^bench: heap (\d+)$/));
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), END_PATIENCE_MS);
      await closed;
      clearTimeout(patience);
    },
  };
}

/** Resolves with the address that it names. */
function listens(child: ChildProcess, lines: Interface, file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${file} did not listen within ${START_PATIENCE_MS / 1_000} s`));
    }, START_PATIENCE_MS);
    child.once('close', (code) => reject(new Error(`${file} ended with ${code} before it listened`)));
    child.once('error', reject);
    void lineOf(lines, /listen(?:s|ing) on (http:\/\/[\w.]+:\d+)/).then((url) => {
      clearTimeout(patience);
      resolve(url);
    });
  });
}

/** What a pattern takes out of the next line that it fits. */
function lineOf(lines: Interface, pattern: RegExp): Promise<string> {
  return new Promise((resolve) => {
    const look = (line: string) => {
      const [, found] = pattern.exec(line) ?? [];
      if (found === undefined) return;
      lines.off('line', look);
      resolve(found);
    };
    lines.on('line', look);
  });
}

/** @throws when nothing of that name was started */
export function serverOf(servers: ReadonlyMap<string, MeasuredServer>, name: string): MeasuredServer {
  const server = servers.get(name);
  if (!server) throw new Error(`${name} was not started`);
  return server;
}

/** Runs work with servers on one database, by the names of who they are, and ends them. */
export async function withServers<T>(
  databaseUrl: string,
  files: Readonly<Record<string, string>>,
  work: (servers: ReadonlyMap<string, MeasuredServer>) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  const servers = new Map<string, MeasuredServer>();
  try {
    for (const [name, file] of Object.entries(files))
      servers.set(name, await startServer(file, { ...settings, DATABASE_URL: databaseUrl }));
    return await work(servers);
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()));
  }
}
