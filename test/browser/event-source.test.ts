import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { codeBlocks } from '../support/printed.ts';
import { startServer } from '../support/server.ts';

const browserPath = '/usr/bin/chromium';
/** A machine for tests must have a browser; elsewhere the test is left out, and says so. */
const hasNoBrowser = !existsSync(browserPath) && !process.env.CI;
if (hasNoBrowser) process.stderr.write(`\nEventSource IS NOT TESTED in a browser: there is no ${browserPath}.\n\n`);

/** A page of a new server, and the messages and codes that it has seen. */
async function openPage() {
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
  const page = await browser.newPage();
  await page.goto(`${server.url}/docs`); // any page of the same origin
  const seen: string[] = [];
  await page.exposeFunction('see', (text: string) => seen.push(text));
  const userId = await server.user();
  const record = (...messages: string[]) => server.record(...messages.map((message) => ({ userId, message })));
  const newToken = async (seconds?: number) =>
    (await server.userToken(userId, seconds)).authorization?.replace('Bearer ', '') ?? '';
  return { server, page, seen, userId, record, newToken };
}

test.skipIf(hasNoBrowser)(
  "a browser's EventSource follows a log with a user token, over a restart, and sees each event once",
  async () => {
    const { server, page, seen, userId, record, newToken } = await openPage();
    await record('1', '2', '3');
    const token = await newToken();
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

test.skipIf(hasNoBrowser)(
  "the README's page goes on with a new token when one has ended, also while none can be had, and sees each event once",
  async () => {
    const { page, seen, userId, record, newToken } = await openPage();
    await record('1', '2');
    const tokens: (() => Promise<string>)[] = [];
    let made = 0;
    await page.exposeFunction('newToken', async () => {
      made += 1;
      const special = tokens.shift();
      return special ? special() : newToken(2);
    });
    const [program] = codeBlocks(readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8'), 'js');
    await page.evaluate(
      `(() => { ${program?.code} followSyncs('${userId}', newToken, ({ message }) => see(message)); })()`,
    );
    await expect.poll(() => seen).toEqual(['1', '2']);

    tokens.push(() => Promise.reject(new Error('the backend is away')));
    let recorded = 2;
    while (made < 4) {
      recorded += 1;
      await record(String(recorded));
      await expect.poll(() => seen.at(-1)).toBe(String(recorded));
    }
    expect(seen).toEqual(Array.from({ length: recorded }, (_, index) => String(index + 1)));
  },
);
