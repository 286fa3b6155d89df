import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createAskAboutKey } from '../../src/auth/ask-open-wearables.ts';
import { OpenWearablesKeys } from '../../src/auth/open-wearables-keys.ts';
import { Outages } from '../../src/lib/outages.ts';
import { defaultLimits, type Limits } from '../../src/limits.ts';
import { newOpenWearablesKey, serveOpenWearablesUsers } from '../support/open-wearables-users.ts';

const run = promisify(execFile);
const samples = join(import.meta.dirname, '../support/samples');
const unavailable = { code: 'UNAVAILABLE' };

/** The keys of a real HTTP server that answers as Open Wearables does. `pass` moves the time. */
async function openKeys(changes: Partial<Limits> = {}, path = '') {
  const users = await serveOpenWearablesUsers();
  onTestFinished(users.close);
  let passed = 0;
  const { now } = performance;
  const time = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + passed);
  onTestFinished(() => time.mockRestore());
  const lines: string[] = [];
  const outages = new Outages(pino({}, { write: (line) => lines.push(line) }));
  const limits = { ...defaultLimits, ...changes };
  const keys = new OpenWearablesKeys({
    ask: createAskAboutKey(users.url + path, limits.openWearablesAnswerMs),
    outage: outages.watch('Open Wearables', { away: 'away', back: 'back' }),
    limits,
  });
  const known = newOpenWearablesKey();
  users.keys.add(known);
  return { users, keys, known, lines, outages, limits, pass: (ms: number) => (passed += ms) };
}

test('a key of Open Wearables makes a service that may read and nothing else', async () => {
  const { keys, known } = await openKeys();
  const viewer = await keys.verify(known);
  expect(viewer).toEqual({
    kind: 'service',
    keyId: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    name: 'API key of Open Wearables',
    scopes: new Set(['read']),
    expiresAt: null,
  });
  expect(await keys.verify(known)).toEqual(viewer);
  expect(JSON.stringify(viewer)).not.toContain(known);
  expect(viewer?.keyId.replaceAll('-', '')).not.toBe(hash('sha256', known).slice(0, 32));
});

test.each(['', '/', '/behind/a/proxy', '/behind/a/proxy/'])(
  'it is asked about by one request with the key, below the base URL: %j',
  async (path) => {
    const { users, keys, known } = await openKeys({}, path);
    await keys.verify(known);
    expect(users.requests).toEqual([
      {
        line: `GET ${path.replace(/\/$/, '')}/api/v1/users?limit=1`,
        key: known,
        headers: expect.objectContaining({ 'user-agent': 'synclog', 'cache-control': 'no-store' }),
      },
    ]);
    expect(users.requests[0]?.headers).not.toHaveProperty('authorization');
  },
);

test.each([401, 403])('a key that is answered with %i is refused', async (status) => {
  const { users, keys, known } = await openKeys();
  users.instead = (response) => response.writeHead(status).end('{"detail":"Invalid or missing API key"}');
  expect(await keys.verify(known)).toBeNull();
});

test.each(['', 'sk-', 'sk', 'key', 'Sk-0123', 'sk-a b', 'sk-ä', 'sk-a\r\nx: y', 'sk-\u0000'])(
  'nobody is asked about what can be no key: %j',
  async (text) => {
    const { users, keys } = await openKeys();
    expect(await keys.verify(text)).toBeNull();
    expect(users.requests).toEqual([]);
  },
);

const elsewhere = 'http://127.0.0.1:9';
test.each<[string, (response: ServerResponse) => void, string]>([
  ['an error', (response) => response.writeHead(500).end('Internal Server Error'), 'status 500'],
  ['too many requests', (response) => response.writeHead(429).end(), 'status 429'],
  ['nothing of the kind', (response) => response.writeHead(404).end('{"detail":"Not Found"}'), 'status 404'],
  ['a mistake', (response) => response.writeHead(400).end('{"detail":"?"}'), 'status 400'],
  ['nothing', (response) => response.writeHead(204).end(), 'status 204'],
  ['a redirect', (response) => response.writeHead(307, { location: `${elsewhere}/api/v1/users` }).end(), 'status 307'],
  ['a page that anybody gets', (response) => response.end('<!doctype html><title>Open Wearables</title>'), 'leads to'],
  ['another list', (response) => response.end('[]'), 'leads to something else'],
  ['another object', (response) => response.end('{"items":null}'), 'leads to something else'],
  ['null', (response) => response.end('null'), 'leads to something else'],
  ['more than a user takes', (response) => response.end(`{"items":[],"x":"${'x'.repeat(65_536)}"}`), 'leads to'],
  ['a cut connection', (response) => response.destroy(), ''],
  ['half an answer', (response) => response.write('{"items":[', () => response.destroy()), ''],
])('where Open Wearables answers with %s, it is not known whether the key is good', async (_what, instead, reason) => {
  const { users, keys, known, lines, outages } = await openKeys();
  users.instead = instead;
  await expect(keys.verify(known)).rejects.toMatchObject(unavailable);
  expect(users.requests).toHaveLength(1);
  expect(lines).toEqual([expect.stringContaining(reason)]);
  expect(lines.join()).not.toContain(known);
  expect(outages.present).toHaveProperty('Open Wearables');

  users.instead = undefined;
  expect(await keys.verify(known)).not.toBeNull();
  expect(lines[1]).toContain('back');
  expect(outages.present).toEqual({});
});

