import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { getOperationAST, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demoPeople } from '../../src/demo/people.ts';
import { defaultLimits } from '../../src/limits.ts';
import { buildSchema } from '../../src/schema.ts';
import { settingNames } from '../../src/settings/settings.ts';
import { asRun, codeBlocks, expectAsPrinted, isStream } from '../support/printed.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openWebSocketStream } from '../support/streams.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const ada = demoPeople[0]?.id ?? '';

const blocks = (language: string) => codeBlocks(readme, language);
const commands = blocks('sh');
const curls = commands.filter(({ code }) => code.startsWith('curl'));

/** Of the demo, who is exported and erased. */
const erased = demoPeople.at(-1)?.id ?? '';
/** What the page calls a key that is rotated. */
const printedKey = '7d1c9a52-0b3e-4f6d-8a17-5e2b9c4d6f01';
let keyId: string;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const { keys } = server.app.services;
  keyId = (await keys.create({ name: 'to be rotated', scopes: ['read'], expiresAt: null })).key.id;
  await server.user({ id: erased });
  await server.record({ userId: erased });
  await server.user({ id: ada, firstName: 'Ada' });
  await server.record({ userId: ada, message: 'first', source: 'SDK' }, { userId: ada, message: 'second' });
});
afterAll(() => server.close());

describe('the README', () => {
  test.each(curls)('its command works as printed: %#', async ({ code, answer }) => {
    const command = asRun(code, { 'http://127.0.0.1:4000': server.url });
    const { stdout } = await run('bash', ['-c', command], {
      env: { ...process.env, KEY: server.admin['x-api-key'] },
    }).catch((error: { code: number; stdout: string }) => {
      if (isStream(code) && error.code === 28) return error; // curl's own time-out: a stream does not end by itself
      throw error;
    });
    expectAsPrinted({ code, answer }, stdout);
  });

  test.each(blocks('graphql'))('its operation is valid and runs: %#', async ({ code }) => {
    const document = parse(code);
    expect(validate(buildSchema(), document)).toEqual([]);
    if (getOperationAST(document)?.operation !== 'subscription') {
      expect((await server.graphql(code.replace(printedKey, keyId))).errors).toEqual([]);
      return;
    }
    const stream = await openWebSocketStream(server.url, { query: code, headers: server.admin });
    // Some begin with what comes next, and nothing tells when they have begun: record until something has come.
    let arrived = false;
    const first = stream.next().finally(() => {
      arrived = true;
    });
    while (!arrived) await server.record({ userId: ada, source: 'SDK' });
    expect(await first).toMatchObject({ data: expect.anything() });
    await stream.close();
  });

  test.each(blocks('ts'))('its program has the types that `tsc --strict` wants: %#', async ({ code }) => {
    const file = join(root, `node_modules/.readme-types-${process.pid}.mts`);
    writeFileSync(file, code);
    try {
      const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
      const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '--ignoreConfig', ...options, '--skipLibCheck', file];
      const { stdout } = await run(process.execPath, tsc).catch((error: { stdout: string }) => error);
      expect(stdout).toBe('');
    } finally {
      rmSync(file);
    }
  });

  test('its first lines are one command each for a newcomer, of scripts that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const lines = commands.flatMap(({ code }) => code.trim().split('\n'));
    for (const [line, script] of [
      ['npm ci && npm run demo', 'demo'],
      ['npm ci && npm test', 'test'],
    ] as const) {
      expect(lines).toContain(line);
      expect(scripts).toHaveProperty(script);
    }
    for (const line of lines) {
      const [, named] = /^npm (?:run )?(?:--silent )?(start|test|[\w:-]+)/.exec(line.replace(/^npm ci && /, '')) ?? [];
      if (line.startsWith('npm') && named) expect(scripts, line).toHaveProperty([named]);
    }
  });

  test('its program follows a log with graphql-ws', async () => {
    const [program] = blocks('ts');
    const code = program?.code.replace('ws://127.0.0.1:4000', server.url.replace('http', 'ws')) ?? '';
    const file = join(root, 'node_modules/.readme-example.mts');
    writeFileSync(file, code);
    const child = execFile(process.execPath, ['--import', 'tsx', file], {
      env: { ...process.env, KEY: server.admin['x-api-key'] },
    });
    const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value as string | undefined;
    expect(await next()).toBe('1 oura FETCHING first');
    expect(await next()).toBe('2 oura FETCHING second');
    let last = await next(); // what other tests have recorded
    await server.restart();
    const [recorded] = await server.record({ userId: ada, message: 'after the restart' });
    while (last && !last.endsWith('after the restart')) {
      const cursor = Number(last.split(' ', 1)[0]);
      last = await next();
      expect(Number(last?.split(' ', 1)[0])).toBe(cursor + 1);
    }
    expect(last).toBe(`${recorded?.event.cursor} oura FETCHING after the restart`);
    child.kill();
  });

  test('its settings are those that the server knows', () => {
    const settings = readme.slice(readme.indexOf('## Settings'), readme.indexOf('## How the code'));
    const documented = [...settings.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name);
    expect(documented.sort()).toEqual([...settingNames, 'NODE_ENV'].sort());
  });

  test('its numbers are the limits', () => {
    expect(readme).toContain(`One to ${defaultLimits.eventsPerRecording} events`);
    expect(readme).toContain(`up to ${defaultLimits.fieldsOfOneItem} fields for each item`);
    expect(readme).toContain(
      `1 for ${defaultLimits.introspectedFieldsOfOneItem} fields of the answer; at most ${defaultLimits.introspectionItems} in`,
    );
    expect(readme).toContain(`| a list with a filter | ${defaultLimits.itemsOfFilter} more |`);
    expect(readme).toContain(`(\`search\`) | ${defaultLimits.itemsOfSearch} more |`);
    expect(readme).toContain(`at least every ${defaultLimits.checkpointMs / 1000} seconds`);
    expect(readme).toContain(
      `${defaultLimits.itemsOfOneCharge} items that an [operation costs](#what-an-operation-costs) count 1 more`,
    );
  });

  test('its rate limits are those of the server', () => {
    const rates = readme.slice(readme.indexOf('| account | at once |'));
    const told = [...rates.slice(0, rates.indexOf('\n\n')).matchAll(/\| ([\d,]+) \| ([\d,]+) \|$/gm)];
    const { serviceRate, userRate, anonymousRate, failedCredentialRate, recordingRate, webhookRate } = defaultLimits;
    expect(told.map((row) => row.slice(1).map((number) => Number(number.replaceAll(',', ''))))).toEqual(
      [serviceRate, userRate, anonymousRate, failedCredentialRate, recordingRate, webhookRate].map(
        ({ burst, perSecond }) => [burst, perSecond],
      ),
    );
  });
});
