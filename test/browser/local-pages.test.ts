import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { Origins } from '../../src/gate/origins.ts';
import { startServer } from '../support/server.ts';

const browserPath = '/usr/bin/chromium';
/** A machine for tests must have a browser; elsewhere the test is left out, and says so. */
const hasNoBrowser = !existsSync(browserPath) && !process.env.CI;
if (hasNoBrowser)
  process.stderr.write(`\nPages of other ports ARE NOT TESTED in a browser: there is no ${browserPath}.\n\n`);

/** A page of its own port, as the development server of a front end has it. */
async function servePage(): Promise<number> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>front end</title><link rel="icon" href="data:,">');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port; // it listens on a TCP port
}

test.skipIf(hasNoBrowser)(
  'a server that serves local pages is open to one on another port: GraphQL, REST, server-sent events, WebSocket',
  async () => {
    const server = await startServer({ servesLocalPages: true, limits: { shutdownMs: 200 } });
    onTestFinished(() => server.close());
    const profile = mkdtempSync(join(tmpdir(), 'synclog-profile-'));
    const browser = await chromium.launchPersistentContext(profile, {
      executablePath: browserPath,
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
    });
    onTestFinished(async () => {
      await browser.close();
      rmSync(profile, { recursive: true, force: true });
    });
    const userId = await server.user({ firstName: 'Ada' });
    await server.record({ userId, message: 'seen' });
    const { authorization = '' } = await server.userToken(userId);
    const port = await servePage();

    for (const host of ['localhost', '127.0.0.1']) {
      const page = await browser.newPage();
      await page.goto(`http://${host}:${port}/`);
      const seen = await page.evaluate(
        async ({ url, key, token, id }) => {
          const headers = { 'x-api-key': key, 'content-type': 'application/json' };
          const body = JSON.stringify({ query: `{ user(id: "${id}") { firstName } }` });
          const graphql = await fetch(`${url}/graphql`, { method: 'POST', headers, body });
          const rest = await fetch(`${url}/api/v1/users/${id}/sync/recent`, { headers });
          const streamed = await new Promise<string>((resolve, reject) => {
            const source = new EventSource(`${url}/api/v1/users/${id}/sync/stream?access_token=${token}`);
            source.addEventListener('sync.status', ({ data }) => resolve(JSON.parse(data).message));
            source.onerror = () => reject(new Error('no stream'));
          });
          const acknowledged = await new Promise<string>((resolve, reject) => {
            const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
            socket.onopen = () =>
              socket.send(JSON.stringify({ type: 'connection_init', payload: { 'X-API-Key': key } }));
            socket.onmessage = ({ data }) => resolve(JSON.parse(data).type);
            socket.onerror = () => reject(new Error('no socket'));
          });
          return [(await graphql.json()).data.user.firstName, (await rest.json()).length, streamed, acknowledged];
        },
        {
          url: server.url,
          key: server.admin['x-api-key'] ?? '',
          token: authorization.replace('Bearer ', ''),
          id: userId,
        },
      );
      expect(seen).toEqual(['Ada', 1, 'seen', 'connection_ack']);
      await page.close();
    }
  },
);

test('pages of this machine are those of localhost and its addresses, of any port', () => {
  const local = new Origins([], { servesLocalPages: true });
  const none = new Origins([], { servesLocalPages: false });
  const ours = ['http://localhost:5173', 'https://localhost', 'http://127.0.0.1:3000', 'http://[::1]:8080'];
  for (const origin of [...ours, 'http://app.localhost:5173', 'http://127.1.2.3']) {
    expect(local.allows(origin), origin).toBe(true);
    expect(none.allows(origin), origin).toBe(false);
  }
  const foreign = ['http://localhost.example', 'http://127.0.0.1.example', 'http://10.0.0.1', 'https://app.example'];
  for (const origin of [...foreign, 'null', 'file://', 'localhost:5173', 'http://localhost@evil.example'])
    expect(local.allows(origin), origin).toBe(false);
});