test('an Open Wearables that does not answer in time, or not to the end, says nothing of the key', async () => {
  const { users, keys, known, lines } = await openKeys({ openWearablesAnswerMs: 50 });
  users.instead = () => {};
  await expect(keys.verify(known)).rejects.toMatchObject(unavailable);
  expect(lines[0]).toContain('has not answered for 50 ms');
  users.instead = (response) => void response.write('{"items":[');
  await expect(keys.verify(known)).rejects.toMatchObject(unavailable);
});

test('an Open Wearables that is not there says nothing of the key', async () => {
  const { users, keys, known, outages } = await openKeys();
  await users.close();
  await expect(keys.verify(known)).rejects.toMatchObject(unavailable);
  expect(outages.present).toEqual({ 'Open Wearables': 'ECONNREFUSED' });
});

test('questions about one key that come together are one request', async () => {
  const { users, keys, known } = await openKeys();
  const wrong = newOpenWearablesKey();
  const answers = await Promise.all([known, known, wrong, known, wrong].map((key) => keys.verify(key)));
  expect(answers.map((viewer) => viewer !== null)).toEqual([true, true, false, true, false]);
  expect(users.requests.map(({ key }) => key).sort()).toEqual([known, wrong].sort());
});

test('what was answered is remembered for its time, and not longer', async () => {
  const { users, keys, known, pass, limits } = await openKeys();
  const wrong = newOpenWearablesKey();
  const askBoth = async () => {
    users.requests.length = 0;
    await Promise.all([keys.verify(known), keys.verify(wrong)]);
    return users.requests.map(({ key }) => key);
  };
  await askBoth();
  pass(limits.openWearablesKeyMs - 1_000);
  expect(await askBoth()).toEqual([]);
  pass(1_000);
  expect(await askBoth()).toEqual([known]);
  pass(limits.openWearablesRefusalMs - limits.openWearablesKeyMs);
  expect((await askBoth()).sort()).toEqual([known, wrong].sort());
});

test('a key that is revoked is refused once the time of the last answer is over', async () => {
  const { users, keys, known, pass, limits } = await openKeys();
  const viewer = await keys.verify(known);
  users.keys.delete(known);
  expect(await keys.verify(known)).not.toBeNull();
  pass(limits.openWearablesKeyMs);
  expect(await keys.verify(known)).toBeNull();
  expect(viewer && (await keys.isRevoked(viewer))).toBe(true);
  expect(users.requests).toHaveLength(2);
});

test('an answer counts from when it was asked for, as the key may be revoked while it is on its way', async () => {
  const { users, keys, known, pass, limits } = await openKeys();
  users.instead = (response) => {
    pass(limits.openWearablesKeyMs);
    response.end('{"items":[]}');
  };
  expect(await keys.verify(known)).not.toBeNull();
  users.instead = undefined;
  users.keys.delete(known);
  expect(await keys.verify(known)).toBeNull();
});

test('an accepted key waits a second after a failure, before Open Wearables is asked about it again', async () => {
  const { users, keys, known, pass, limits } = await openKeys();
  const viewer = await keys.verify(known);
  pass(limits.openWearablesKeyMs);
  users.requests.length = 0;
  users.instead = (response) => response.writeHead(503).end();
  for (let attempt = 0; attempt < 50; attempt += 1) await expect(keys.verify(known)).rejects.toMatchObject(unavailable);
  expect(viewer && (await keys.isRevoked(viewer))).toBe(false);
  expect(users.requests).toHaveLength(1);
  users.instead = undefined;
  pass(1_000);
  expect(await keys.verify(known)).not.toBeNull();
});

test('made-up keys burden Open Wearables no more than so often a second, and hold up no key that it takes', async () => {
  const { users, keys, known, pass, limits } = await openKeys();
  const { openWearablesQuestions: most } = limits;
  const viewer = await keys.verify(known);
  const flood = (count: number) =>
    Promise.all(
      Array.from({ length: count }, () =>
        keys.verify(newOpenWearablesKey()).then(
          () => 'refused',
          (error) => error.code,
        ),
      ),
    );
  pass(1_000);
  users.requests.length = 0;
  const outcomes = await flood(1_000);
  expect(outcomes.filter((outcome) => outcome === 'UNAVAILABLE').length).toBeGreaterThan(900);
  const asked = users.requests.length;
  expect(outcomes.filter((outcome) => outcome === 'refused')).toHaveLength(asked);
  expect(asked).toBeGreaterThanOrEqual(most);
  expect(asked).toBeLessThan(5 * most); // a second is over sooner than such a flood

  pass(limits.openWearablesKeyMs);
  await flood(100);
  expect(await keys.verify(known)).not.toBeNull();
  expect(viewer && (await keys.isRevoked(viewer))).toBe(false);
});

