import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { type ApiKey, ApiKeys } from '../../src/auth/api-keys.ts';
import { runApiKeyCommand } from '../../src/cli/api-key-command.ts';
import { defaultLimits } from '../../src/limits.ts';
import { createDatabase, newFileUrl, openAgain } from '../support/database.ts';
import { lostOutput } from '../support/lost-output.ts';

/** The command on a database, in this process. */
function commandFor(url: string, settings: Record<string, string> = {}) {
  return async (...args: string[]) => {
    const written = { stdout: '', stderr: '' };
    const status = await runApiKeyCommand({
      args,
      environment: { DATABASE_URL: url, ...settings },
      output: {
        log: (line) => (written.stdout += `${line}\n`),
        error: (line) => (written.stderr += `${line}\n`),
      },
    });
    return { ...written, status };
  };
}

/**
 * The command as a process of its own, as `npm run api-key` starts it.
 * @param script of a shell that starts it
 */
function processFor(url: string, script = 'exec "$0" "$@"') {
  return async (...args: string[]) => {
    const command = [process.execPath, '--import', 'tsx', 'src/cli/synclog.ts', 'api-key', ...args];
    const child = spawn('bash', ['-c', script, ...command], {
      env: { PATH: process.env.PATH, DATABASE_URL: url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { stdout, stderr, status };
  };
}

/** URL of an empty database that goes with the test. */
async function newDatabaseUrl(): Promise<string> {
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  return url;
}

async function keysAt(url: string) {
  return new ApiKeys({ database: await openAgain(url), limits: defaultLimits });
}

test.each([
  ['', commandFor],
  [', as a process of its own', processFor],
])(
  'create makes a good key in a new database and prints the secret alone on the last line%s',
  async (_, commandFor) => {
    const url = await newDatabaseUrl();
    const { stdout, stderr, status } = await commandFor(url)(
      'create',
      '--name',
      'Sync worker',
      '--scopes',
      'read,write',
    );
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    const lines = stdout.split('\n');
    expect(lines.pop()).toBe('');
    const secret = lines.pop() ?? '';
    expect(secret).toMatch(/^sk-[0-9a-f]{64}$/);
    expect(lines.join('\n')).not.toContain('sk-');
    expect(await (await keysAt(url)).verify(secret)).toMatchObject({
      name: 'Sync worker',
      scopes: new Set(['read', 'write']),
      expiresAt: null,
    });
  },
);

test.each([
  ['a reader that has ended', lostOutput.unread, 'EPIPE'],
  ['a full disk', lostOutput.full, 'ENOSPC'],
])('create revokes a key whose secret is lost to %s, says so, and fails', async (_, script, reason) => {
  const url = await newDatabaseUrl();
  await commandFor(url)('list');
  const { stderr, status } = await processFor(url, script)('create', '--name', 'n', '--scopes', 'read');
  const [key, ...others] = await (await keysAt(url)).list();
  expect(others).toEqual([]);
  expect(key).toMatchObject({ name: 'n', revokedAt: expect.any(Date) });
  expect(stderr).toMatch(/^api-key: .+\n$/);
  expect(stderr).toContain(`The secret was not written, and API key ${key?.id} (n) is revoked. `);
  expect(stderr).toContain(reason);
  expect(status).toBe(1);
});

test('list ends as other programs do where its output is lost', async () => {
  const url = await newDatabaseUrl();
  await commandFor(url)('list');
  expect(await processFor(url, lostOutput.unread)('list')).toMatchObject({ stderr: '', status: 141 });
  expect(await processFor(url, lostOutput.full)('list')).toMatchObject({
    stderr: expect.stringMatching(/^api-key: The output cannot be written: ENOSPC.+\n$/),
    status: 1,
  });
});

test('create takes an expiry, as a time or as a date', async () => {
  const url = await newDatabaseUrl();
  const command = commandFor(url);
  const create = (time: string) => command('create', '--name', 'n', '--scopes', 'admin', '--expires-at', time);
  expect(await create('2099-01-31')).toMatchObject({ status: 0 });
  expect(await create('2099-01-31T12:00:00+02:00')).toMatchObject({ status: 0 });
  expect((await (await keysAt(url)).list()).map(({ expiresAt }) => expiresAt?.toISOString())).toEqual([
    '2099-01-31T00:00:00.000Z',
    '2099-01-31T10:00:00.000Z',
  ]);
});

test('list shows every key with its state, and no secret', async () => {
  const url = await newDatabaseUrl();
  const command = commandFor(url);
  await command('list');
  const keys = await keysAt(url);
  const good = await keys.create({ name: 'good one', scopes: ['read', 'admin'], expiresAt: null });
  const dead = await keys.create({ name: 'dead one', scopes: ['write'], expiresAt: new Date('2099-01-01') });
  const { revokedAt } = await keys.revoke(dead.key.id);
  const rotated = await keys.rotate({ id: good.key.id, overlapSeconds: 60 });

  const { stdout, stderr, status } = await command('list');
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  const [head, first, second] = stdout.split('\n').map((line) => line.split(/ {2,}/));
  expect(head).toEqual(['ID', 'NAME', 'PREFIX', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED', 'STATE']);
  const made = (key: ApiKey) => key.createdAt.toISOString();
  expect(first).toEqual([
    ...[good.key.id, 'good one', rotated.secret.slice(0, 11), 'read,admin', made(good.key), 'never', '-'],
    `good, as is its previous secret until ${rotated.key.previousEndsAt?.toISOString()}`,
  ]);
  expect(second).toEqual([
    ...[dead.key.id, 'dead one', dead.secret.slice(0, 11), 'write', made(dead.key), '2099-01-01T00:00:00.000Z', '-'],
    `revoked ${revokedAt?.toISOString()}`,
  ]);
  for (const { secret } of [good, rotated, dead]) expect(stdout).not.toContain(secret.slice(11));
});

test('rotate prints a new secret alone on the last line, and the one before is good for a day or as long as is asked', async () => {
  const url = await newDatabaseUrl();
  const command = commandFor(url);
  await command('list');
  const keys = await keysAt(url);
  const { key, secret } = await keys.create({ name: 'n', scopes: ['read'], expiresAt: null });
  const first = await command('rotate', key.id);
  expect(first).toMatchObject({ status: 0, stderr: '' });
  const renewed = first.stdout.split('\n').at(-2) ?? '';
  expect(renewed).toMatch(/^sk-[0-9a-f]{64}$/);
  expect(await keys.verify(renewed)).toMatchObject({ keyId: key.id });
  expect(await keys.verify(secret)).not.toBeNull();
  const [rotated] = await keys.list();
  expect(Number(rotated?.previousEndsAt) / 1_000).toBeCloseTo(Date.now() / 1_000 + 86_400, -2);
  expect(first.stdout).toContain(`The secret before ends at ${rotated?.previousEndsAt?.toISOString()}.`);

  expect(await command('rotate', key.id, '--overlap-seconds', '0', '--expires-at', '2099-01-31')).toMatchObject({
    status: 0,
    stderr: '',
  });
  expect(await keys.verify(renewed)).toBeNull();
  expect((await keys.list())[0]?.expiresAt).toEqual(new Date('2099-01-31'));
});

test('each act of the command leaves a line in the audit log, as somebody with a shell', async () => {
  const url = await newDatabaseUrl();
  const command = commandFor(url);
  await command('create', '--name', 'n', '--scopes', 'read');
  const database = await openAgain(url);
  const [key] = await new ApiKeys({ database, limits: defaultLimits }).list();
  const target = key?.id ?? '';
  for (const act of ['rotate', 'revoke']) await command(act, target);
  const lines = await database.reader.auditEntry.findMany({ orderBy: { at: 'asc' } });
  expect(lines).toMatchObject(
    ['api_key_created', 'api_key_rotated', 'api_key_revoked'].map((act) => ({
      ...{ act, target, byKind: 'command_line', byId: null, byName: null },
    })),
  );
});

test('rotate says what to do where the new secret is lost', async () => {
  const url = await newDatabaseUrl();
  await commandFor(url)('list');
  const { key } = await (await keysAt(url)).create({ name: 'n', scopes: ['read'], expiresAt: null });
  const { stderr, status } = await processFor(url, lostOutput.full)('rotate', key.id);
  expect(stderr).toMatch(/^api-key: The new secret of API key .+ was not written.+rotate the key again\. .+\n$/);
  expect(status).toBe(1);
});

test('revoke ends a key, and may be repeated', async () => {
  const url = await newDatabaseUrl();
  const command = commandFor(url);
  await command('list');
  const keys = await keysAt(url);
  const { key, secret } = await keys.create({ name: 'n', scopes: ['read'], expiresAt: null });
  expect(await command('revoke', key.id)).toMatchObject({ status: 0, stderr: '' });
  expect(await keys.verify(secret)).toBeNull();
  expect(await command('revoke', key.id)).toMatchObject({ status: 0, stderr: '' });
});

test.each([
  ['', commandFor],
  [', as a process of its own', processFor],
])('revoking an unknown key fails with status 1%s', async (_, commandFor) => {
  const { stdout, stderr, status } = await commandFor(await newDatabaseUrl())('revoke', 'nobody');
  expect({ stdout, stderr, status }).toEqual({
    stdout: '',
    stderr: 'api-key: There is no API key with this id\n',
    status: 1,
  });
});

test('--help explains every command and touches no database', async () => {
  const url = newFileUrl();
  const { stdout, stderr, status } = await commandFor(url)('--help');
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  for (const word of [
    'create',
    'list',
    'rotate',
    'revoke',
    '--name',
    '--expires-at',
    '--overlap-seconds',
    'DATABASE_URL',
  ])
    expect(stdout).toContain(word);
  expect(existsSync(url.slice('file:'.length))).toBe(false);
});

const create = ['create', '--name', 'n', '--scopes', 'read'];
test.each([
  ['no command', [], 'command is missing'],
  ['an unknown command', ['rename'], 'no command rename'],
  ['an unknown option', ['list', '--all'], "Unknown option '--all'"],
  ['an option of another command', ['list', '--name', 'n'], '--name belongs to create'],
  ['create without a name', ['create', '--scopes', 'read'], 'needs --name'],
  ['create without scopes', ['create', '--name', 'n'], 'needs --scopes'],
  ['create with an empty name', ['create', '--name', '', '--scopes', 'read'], ': --name must have'],
  ['create with too long a name', ['create', '--name', 'n'.repeat(101), '--scopes', 'read'], ': --name must have'],
  ['create with an unknown scope', ['create', '--name', 'n', '--scopes', 'read,root'], '"root"'],
  ['create with an empty scope', ['create', '--name', 'n', '--scopes', ''], '""'],
  ['create with a stray word', [...create, 'please'], 'not please'],
  ['create with an expiry that is no ISO time', [...create, '--expires-at', 'tomorrow'], '--expires-at'],
  ['create with an expiry without a time zone', [...create, '--expires-at', '2099-01-01T00:00:00'], '--expires-at'],
  [
    'create with an expiry that has passed',
    [...create, '--expires-at', '2001-01-01'],
    ': --expires-at must be in the future',
  ],
  ['create with its scopes in two options', [...create, '--scopes', 'write'], '--scopes is there twice'],
  ['create with two names', [...create, '--name=m'], '--name is there twice'],
  ['list with a stray word', ['list', 'all'], 'takes no all'],
  ['list with an overlap', ['list', '--overlap-seconds', '0'], '--overlap-seconds belongs to rotate'],
  ['revoke with an expiry', ['revoke', 'a', '--expires-at', '2099-01-01'], 'belongs to create and rotate'],
  ['rotate without an id', ['rotate'], 'ID of one key'],
  ['rotate with an overlap that is no number', ['rotate', 'a', '--overlap-seconds', '1h'], 'whole number'],
  [
    'rotate with too long an overlap',
    ['rotate', randomUUID(), '--overlap-seconds', '604801'],
    ': --overlap-seconds must be a whole number, 0 to 604800',
  ],
  [
    'rotate with an end that has passed',
    ['rotate', randomUUID(), '--expires-at', '2001-01-01'],
    ': --expires-at must be',
  ],
  ['revoke without an id', ['revoke'], 'ID of one key'],
  ['revoke with two ids', ['revoke', 'a', 'b'], 'ID of one key'],
])('%s is told in one line with status 2', async (_, args, words) => {
  const { stdout, stderr, status } = await commandFor(newFileUrl())(...args);
  expect(stderr).toContain(words);
  expect(stderr).toMatch(/^api-key: .+\n$/);
  expect({ stdout, status }).toEqual({ stdout: '', status: 2 });
});

test('bad settings are told in one line with status 2', async () => {
  const { stderr, status } = await commandFor('mysql://localhost/x', { PORT: 'x' })('list');
  expect(stderr).toMatch(/^api-key: bad settings: PORT .+; DATABASE_URL .+\n$/);
  expect(status).toBe(2);
});
