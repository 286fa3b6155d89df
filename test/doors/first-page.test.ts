import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const get = (path: string, accept = '*/*') => fetch(`${server.url}${path}`, { headers: { accept } });

describe('/', () => {
  test('is a page in a browser, whose links all lead somewhere', async () => {
    const response = await get('/', 'text/html,application/xhtml+xml,*/*;q=0.8');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const html = await response.text();
    const links = [...html.matchAll(/<a href="([^"]+)">/g)].map(([, href = '']) => href);
    expect(links).toEqual(expect.arrayContaining(['graphql', 'docs']));
    for (const link of links) expect((await get(`/${link}`, 'text/html')).status, link).toBe(200);
    expect(html).toContain('npm run api-key');
  });

  test('is JSON for everybody else', async () => {
    const response = await get('/');
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toMatchObject({ name: 'synclog', version, graphql: 'graphql', docs: 'docs' });
  });
});

describe('without GraphiQL', () => {
  test('browsers are shown no page where others ask, the first page leads to none, and operations run', async () => {
    // Not even where a program has one of its own, as the demo does.
    const off = await startServer({ settings: { GRAPHIQL: 'off' }, graphiql: {} });
    onTestFinished(() => off.close());
    const headers = { ...off.admin, accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
    const asked = async (path: string) => {
      const response = await fetch(`${off.url}${path}`, { headers });
      return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
    };
    for (const path of ['/graphql', '/graphql/', '/graphql?', '/graphql?variables={}', '/GRAPHQL', '/graphiql']) {
      const { type, text } = await asked(path);
      expect({ path, type, text }).toMatchObject({ type: expect.stringMatching(/^application\/.*json/) });
      expect(text).not.toMatch(/<html|graphiql/i);
    }
    expect((await asked('/graphql')).text).toContain('Must provide query string');
    expect((await asked('/graphql?query={viewer{kind}}')).text).toContain('"SERVICE"');
    const first = await asked('/');
    expect(first.text).not.toMatch(/href="graphql"|GraphiQL/);
    expect(first.text).toContain('href="docs"');
    expect((await asked('/docs')).status).toBe(200);
  });
});

test('one version is told everywhere: that of package.json', async () => {
  expect((await (await get('/openapi.json')).json()).info.version).toBe(version);
  expect(await (await get('/metrics')).text()).toContain(`\nsynclog_build_info{version="${version}"} 1\n`);
});

test('/docs fills in a key that it is given, and has none by itself', async () => {
  expect(await (await get('/docs', 'text/html')).text()).not.toContain('data-api-key');
  const docsApiKey = `sk-${'0'.repeat(64)}`;
  const demo = await startServer({ docsApiKey });
  const html = await (await fetch(`${demo.url}/docs`)).text();
  expect(html).toContain(`data-api-key="${docsApiKey}"`);
  // A script can be loaded by any page, and a page by none.
  expect(await (await fetch(`${demo.url}/docs/start.js`)).text()).not.toContain(docsApiKey);
  await demo.close();
});

describe('a key of the process alone', () => {
  const secret = `sk-${'1'.repeat(64)}`;
  const ask = async ({ url }: TestServer) => {
    const headers = { 'x-api-key': secret, 'content-type': 'application/json' };
    const body = JSON.stringify({ query: '{ viewer { scopes } }' });
    return (await fetch(`${url}/graphql`, { method: 'POST', headers, body })).json();
  };

  test('is good there, for streams beyond the next look at keys too, and nowhere else', async () => {
    const ownKey = { secret, name: 'ours', scopes: ['read'] as const };
    const own = await startServer({ ownKey, limits: { credentialPollMs: 20 } });
    expect((await ask(own)).data.viewer.scopes).toEqual(['READ']);
    const { keys, credentials } = own.app.services;
    const viewer = await keys.verify(secret);
    const watched = viewer && credentials.watch(viewer);
    expect(viewer && [...(await keys.unrevoked([viewer.keyId])).keys()]).toEqual([viewer?.keyId]);
    expect(watched?.signal.aborted).toBe(false);
    watched?.release();
    expect((await keys.list()).map(({ name }) => name)).not.toContain('ours');
    await own.close();
    expect((await ask(server)).errors[0].extensions.code).toBe('UNAUTHENTICATED');
  });
});

test('a page that cannot be made, as its files are gone, fails alone and not with the server', async () => {
  const broken = await startServer({
    graphiql: () => {
      throw new Error('no such file');
    },
  });
  try {
    const response = await fetch(`${broken.url}/graphql`, { headers: { accept: 'text/html' } });
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }] });
    expect((await broken.graphql('{ __typename }')).status).toBe(200);
  } finally {
    await broken.close();
  }
});
