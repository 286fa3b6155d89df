import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { freePort } from '../../prisma/scratch-postgres.ts';
import { findProgram } from './program.ts';

const shipped = (name: string) => readFileSync(join(import.meta.dirname, '../../deploy', name), 'utf8');

interface RunningProxy {
  readonly url: string;
  /** All that it has written so far, into its logs and otherwise. */
  written(): string;
}

/** Starts a proxy from the file that is shipped, on a free port, in front of two servers; it goes with the test. */
type StartProxy = (servers: readonly [string, string], prefix: string) => Promise<RunningProxy>;

/** Both proxies, under the names that a suite loops over. */
export const proxies = { nginx: startNginx, caddy: startCaddy } as const satisfies Record<string, StartProxy>;

function startNginx(servers: readonly [string, string], prefix: string) {
  return startProxy('nginx', prefix, (folder, port) => {
    const site = [
      ['127.0.0.1:4000', new URL(servers[0]).host],
      ['127.0.0.1:4001', new URL(servers[1]).host],
      ['listen 80;', `listen 127.0.0.1:${port};`],
      ['location /synclog/ {', `location ${prefix}/ {`],
      ['/var/log/nginx/synclog.access.log', join(folder, 'access.log')],
      ['/var/log/nginx/synclog.error.log', join(folder, 'error.log')],
    ].reduce((text, [written = '', real = '']) => {
      expect(text.split(written), written).toHaveLength(2);
      return text.replace(written, real);
    }, shipped('nginx.conf'));
    writeFileSync(join(folder, 'site.conf'), site);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
      .join(' ');
    const file = join(folder, 'nginx.conf');
    writeFileSync(
      file,
      `daemon off; pid ${folder}/pid; error_log stderr; events {}
       http { access_log off; ${temporary} include ${folder}/site.conf; }`,
    );
    return { args: ['-p', folder, '-e', 'stderr', '-c', file], env: {} };
  });
}

function startCaddy(servers: readonly [string, string], prefix: string) {
  return startProxy('caddy', prefix, async (folder, port) => {
    const file = join(folder, 'Caddyfile');
    writeFileSync(file, shipped('Caddyfile'));
    const env = {
      HOME: folder,
      CADDY_ADMIN: `127.0.0.1:${await freePort()}`,
      SYNCLOG_SITE: `:${port}`,
      SYNCLOG_PREFIX: prefix,
      SYNCLOG_SERVERS: servers.map((url) => new URL(url).host).join(' '),
    };
    return { args: ['run', '--config', file], env };
  });
}

interface CommandLine {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

type Prepare = (folder: string, port: number) => CommandLine | Promise<CommandLine>;

async function startProxy(name: string, prefix: string, prepare: Prepare): Promise<RunningProxy> {
  const folder = mkdtempSync(join(tmpdir(), `synclog-${name}-`));
  chmodSync(folder, 0o755); // as root, nginx works as another user
  const port = await freePort();
  const { args, env } = await prepare(folder, port);
  const child = spawn(findProgram(name) ?? name, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(async () => {
    await endOf(child);
    rmSync(folder, { recursive: true, force: true });
  });
  const said: string[] = [];
  for (const output of [child.stdout, child.stderr]) output?.on('data', (text) => said.push(String(text)));
  const logs = () => readdirSync(folder).filter((file) => file.endsWith('.log'));
  const written = () => [...said, ...logs().map((file) => readFileSync(join(folder, file), 'utf8'))].join('');
  const url = `http://127.0.0.1:${port}${prefix}`;
  const answers = async () =>
    child.exitCode !== null ||
    fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await expect.poll(answers).toBe(true);
  if (child.exitCode !== null) throw new Error(`${name} has ended: ${said.join('')}`);
  return { url, written };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM'); // of both, a fast end
  await gone;
}
