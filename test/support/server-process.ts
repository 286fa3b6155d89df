import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createDatabase } from './database.ts';
import { claimsWith, signWithSecret } from './identity-provider.ts';
import { type Headers, jwtSecret, testSettings } from './server.ts';
import { unsetSettings } from './unset-settings.ts';

/** How a process ended. */
interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The server as a process of its own, which can end in any way and be started again on the same database and port. */
export interface ServerProcess {
  readonly url: string;
  readonly databaseUrl: string;
  /** Headers of a developer's token with all scopes. */
  readonly headers: Headers;
  /** Resolves while the server listens; after its end, when it listens again. */
  listening(): Promise<void>;
  /** Sends the signal and resolves when the process is gone. */
  end(signal: NodeJS.Signals): Promise<Exit>;
  /** @param changed environment variables that are other ones now */
  start(changed?: Readonly<Record<string, string>>): Promise<void>;
  /** Lines that its processes have written, but for those that say where it listens. */
  readonly output: readonly string[];
  readonly pid: number | undefined;
  /** Kills the process and removes its database. */
  remove(): Promise<void>;
}

const root = join(import.meta.dirname, '../..');
/** Ports for servers that start again on theirs: the system gives none of these to outgoing connections. */
const [lowestPort, highestPort] = [20_000, 30_000];

/**
 * Starts a server on an empty database of the run's provider. `settings` are environment variables.
 * @param release the folder of the release that runs; this one if not given
 */
export async function startProcess(
  settings: Readonly<Record<string, string>> = {},
  release: string = root,
): Promise<ServerProcess> {
  const { url: databaseUrl, drop } = await createDatabase();
  const headers = {
    authorization: `Bearer ${await signWithSecret(jwtSecret, claimsWith({ scope: 'read write admin' }))}`,
  };
  let port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort));
  let child: ChildProcess;
  let exit: Promise<Exit>;
  const output: string[] = [];
  let up = deferred();

  /** Resolves with true when the server listens, with false when the port is taken. */
  async function launch(changed: Readonly<Record<string, string>> = {}): Promise<boolean> {
    child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts'], {
      cwd: release,
      env: {
        ...process.env,
        ...unsetSettings,
        ...testSettings,
        PORT: String(port),
        DATABASE_URL: databaseUrl,
        ...settings,
        ...changed,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    exit = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    const listens = new Promise<boolean>((resolve) => {
      for (const stream of [child.stdout, child.stderr])
        if (stream)
          createInterface(stream).on('line', (line) => {
            if (line.includes('Synclog listens on ')) resolve(true);
            else output.push(line);
          });
    });
    const ended = exit.then(({ code }) => {
      if (output.splice(0).some((line) => line.includes(`Port ${port} is taken`))) return false;
      throw new Error(`The server ended with ${code} before it listened`);
    });
    ended.catch(() => {});
    return Promise.race([listens, ended]);
  }

  while (!(await launch())) port = port === highestPort ? lowestPort : port + 1;
  up.resolve();

  return {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    databaseUrl,
    headers,
    listening: () => up.promise,
    async end(signal) {
      up = deferred();
      child.kill(signal);
      return exit;
    },
    async start(changed) {
      if (!(await launch(changed))) throw new Error(`Somebody else has taken port ${port}`);
      up.resolve();
    },
    output,
    get pid() {
      return child.pid;
    },
    async remove() {
      child.kill('SIGKILL');
      await exit;
      await drop();
    },
  };
}

/** Sends an operation. @throws the first error */
export async function graphql(
  { url, headers }: { readonly url: string; readonly headers: Headers },
  query: string,
  variables: object = {},
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of any shape, and fail where it is another
): Promise<any> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors?.[0]) throw new Error(errors[0].message);
  return data;
}

/** A new user's id. */
export async function newUser(target: { readonly url: string; readonly headers: Headers }): Promise<string> {
  return (await graphql(target, 'mutation { upsertUser(input: {}) { id } }')).upsertUser.id;
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