test('the bound on questions is met exactly, and each second allows as many anew', async () => {
  const { users, keys } = await openKeys({ openWearablesQuestions: 3 });
  const opened = Math.ceil(performance.now());
  const time = vi.spyOn(performance, 'now');
  onTestFinished(() => time.mockRestore());
  const ask = () => keys.verify(newOpenWearablesKey());
  for (const afterMs of [10_000, 11_000, 99_000]) {
    time.mockReturnValue(opened + afterMs);
    for (let count = 0; count < 3; count += 1) expect(await ask()).toBeNull();
    await expect(ask()).rejects.toMatchObject(unavailable);
  }
  time.mockReturnValue(opened + 99_334);
  expect(await ask()).toBeNull();
  await expect(ask()).rejects.toMatchObject(unavailable);
  expect(users.requests).toHaveLength(10);
});

test('so many refusals are remembered and no more, the newest, and they push out no accepted key', async () => {
  const { users, keys, known } = await openKeys({ openWearablesRefusals: 2, openWearablesQuestions: 100 });
  const wrong = [newOpenWearablesKey(), newOpenWearablesKey(), newOpenWearablesKey()];
  for (const key of [known, ...wrong]) await keys.verify(key);
  users.requests.length = 0;
  for (const key of [known, wrong[2], wrong[1], wrong[0]]) await keys.verify(key ?? '');
  expect(users.requests.map(({ key }) => key)).toEqual([wrong[0]]);
});

test('so many accepted keys are remembered and no more, those that were asked about last', async () => {
  const { users, keys, known } = await openKeys({ openWearablesKeys: 2 });
  const others = [newOpenWearablesKey(), newOpenWearablesKey()];
  for (const key of others) users.keys.add(key);
  for (const key of [known, ...others]) await keys.verify(key);
  users.requests.length = 0;
  for (const key of [...others, known]) await keys.verify(key);
  expect(users.requests.map(({ key }) => key)).toEqual([known]);
});

test('the key of a stream is asked about again by whoever has forgotten it, and as if nobody had asked about others', async () => {
  const { users, keys, known } = await openKeys({ openWearablesKeys: 1, openWearablesQuestions: 2 });
  const viewer = await keys.verify(known);
  const other = newOpenWearablesKey();
  users.keys.add(other);
  await keys.verify(other);
  users.requests.length = 0;
  users.keys.delete(known);
  expect(viewer && keys.made(viewer)).toBe(true);
  expect(viewer && (await keys.isRevoked(viewer))).toBe(true);
  expect(users.requests).toHaveLength(1);
});

test('the viewer of another key is none of its business', async () => {
  const { users, keys } = await openKeys();
  const viewer = { kind: 'service', keyId: 'k', name: 'n', scopes: new Set<never>(), expiresAt: null } as const;
  expect(keys.made(viewer)).toBe(false);
  expect(await keys.isRevoked(viewer)).toBe(false);
  expect(users.requests).toEqual([]);
});

test('the certificate of Open Wearables is checked, and NODE_EXTRA_CA_CERTS names a private authority', async () => {
  const [key, cert] = ['key', 'certificate'].map((part) =>
    readFileSync(join(samples, `self-signed-${part}.pem`), 'utf8'),
  );
  const users = await serveOpenWearablesUsers({ key: key ?? '', cert: cert ?? '' });
  onTestFinished(users.close);
  const known = newOpenWearablesKey();
  users.keys.add(known);
  const program = `
    import { createAskAboutKey } from ${JSON.stringify(join(import.meta.dirname, '../../src/auth/ask-open-wearables.ts'))};
    console.log(await createAskAboutKey(process.argv[1], 20_000)(process.argv[2]).catch(({ code }) => code));`;
  const ask = async (secret: string, env: Record<string, string> = {}) => {
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program, users.url, secret];
    const { stdout } = await run(process.execPath, args, { env: { ...process.env, ...env } });
    return stdout.trim();
  };
  expect(await ask(known)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  expect(users.requests).toEqual([]);
  const trusting = { NODE_EXTRA_CA_CERTS: join(samples, 'self-signed-certificate.pem') };
  expect(await ask(known, trusting)).toBe('true');
  expect(await ask(newOpenWearablesKey(), trusting)).toBe('false');
});
