import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { freePort } from '../../prisma/scratch-postgres.ts';
import { findProgram } from './program.ts';

/**
 * A real PgBouncer with the settings that it comes with, apart from those that are given, in front of a Postgres. It goes with
 * the test. `urlOf` is the URL of a database behind it.
 */
export async function startPgBouncer(
  postgresUrl: string,
  mode: 'session' | 'transaction' | 'statement',
  settings: Readonly<Record<string, string | number>> = {},
): Promise<{ urlOf(databaseUrl: string): string }> {
  const { hostname, port: postgresPort, username, password } = new URL(postgresUrl);
  const folder = mkdtempSync(join(tmpdir(), 'synclog-pgbouncer-'));
  chmodSync(folder, 0o755); // as root, it runs as another user
  const port = await freePort();
  writeFileSync(join(folder, 'users.txt'), `"${username}" "${password}"\n`);
  const lines = Object.entries({
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'plain',
    auth_file: join(folder, 'users.txt'),
    pool_mode: mode,
    ...settings,
  }).map(([name, value]) => `${name} = ${value}`);
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(file, `[databases]\n* = host=${hostname} port=${postgresPort}\n[pgbouncer]\n${lines.join('\n')}\n`);

  const asRoot = process.getuid?.() === 0 ? ['--user', 'nobody'] : [];
  const child = spawn(findProgram('pgbouncer') ?? 'pgbouncer', [...asRoot, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const gone = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  });
  const output: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    output.push(line);
    if (line.includes('process up')) break;
  }
  if (!output.at(-1)?.includes('process up')) throw new Error(`PgBouncer did not start: ${output.join('\n')}`);
  child.stderr.resume();
  return { urlOf: (databaseUrl) => Object.assign(new URL(databaseUrl), { port: String(port) }).href };
}
