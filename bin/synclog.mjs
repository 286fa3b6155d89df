#!/usr/bin/env node
// Runs a command of Synclog: `node /path/to/bin/synclog.mjs start`, from any folder. In a checkout it builds first where
// nothing is built yet, or where the source has changed since.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const built = join(root, 'dist/synclog.js');
const sources = ['src', 'build', 'prisma', 'package.json', 'package-lock.json'];

function newestOf(path) {
  const stat = statSync(path);
  if (path.endsWith('generated')) return 0; // out of prisma/
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestOf(join(path, name))));
}

function isUpToDate() {
  const builtAt = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return sources.every((name) => !existsSync(join(root, name)) || newestOf(join(root, name)) <= builtAt);
}

if (existsSync(join(root, 'src')) && !isUpToDate()) {
  process.stderr.write(`synclog: builds ${existsSync(built) ? 'anew, as the source has changed' : 'first'}\n`);
  const build = ['--import', 'tsx', 'build/command.ts', '--quiet'];
  const hasTools = existsSync(join(root, 'node_modules/tsx')); // which `npm ci --omit=dev` leaves out
  const status = hasTools ? spawnSync(process.execPath, build, { cwd: root, stdio: ['ignore', 2, 2] }).status : 1;
  if (status !== 0) {
    const isBuilt = existsSync(built);
    const text = isBuilt ? 'runs what was built before' : 'run `npm ci`, which installs what a build needs';
    process.stderr.write(`synclog: cannot be built here; ${text}\n`);
    if (!isBuilt) process.exit(1);
  }
}
await import(built);
