import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { graphiqlPage } from '../../src/transports/graphiql.ts';
import { startServer, type TestServer } from '../support/server.ts';

const userId = '3f2a7c10-9d4e-4b6f-8a21-5c0d7e9b1f42';
const browserPath = '/usr/bin/chromium';
/** A machine for tests must have a browser; elsewhere the tests that need it are left out, and say so. */
const hasNoBrowser = !existsSync(browserPath) && !process.env.CI;
if (hasNoBrowser) process.stderr.write(`\nGraphiQL IS NOT TESTED in a browser: there is no ${browserPath}.\n\n`);

/** A browser keeps connections open that it does not use, and closing waits for them. */
const limits = { shutdownMs: 200 };

/** A server whose page knows a user and a key that works, as the demo's does. */
async function startWithKey(settings: Record<string, string> = {}): Promise<TestServer & { readonly apiKey: string }> {
  let page = graphiqlPage();
  const server = await startServer({ graphiql: () => page, settings, limits });
  const { 'x-api-key': apiKey = '' } = await server.key('read', 'write');
  page = graphiqlPage({ userId, apiKey });
  await server.user({ id: userId, firstName: 'Ada' });
  await server.record({ userId, message: 'stored before' });
  return Object.assign(server, { apiKey });
}

let server: TestServer & { readonly apiKey: string };
beforeEach(async () => {
  server = await startWithKey();
});
afterEach(() => server.close());

describe('the page of GraphiQL', () => {
  const get = (accept: string) => fetch(`${server.url}/graphql`, { headers: { accept } });

  test('is for browsers only', async () => {
    const browsers = await get('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8');
    expect(browsers.status).toBe(200);
    expect(browsers.headers.get('content-type')).toContain('text/html');
    expect(await browsers.text()).toMatch(/^\s*<!doctype html>/i);
    for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream', '*/*']) {
      const response = await get(accept);
      expect(response.headers.get('content-type')).not.toContain('text/html');
      expect(await response.text()).not.toContain('<html');
    }
  });

  test('names nothing elsewhere for a browser to load', async () => {
    const html = await (await get('text/html')).text();
    // What the script itself would load shows in the browser below.
    const markup = html.replaceAll(/<script>[\s\S]*?<\/script>/g, '');
    expect(markup.length).toBeLessThan(html.length / 2);
    expect(markup).not.toMatch(/\b(?:src|href|action|data)\s*=\s*["']?\s*(?:https?:)?\/\//i);
    expect(markup).not.toMatch(/url\(\s*["']?\s*(?:https?:)?\/\//i);
    expect(markup).not.toMatch(/@import/i);
    expect(html).not.toMatch(/<script[^>]+src=/i);
  });

  test('holds no key unless it is given one', async () => {
    expect(await (await get('text/html')).text()).toContain(server.apiKey);
    const plain = await startServer();
    try {
      const html = await (await fetch(`${plain.url}/graphql`, { headers: { accept: 'text/html' } })).text();
      expect(html).not.toMatch(/sk-[0-9a-f]{64}/);
    } finally {
      await plain.close();
    }
  });
});

describe.skipIf(hasNoBrowser)('GraphiQL in a browser', () => {
  let profile: string;
  let browser: BrowserContext;
  let page: Page;
  let requests: string[];
  let failures: string[];

  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), 'synclog-profile-'));
    const quiet = ['background-networking', 'component-update', 'sync'].map((feature) => `--disable-${feature}`);
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: browserPath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        ...quiet,
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      ],
    });
    await browser.newPage(); // without a page the browser would end
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(profile, { recursive: true, force: true });
  });

  beforeEach(async () => {
    requests = [];
    failures = [];
    page = await browser.newPage();
    page.setDefaultTimeout(20_000);
    page.on('request', (request) => requests.push(request.url()));
    page.on('websocket', (socket) => requests.push(socket.url()));
    page.on('pageerror', (error) => failures.push(error.message));
  });
  afterEach(async () => {
    await page.close();
    expect(requests.filter((url) => !/^(?:blob:)?(?:http|ws):\/\/127\.0\.0\.1:\d+\/|^data:/.test(url))).toEqual([]);
    expect(failures).toEqual([]);
  });

  async function open(url: string, firstTab = 'UserWithSyncs'): Promise<void> {
    await page.goto(url);
    await editor(firstTab);
  }

  const editor = (text: string) => page.locator('.graphiql-query-editor', { hasText: text }).waitFor();
  const result = (text: string | RegExp) => page.locator('.result-window', { hasText: text }).waitFor();

  /** Turns to a tab with one click. GraphiQL reads the new text a moment later, and puts it into the URL. */
  async function turnTo(tab: string): Promise<void> {
    await page.getByRole('button', { name: tab, exact: true }).click();
    await page.locator('.graphiql-tab-active', { hasText: tab }).waitFor();
    await page.waitForFunction((name) => new URL(location.href).searchParams.get('query')?.includes(name), tab);
  }

  const run = () => page.getByRole('button', { name: /^Execute query/ }).click();

  test('runs its three tabs as they are: a nested query, a live subscription, a recording', async () => {
    await open(`${server.url}/graphql`);
    await run();
    await result('Ada');

    await turnTo('FollowSyncs');
    await run();
    await result('stored before');
    await server.record({ userId, message: 'arrives live' });
    await result('arrives live');

    await turnTo('RecordEvent');
    await run();
    await result('recordedAt');
    const { data } = await server.graphql(`{ user(id: "${userId}") { recentSyncEvents(limit: 1) { message } } }`);
    expect(data.user.recentSyncEvents).toEqual([{ message: 'Hello from GraphiQL' }]);
  });

  test('ends the subscription on the server when its tab is left', async () => {
    await open(`${server.url}/graphql`);
    await turnTo('FollowSyncs');
    await run();
    await result('stored before');
    expect(server.app.services.log.followedLogs).toBe(1);
    await turnTo('UserWithSyncs');
    await expect.poll(() => server.app.services.log.followedLogs).toBe(0);
  });

  test('prefers its key over all that the browser remembers of other servers at the same address', async () => {
    const { port } = new URL(server.url);
    await server.close();
    const plain = await startServer({ settings: { PORT: port }, limits });
    await open(`${plain.url}/graphql`, 'FindUsers');
    await run();
    await result('UNAUTHENTICATED');
    await turnTo('FollowSyncs');
    const rememberedUrl = page.url();
    await page.waitForFunction(() => localStorage.getItem('graphiql:tabState')?.includes('"activeTabIndex":1'));
    await plain.close();

    for (const url of [`http://127.0.0.1:${port}/graphql`, rememberedUrl]) {
      server = await startWithKey({ PORT: port });
      await open(url);
      await run();
      await result('Ada');
      await server.close();
    }
  });
});
