import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Whoever runs the server in a container. Only root can become somebody else. */
export const somebody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** Builds what is not built, or older than the source. */
export function build(): void {
  execFileSync(process.execPath, [join(root, 'bin/synclog.mjs'), '--version'], { stdio: 'ignore' });
}

/** Copies what `npm ci --omit=dev` installs on this machine. */
export function installPackages(folder: string): void {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  for (const [path, { dev, devOptional }] of Object.entries<{ dev?: boolean; devOptional?: boolean }>(packages))
    if (path !== '' && !dev && !devOptional && existsSync(join(root, path)))
      cpSync(join(root, path), join(folder, path.replace('node_modules/', '')), { recursive: true });
}

/** A folder that goes with the test, and that the user of the server alone may write to. */
export function dataFolder(): string {
  const data = mkdtempSync(join(tmpdir(), 'synclog-data-'));
  if (somebody.uid) chownSync(data, somebody.uid, somebody.gid);
  onTestFinished(() => rmSync(data, { recursive: true }));
  return data;
}

/** Where a server that was started listens. @throws Error with what it has said, if it ends before */
export async function listens(child: ChildProcess): Promise<string> {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    if (stream) createInterface(stream).on('line', (line) => lines.push(line));
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`It ended: ${lines.join('\n')}`)));
  const found = expect.poll(() => lines.join('\n')).toMatch(/Synclog listens on http/);
  await Promise.race([found, ended]);
  ended.catch(() => {});
  return /Synclog listens on (http:\S+)/.exec(lines.join('\n'))?.[1] ?? '';
}
