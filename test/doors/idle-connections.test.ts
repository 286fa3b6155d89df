import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { closed, connectTo } from '../support/connection.ts';
import { startServer } from '../support/server.ts';

async function startOwnServer(settings: Record<string, string> = {}) {
  const server = await startServer({ settings });
  onTestFinished(() => server.close());
  return server;
}

/** A connection that has been opened, and sends one request at a time. */
async function openConnection(url: string) {
  const socket = connectTo(url);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return {
    socket,
    async ask(path = '/healthz'): Promise<string> {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      let text = '';
      while (!text.includes('{"status":"ok"}')) {
        const [chunk] = await Promise.race([once(socket, 'data'), closed(socket).then(() => [undefined])]);
        if (chunk === undefined) throw new Error(`The connection has ended after ${JSON.stringify(text)}`);
        text += String(chunk);
      }
      return text;
    },
  };
}

describe('a connection that waits for its next request', () => {
  test('is kept for longer than load balancers keep theirs, and says so', async () => {
    const server = await startOwnServer();
    expect(await (await openConnection(server.url)).ask()).toMatch(/\r\nKeep-Alive: timeout=75\r\n/);
  });

  test('is kept for as long as KEEP_ALIVE_SECONDS says, and then closed; one without a request as well', async () => {
    const server = await startOwnServer({ KEEP_ALIVE_SECONDS: '1' });
    const [used, unused] = [await openConnection(server.url), await openConnection(server.url)];
    expect(await used.ask()).toMatch(/\r\nKeep-Alive: timeout=1\r\n/);
    await Promise.all([used, unused].map(({ socket }) => closed(socket)));
  });

  test('may bring one more request when the server has begun to stop, and is closed with its answer', async () => {
    const server = await startOwnServer();
    const connection = await openConnection(server.url);
    await connection.ask();
    const closing = server.app.close();
    expect(await connection.ask()).toMatch(/\r\nconnection: close\r\n/i);
    await closed(connection.socket);
    await closing;
  });

  test('does not keep a server from stopping soon', async () => {
    const server = await startOwnServer();
    const connections = [await openConnection(server.url), await openConnection(server.url)];
    await connections[0]?.ask();
    const start = performance.now();
    await server.app.close();
    expect(performance.now() - start).toBeLessThan(defaultLimits.shutdownMs - 2_000);
  });
});
