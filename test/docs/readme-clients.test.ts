import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AppOptions } from '../../src/app.ts';
import { demoPeople } from '../../src/demo/people.ts';
import { codeBlocks } from '../support/printed.ts';
import { startServer } from '../support/server.ts';

const root = join(import.meta.dirname, '../..');
const ada = demoPeople[0]?.id ?? '';

/** The README's program in a process of its own, on a server of its own. Its lines begin with a cursor. */
async function startProgram(options: AppOptions = {}) {
  const server = await startServer(options);
  onTestFinished(() => server.close());
  await server.user({ id: ada });
  const [program] = codeBlocks(readFileSync(join(root, 'README.md'), 'utf8'), 'ts');
  const file = join(root, `node_modules/.readme-client-${new URL(server.url).port}.mts`);
  writeFileSync(file, program?.code.replace('ws://127.0.0.1:4000', server.url.replace('http', 'ws')) ?? '');
  const child = execFile(process.execPath, ['--import', 'tsx', file], {
    env: { ...process.env, KEY: server.admin['x-api-key'] },
    maxBuffer: 2 ** 30,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const cursors: number[] = [];
  createInterface({ input: child.stdout as Readable }).on('line', (line) => cursors.push(Number.parseInt(line, 10)));
  const errors: string[] = [];
  createInterface({ input: child.stderr as Readable }).on('line', (line) => errors.push(line));
  const record = (count: number, message: string) =>
    server.record(...Array.from({ length: count }, () => ({ userId: ada, message })));
  /** Waits until it has seen that many events, and each once. */
  const sees = async (count: number) => {
    await expect.poll(() => cursors.at(-1), { timeout: 50_000 }).toBe(count);
    expect(cursors).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  };
  return { server, child, errors, record, sees };
}

describe("the README's program comes back and misses nothing", () => {
  test('after it has read nothing for too long', async () => {
    const { server, child, errors, record, sees } = await startProgram({ limits: { slowConsumerMs: 500 } });
    await record(1, 'first');
    await sees(1);
    child.kill('SIGSTOP');
    for (let turn = 0; turn < 10; turn += 1) await record(500, 'x'.repeat(4_000));
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
    child.kill('SIGCONT');
    await sees(5_001);
    expect(errors).toEqual(['Nothing was read for 0.5 s']);
  });

  test('after the server has cut the connection', async () => {
    const { server, record, sees } = await startProgram({ limits: { shutdownMs: 200 } });
    await record(1, 'first');
    await sees(1);
    for (let turn = 1; turn <= 3; turn += 1) {
      await server.restart();
      await record(1, 'after a restart');
      await sees(1 + turn);
    }
  });
});
