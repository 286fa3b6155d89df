import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { startServer } from '../support/server.ts';

const browserPath = '/usr/bin/chromium';
/** A machine for tests must have a browser; elsewhere the test is left out, and says so. */
const hasNoBrowser = !existsSync(browserPath) && !process.env.CI;
if (hasNoBrowser) process.stderr.write(`\nEventSource IS NOT TESTED in a browser: there is no ${browserPath}.\n\n`);

test.skipIf(hasNoBrowser)(
  "a browser's EventSource follows a log with a user token, over a restart, and sees each event once",
  async () => {
    const server = await startServer({ limits: { shutdownMs: 200 } });
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

    const userId = await server.user();
    const record = (...messages: string[]) => server.record(...messages.map((message) => ({ userId, message })));
    await record('1', '2', '3');
    const { authorization = '' } = await server.userToken(userId);
    const token = authorization.replace('Bearer ', '');
    const page = await browser.newPage();
    await page.goto(`${server.url}/docs`); // any page of the same origin
    const seen: string[] = [];
    await page.exposeFunction('see', (text: string) => seen.push(text));
    await page.evaluate((url) => {
      const { see } = window as unknown as { see(text: string): void };
      const source = new EventSource(url);
      source.addEventListener('sync.status', (event) => see(`${event.lastEventId} ${JSON.parse(event.data).message}`));
      source.addEventListener('sync.end', (event) => see(JSON.parse(event.data).code));
    }, `/api/v1/users/${userId}/sync/stream?replay=2&access_token=${token}`);

    await expect.poll(() => seen).toEqual(['2 2', '3 3']);
    await record('4');
    await expect.poll(() => seen).toContain('4 4');
    await server.restart();
    await record(...Array.from({ length: 5 }, (_, index) => String(index + 5)));
    const expected = ['2 2', '3 3', '4 4', 'UNAVAILABLE', '5 5', '6 6', '7 7', '8 8', '9 9'];
    await expect.poll(() => seen).toEqual(expected);
  },
);
