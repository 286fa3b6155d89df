import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Whoever runs the server in a container, or the user of the tests where that cannot be, which is said loudly. */
export const somebody = whoRuns();

function whoRuns(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}; // who is not root cannot become somebody else, and is nobody to the files either
  const nobody = { uid: 65_534, gid: 65_534 };
  if (spawnSync(process.execPath, ['--version'], nobody).status === 0) return nobody;
  process.stderr.write(`\n*** NOBODY BUT ROOT CAN RUN ${process.execPath}: what is built is tried as root ***\n\n`);
  return {};
}

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
  if (somebody.uid && somebody.gid) chownSync(data, somebody.uid, somebody.gid);
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
