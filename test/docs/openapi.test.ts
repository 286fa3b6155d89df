import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type BrowserContext, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const browserPath = '/usr/bin/chromium';
/** A machine for tests must have a browser; elsewhere the test that needs it is left out, and says so. */
const hasNoBrowser = !existsSync(browserPath) && !process.env.CI;
if (hasNoBrowser) process.stderr.write(`\n/docs IS NOT TESTED in a browser: there is no ${browserPath}.\n\n`);

/** Sets up every webhook that there is. */
const settings = { OPEN_WEARABLES_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' };

let server: TestServer;
// biome-ignore lint/suspicious/noExplicitAny: a JSON document of which the tests read parts
let description: any;

beforeAll(async () => {
  server = await startServer({
    limits: { shutdownMs: 200 }, // a browser keeps connections open that it does not use
    settings,
  });
  description = (await rest(`${server.url}/openapi.json`)).body;
});
afterAll(() => server.close());

/** The operations of the description, each with its path and method. */
function operations() {
  return Object.entries<Record<string, Record<string, unknown>>>(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}

describe('/openapi.json', () => {
  test('is a valid OpenAPI 3.1 document', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(description))).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    const broken = structuredClone(description);
    broken.paths['/sync/runs'].get.responses['200'].content = 'nonsense';
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test('has every reference that it makes, and a name of its own for each operation', () => {
    const references = [...JSON.stringify(description).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path);
    expect(references.length).toBeGreaterThan(5);
    for (const reference of references)
      expect(reference.split('/').reduce((part, name) => part?.[name], description)).toBeTypeOf('object');
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('describes every field, as GraphQL does', () => {
    for (const name of ['SyncEvent', 'SyncRun', 'SyncEventInput'])
      for (const [field, schema] of Object.entries<Record<string, unknown>>(
        description.components.schemas[name].properties,
      ))
        expect([name, field, schema.description]).toEqual([name, field, expect.stringMatching(/\w{3}/)]);
  });

  test('lists what the server serves: paths, methods and parameters with their bounds', async () => {
    const userId = await server.user();
    for (const { path, method, operation } of operations()) {
      const url = `${server.url}/${description.servers[0].url}${path.replace('{user_id}', userId)}`;
      expect((await rest(url, { method })).status).toBe(401);
      expect((await rest(url, { method: 'DELETE' })).headers.allow).toBe(method);
      const parameters = operation.parameters as { name: string; in: string; schema: Record<string, number> }[];
      for (const { name, schema } of parameters.filter((each) => each.in === 'query' && each.schema.maximum)) {
        const status = async (value: number) =>
          (await rest(`${url}?${name}=${value}`, { method, headers: server.admin })).body?.detail;
        expect(await status((schema.minimum ?? 0) - 1)).toContain(`greater than or equal to ${schema.minimum}`);
        expect(await status((schema.maximum ?? 0) + 1)).toContain(`less than or equal to ${schema.maximum}`);
      }
    }
  });

  test('fits the answers', async () => {
    const userId = await server.user();
    await server.record({ userId, scope: 'LIVE' });
    for (const [path, name] of [
      [`users/${userId}/sync/recent`, 'SyncEvent'],
      [`users/${userId}/sync/runs`, 'SyncRun'],
    ]) {
      const [answer] = (await rest(`${server.url}/api/v1/${path}`, { headers: server.admin })).body;
      const { properties, required } = description.components.schemas[name ?? ''];
      expect(Object.keys(properties)).toEqual(Object.keys(answer));
      const added = ['scope', 'window_start', 'window_end'];
      expect(required).toEqual(Object.keys(answer).filter((field) => !added.includes(field)));
      for (const [field, value] of Object.entries(answer))
        if (value === null) expect([field, properties[field].type]).toEqual([field, expect.arrayContaining(['null'])]);
    }
  });

  test('takes a token in the query on the stream only, and a signature for deliveries only', () => {
    const namesOf = (security: object[]) => security.flatMap((each) => Object.keys(each));
    const usual = namesOf(description.security);
    const special = operations()
      .filter(({ operation }) => operation.security)
      .map(({ path, operation }) => [path, namesOf(operation.security as object[])]);
    expect(special).toEqual([
      ['/users/{user_id}/sync/stream', [...usual, 'userToken']],
      ['/webhooks/open-wearables', ['svix']],
    ]);
    expect([...usual, 'userToken', 'svix']).toEqual(Object.keys(description.components.securitySchemes));
  });
});

describe.skipIf(hasNoBrowser)('/docs in a browser', () => {
  let profile: string;
  let browser: BrowserContext;

  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), 'synclog-profile-'));
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: browserPath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      ],
    });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(profile, { recursive: true, force: true });
  });

  test('tries a route with a key, and loads nothing from elsewhere', async () => {
    const userId = await server.user();
    await server.record({ userId, message: 'shown on the page' });
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    page.setDefaultTimeout(20_000);
    const requests: string[] = [];
    const failures: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => failures.push(error.message));
    page.on('console', (message) => message.type() === 'error' && failures.push(message.text()));

    await page.goto(`${server.url}/docs`);
    await page.locator('.title', { hasText: 'Synclog' }).waitFor();
    await page.getByRole('button', { name: 'Authorize' }).click();
    const dialog = page.locator('.auth-container', { hasText: 'X-API-Key' });
    await dialog.getByRole('textbox').fill(server.admin['x-api-key'] ?? '');
    await dialog.getByRole('button', { name: /Apply credentials/ }).click();
    await page.locator('.auth-container').first().getByRole('button', { name: 'Close' }).click();

    const operation = page.locator('#operations-sync-recentSyncEvents');
    await operation.locator('.opblock-summary-control').click();
    await operation.locator('tr[data-param-name="user_id"] input').fill(userId);
    await operation.getByRole('button', { name: 'Execute' }).click();
    await operation.locator('.live-responses-table', { hasText: 'shown on the page' }).waitFor();

    expect(requests.some((url) => url.includes(`/api/v1/users/${userId}/sync/recent`))).toBe(true);
    expect(requests.filter((url) => !url.startsWith(server.url) && !/^(data|blob):/.test(url))).toEqual([]);
    expect(failures).toEqual([]);
  });
});
