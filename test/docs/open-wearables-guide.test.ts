import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../prisma/scratch-postgres.ts';
import { parseConfig } from '../../src/config.ts';
import { defaultLimits } from '../../src/limits.ts';
import { buildSchema } from '../../src/schema.ts';
import { type FaultyRedis, hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { claimsWith, signWithSecret } from '../support/identity-provider.ts';
import { createEmitter, type Emitter, layouts, sampleEvents, wireEvent } from '../support/open-wearables-emitter.ts';
import { serveOpenWearables } from '../support/open-wearables-rest.ts';
import { asRun, codeBlocks, expectAsPrinted } from '../support/printed.ts';
import { graphql, startProcess } from '../support/server-process.ts';
import { openShell, type Shell } from '../support/shell.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/open-wearables.md'), 'utf8');
const printed = (pattern: RegExp) => pattern.exec(page)?.[1] ?? '';
const { start } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts;

describe.runIf(hasRedis())('the guide for Open Wearables, from its start to its end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-guide-'));
  let redis: FaultyRedis;
  let emitter: Emitter;
  let openWearables: Awaited<ReturnType<typeof serveOpenWearables>>;
  let shell: Shell;
  let url: string;
  let addresses: Record<string, string>;

  beforeAll(async () => {
    const aclFile = join(folder, 'users.acl');
    writeFileSync(aclFile, '');
    redis = await startFaultyRedis('--aclfile', aclFile);
    emitter = createEmitter(redis.url);
    openWearables = await serveOpenWearables(emitter, printed(/^export OW_KEY=(\S+)/m));
    const events = sampleEvents();
    for (const event of events) await emitter.emit(event);
    // Open Wearables was brought up to date since.
    for (const user_id of new Set(events.map((event) => event.user_id)))
      await emitter.emit(wireEvent({ user_id, run_id: 'pull_of_0.9' }), { layout: '0.9' });
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    addresses = {
      '127.0.0.1:6379': new URL(redis.url).host,
      'http://127.0.0.1:8000': openWearables.url,
      'http://127.0.0.1:4000': url,
      '/tmp/': `${folder}/`,
      // Its own process, so that it can be ended: npm does no more than to run this.
      'npm start': `[ -z "$server" ] || { kill "$server"; wait "$server"; }\n${start} >/dev/null & server=$!`,
    };
    shell = openShell({
      PORT: String(port),
      DATABASE_URL: `file:${folder}/synclog.db`,
      LOG_LEVEL: 'warn',
      LOAD_SHEDDING: 'off', // the machine of a test may be busy with others
      TOKEN: await signWithSecret(printed(/^export JWT_SECRET=(\S+)/m), claimsWith()),
    });
  });
  afterAll(async () => {
    await shell.close();
    openWearables.close();
    emitter.close();
    await redis.stop();
    rmSync(folder, { recursive: true });
  });

  const asAdmin = async () => ({ url, headers: { 'x-api-key': await shell.run('echo "$KEY"') } });
  const state = async () => (await graphql(await asAdmin(), '{ sources { state } }')).sources[0]?.state;
  const listens = () =>
    expect.poll(() =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );

  test.each(codeBlocks(page, 'sh', 'graphql'))('$language: $code (%#)', async ({ language, code, answer }) => {
    if (language === 'graphql') {
      expect(validate(buildSchema(), parse(code))).toEqual([]);
      await graphql(await asAdmin(), code);
      return;
    }
    expectAsPrinted({ code, answer }, await shell.run(asRun(code, addresses)));
    if (code.includes('npm start')) await listens().toBe(true);
    if (code.includes('api-key -- create')) await expect.poll(state).toBe('LIVE');
  });
});

