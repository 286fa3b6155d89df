import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Progress } from '../install.ts';

const root = join(import.meta.dirname, '../..');

/** What `npm start` runs. */
export const SYNCLOG = 'dist/main.js';

/** What has been made of a peer, `bench/peers/NAME.ts`. */
export const builtPeer = (name: string): string => `bench/built/${name}.js`;

const peers = ['apollo', 'bare', 'insert-server', 'mercurius', 'raw-broadcast', 'stock-pubsub', 'stock-yoga'];

/**
 * Makes JavaScript of all contestants: what compiles TypeScript while it runs costs time and memory, and names each function
 * by a call. @throws Error where one cannot be built
 */
export async function buildServers(say: Progress): Promise<void> {
  say('builds the servers');
  const { status } = spawnSync(process.execPath, ['bin/synclog.mjs', '--version'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('Synclog cannot be built');
  await build({
    absWorkingDir: root,
    entryPoints: peers.map((name) => `bench/peers/${name}.ts`),
    outdir: 'bench/built',
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
  });
}
