import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { freePort } from '../../prisma/scratch-postgres.ts';

/** A real Redis that can be stopped and started again. */
export interface FaultyRedis {
  readonly url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Whether `redis-server` is on the path. In CI it has to be; elsewhere its absence is said loudly. */
export function hasRedis(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    if (process.env.CI === 'true')
      throw new Error('redis-server is not on the path, and in CI its tests may not be skipped');
    process.stderr.write(
      '\n*** NO redis-server ON THE PATH: everything about Redis is SKIPPED (apt-get install redis-server) ***\n\n',
    );
    return false;
  }
}

/** @param settings further arguments of `redis-server`, the path of a configuration file first */
export async function startFaultyRedis(...settings: readonly string[]): Promise<FaultyRedis> {
  const port = await freePort();
  let child: ChildProcess | undefined;
  const redis: FaultyRedis = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      child = spawn(
        'redis-server',
        [...settings, '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
      const lines = createInterface(child.stdout as NodeJS.ReadableStream); // it is a pipe, see above
      let isReady = false;
      for await (const line of lines) {
        isReady = line.includes('Ready to accept connections');
        if (isReady) break;
      }
      if (!isReady) throw new Error(`redis-server does not start with ${settings.join(' ')}`);
      child.stdout?.resume();
    },
    async stop() {
      if (!child) return;
      const gone = once(child, 'close');
      child.kill('SIGKILL');
      await gone;
      child = undefined;
    },
  };
  await redis.start();
  return redis;
}
