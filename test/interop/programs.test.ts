import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';

const program = join(import.meta.dirname, '../../examples/follow_log.py');

async function start(): Promise<TestServer> {
  const server = await startServer();
  onTestFinished(() => server.close());
  return server;
}

/** The example in a process of its own; what it prints comes line by line. */
function runExample(server: TestServer, ...args: readonly string[]) {
  const env = { ...process.env, SYNCLOG_KEY: server.admin['x-api-key'] };
  const child = spawn('python3', [program, server.url, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const cursors: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => cursors.push(JSON.parse(line).cursor));
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
  return { child, cursors, said };
}

const exitOf = (child: ChildProcess) => new Promise((resolve) => child.once('close', resolve));

describe('examples/follow_log.py, with nothing but the library of Python,', () => {
  test('misses nothing and sees nothing twice over restarts of the server', async () => {
    const server = await start();
    const userId = await server.user();
    await server.record({ userId }, { userId });
    const { cursors } = runExample(server, userId);
    await expect.poll(() => cursors).toEqual(['1', '2']);
    for (let turn = 0; turn < 2; turn += 1) {
      await server.restart();
      await server.record({ userId });
    }
    await expect.poll(() => cursors).toEqual(['1', '2', '3', '4']);
  });

  test('begins after the cursor that it is given', async () => {
    const server = await start();
    const userId = await server.user();
    await server.record({ userId }, { userId }, { userId });
    const { cursors } = runExample(server, userId, '2');
    await expect.poll(() => cursors).toEqual(['3']);
  });

  test('ends where there is nothing to come back for, and says why', async () => {
    const server = await start();
    const { child, said } = runExample(server, '0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001');
    expect(await exitOf(child)).toBe(1);
    expect(said.join()).toContain('There is no user 0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001');
  });
});

describe('curl', () => {
  const run = promisify(execFile);
  const curl = async (server: TestServer, ...args: readonly string[]) =>
    (await run('curl', ['-sS', '--max-time', '20', '-H', `x-api-key: ${server.admin['x-api-key']}`, ...args])).stdout;
  const stream = (userId: string) =>
    `subscription { syncEvents(userId: "${userId}", after: "0") { cursor events { sequence } } }`;

  test('queries by POST and by GET', async () => {
    const server = await start();
    const query = '{ viewer { kind } }';
    const json = ['-H', 'content-type: application/json', '-d', JSON.stringify({ query })];
    const inUrl = ['--get', '--data-urlencode', `query=${query}`];
    for (const args of [json, inUrl])
      expect(JSON.parse(await curl(server, `${server.url}/graphql`, ...args)).data).toEqual({
        viewer: { kind: 'SERVICE' },
      });
  });

  test('follows server-sent events, and resumes after the last id that it was given', async () => {
    const server = await start();
    const userId = await server.user();
    await server.record({ userId }, { userId }, { userId });
    const follow = async (...args: readonly string[]) => {
      const body = JSON.stringify({ query: stream(userId) });
      const headers = ['-H', 'content-type: application/json', '-H', 'accept: text/event-stream'];
      const given = curl(server, '-N', `${server.url}/graphql`, ...headers, ...args, '-d', body);
      await expect.poll(() => server.app.services.log.followedLogs).toBe(1);
      await server.restart(); // which ends the stream
      return given;
    };
    expect(await follow()).toMatch(/^id: 3$[\s\S]+"sequence":1[\s\S]+"sequence":3/m);
    expect(await follow('-H', 'last-event-id: 2')).toMatch(/^id: 3\n(?!.*"sequence":2).*"sequence":3/m);
  });
});