describe.runIf(hasRedis())('the user of Redis that the guide makes', () => {
  /** A Redis with these arguments, in which the guide has made its user; and what its commands say there. */
  async function redisWithUser(...settings: readonly string[]) {
    const redis = await startFaultyRedis(...settings);
    onTestFinished(() => redis.stop());
    const run = (redis: FaultyRedis, word: string) => {
      const code = codeBlocks(page, 'sh').find((block) => block.code.includes(word))?.code ?? '';
      return shell.run(asRun(code, { '127.0.0.1:6379': new URL(redis.url).host }));
    };
    const shell = openShell({ REDIS: redis.url });
    onTestFinished(() => shell.close());
    expect(await run(redis, 'ACL SETUSER')).toBe('OK');
    return { redis, shell, run };
  }
  const tried = 'NOPERM';
  const newFolder = () => {
    const folder = mkdtempSync(join(tmpdir(), 'synclog-acl-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return folder;
  };

  test('outlives a restart in an aclfile', async () => {
    const file = join(newFolder(), 'users.acl');
    writeFileSync(file, '');
    const { redis, run } = await redisWithUser('--aclfile', file);
    expect(await run(redis, 'ACL SAVE')).toBe('OK');
    await redis.stop();
    await redis.start();
    expect(await run(redis, '--scan --pattern')).toMatch(`0\n${tried}`);
  });

  test('outlives a restart in a configuration that Redis writes', async () => {
    const file = join(newFolder(), 'redis.conf');
    writeFileSync(file, '');
    const { redis, shell, run } = await redisWithUser(file);
    expect(await shell.run('redis-cli -u "$REDIS" CONFIG REWRITE')).toBe('OK');
    await redis.stop();
    await redis.start();
    expect(await run(redis, '--scan --pattern')).toMatch(`0\n${tried}`);
  });

  test('is the line that Redis prints, in redis.conf and as arguments, and is gone without it', async () => {
    const { redis, run } = await redisWithUser();
    const line = await run(redis, 'ACL LIST');
    expect(line).toMatch(/^user synclog on .*#[0-9a-f]{64} /);
    const file = join(newFolder(), 'redis.conf');
    writeFileSync(file, line);
    for (const settings of [[file], `--${line}`.split(' ')]) {
      const other = await startFaultyRedis(...settings);
      onTestFinished(() => other.stop());
      expect(await run(other, '--scan --pattern')).toMatch(`0\n${tried}`);
    }
    await redis.stop();
    await redis.start();
    expect(await run(redis, '--scan --pattern')).not.toContain(tried);
  });
});

describe.runIf(hasRedis())('the deletion of a user by the guide', () => {
  test.each([...layouts.map((layout) => ({ written: [layout] })), { written: layouts }, { written: [] }])(
    'leaves no key of the user, and all of others: $written',
    async ({ written }) => {
      const redis = await startFaultyRedis();
      onTestFinished(() => redis.stop());
      const emitter = createEmitter(redis.url);
      onTestFinished(() => emitter.close());
      const [deleted, other] = [randomUUID(), randomUUID()];
      for (const layout of written)
        for (const [at, { run_id }] of sampleEvents(layout).entries()) {
          await emitter.emit(wireEvent({ user_id: deleted, run_id }), { layout });
          await emitter.emit(wireEvent({ user_id: other, run_id: `${layout} ${at}` }), { layout });
        }
      const keys = async () => (await emitter.redis.keys('*')).sort();
      const ofOther = (await keys()).filter((key) => key.includes(other) || /run:0\.\S+ /.test(key));
      const shell = openShell({ REDIS: redis.url, USER_ID: deleted });
      onTestFinished(() => shell.close());
      const code = codeBlocks(page, 'sh').find((block) => block.code.includes('runs_by_time'))?.code ?? '';
      await shell.run(code);
      expect(await keys()).toEqual(ofOther);
    },
  );
});

describe.runIf(hasRedis())('a Redis with a certificate of a private authority', () => {
  const [key, certificate] = ['key', 'certificate'].map((part) =>
    join(root, `test/support/samples/self-signed-${part}.pem`),
  ) as [string, string];

  test('is read where NODE_EXTRA_CA_CERTS names that, and refused where it does not', async () => {
    const port = String(await freePort());
    const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate];
    const redis = await startFaultyRedis('--tls-port', port, '--tls-auth-clients', 'no', ...files);
    onTestFinished(() => redis.stop());
    const server = await startProcess({ OPEN_WEARABLES_REDIS_URL: `rediss://localhost:${port}` });
    onTestFinished(() => server.remove());
    const source = async () => (await graphql(server, '{ sources { state lastError } }')).sources[0];
    await expect.poll(source).toEqual({ state: 'DISCONNECTED', lastError: expect.stringContaining('self-signed') });
    await server.end('SIGTERM');
    await server.start({ NODE_EXTRA_CA_CERTS: certificate });
    await expect.poll(source).toMatchObject({ state: 'LIVE' });
  });
});

describe('the guide for Open Wearables', () => {
  test('has settings that the server takes', () => {
    const settings = [...page.matchAll(/^export ((?:OPEN_WEARABLES|JWT)_\w+)=(\S+)/gm)];
    expect(settings.length).toBe(4);
    parseConfig(Object.fromEntries(settings.map(([, name, value]) => [name, value])));
  });

  test('sends a proxy the routes that there are, and no others', () => {
    const pattern = new RegExp(printed(/matches `(.*)`,/));
    const routes = [...page.matchAll(/^\| `GET (\S+)` \|/gm)].map(([, path = '']) => path);
    expect(routes.length).toBe(6);
    for (const route of routes) expect(route.replace(/\{\w+\}/, 'u')).toMatch(pattern);
    for (const other of ['/api/v1/users/u', '/api/v1/users/u/sync', '/api/v1/providers/p/users/u/sync', '/api/v1/sync'])
      expect(other).not.toMatch(pattern);
  });

  test('explains every state of a source, and every reason to ignore an entry or to put it into quarantine', () => {
    for (const name of ['SourceState', 'IgnoredReason', 'QuarantineReason']) {
      const words = buildSchema().getType(name)?.toConfig() as { values: object }; // they are enums
      for (const word of Object.keys(words.values)) expect(page).toContain(`\n| \`${word}\` |`);
    }
  });

  test('has the numbers of the limits', () => {
    const { bridgeCheckMs, bridgeRetryMs, bridgeAnswerMs, sourceLeaseMs, quarantinedPayloads } = defaultLimits;
    const {
      openWearablesKeyMs,
      openWearablesRefusalMs,
      openWearablesAnswerMs,
      openWearablesQuestions,
      credentialPollMs,
    } = defaultLimits;
    expect(page).toContain(`or none within ${openWearablesAnswerMs / 1000} seconds`);
    expect(page).toContain(
      `once in ${openWearablesKeyMs / 1000} seconds, about a refused one once in ${openWearablesRefusalMs / 1000}`,
    );
    expect(page).toContain(`${openWearablesQuestions} questions a second`);
    expect(page).toContain(
      `refused after ${openWearablesKeyMs / 1000} seconds, and its streams end within ${(openWearablesKeyMs + credentialPollMs + openWearablesAnswerMs) / 1000}`,
    );
    expect(bridgeCheckMs).toBe(180_000);
    expect(page).toContain(`tried again at the latest after ${bridgeRetryMs / 1000} seconds`);
    expect(page).toContain(`Redis has not answered for ${bridgeAnswerMs} ms`);
    expect(page).toContain(`in about ${sourceLeaseMs / 1000} seconds`);
    expect(page).toContain(`when ${quarantinedPayloads.toLocaleString('en')} newer ones`);
  });
});
