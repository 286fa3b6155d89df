import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createOnServer, freePort } from '../../prisma/scratch-postgres.ts';
import { openLog } from '../support/log-reader.ts';
import { asRun, codeBlocks } from '../support/printed.ts';
import { hasProgram } from '../support/program.ts';
import { anEvent } from '../support/server.ts';
import { graphql, newUser, type ServerProcess, startProcess } from '../support/server-process.ts';
import { streamTransports } from '../support/streams.ts';
import { unsetSettings } from '../support/unset-settings.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/operations.md'), 'utf8');
const blocks = codeBlocks(page, 'sh').map(({ code }) => code);
/** What this file has run. */
const tried = new Set<string>();

/** A folder that goes with the test, with `synclog` as a command in it. */
function newPlace(): string {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-operations-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'bin'));
  const command = join(folder, 'bin/synclog');
  writeFileSync(command, `#!/bin/sh\ncd '${root}' && exec '${process.execPath}' bin/synclog.mjs "$@"\n`);
  chmodSync(command, 0o755);
  return folder;
}

/** So that each command of a block has to succeed; a shell into which an operator pastes it is not like that. */
const STRICT = ['-euo', 'pipefail'];

/** Runs the block of the page that has these words. */
async function run(
  words: string,
  folder: string,
  variables: Readonly<Record<string, string>>,
  { url = '', shell = STRICT } = {},
): Promise<string> {
  const block = blocks.filter((code) => code.includes(words));
  expect(block, words).toHaveLength(1);
  tried.add(block[0] ?? '');
  const addresses = { '/var/backups/': `${folder}/`, '/var/lib/synclog/': `${folder}/`, 'http://127.0.0.1:4000': url };
  const { stdout } = await promisify(execFile)('bash', [...shell, '-c', asRun(block[0] ?? '', addresses)], {
    env: {
      ...unsetSettings,
      ...variables,
      PATH: [join(folder, 'bin'), variables.PATH ?? process.env.PATH].join(delimiter),
    },
  });
  return stdout;
}

/** Yesterday's backup, as it were. @returns where it is */
function laidBy(folder: string, ending: 'db' | 'dump'): string {
  const names = readdirSync(folder).filter((name) => /^synclog-\d/.test(name));
  expect(names).toEqual([expect.stringMatching(new RegExp(`^synclog-[\\d-]{10}\\.${ending}$`))]);
  const backup = join(folder, `synclog-2020-01-31.${ending}`);
  renameSync(join(folder, names[0] ?? ''), backup);
  return backup;
}

async function record(server: ServerProcess, userId: string, count: number): Promise<number[]> {
  const { recordSyncEvents } = await graphql(
    server,
    'mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { event { sequence } } } }',
    { events: Array.from({ length: count }, () => ({ ...anEvent, userId })) },
  );
  return recordSyncEvents.results.map(({ event }: { event: { sequence: number } }) => event.sequence);
}

/** The first thing that a client hears who comes back with this cursor. */
async function comeBack(server: ServerProcess, userId: string, after: string) {
  const reader = await openLog(streamTransports.sse, server, { userId, after });
  const { events, reset } = await reader.step();
  await reader.close();
  return { sequences: events.map(({ sequence }) => sequence), reset: reset?.reason };
}

/** What the page says of cursors after a restore, for a log that had 3 events when it was backed up, and 5 when it was lost. */
async function expectLogToGoOn(server: ServerProcess, userId: string): Promise<void> {
  expect(await comeBack(server, userId, '5')).toEqual({ sequences: [], reset: 'CURSOR_AHEAD' });
  expect(await comeBack(server, userId, '1')).toEqual({ sequences: [2, 3], reset: undefined });
  expect(await record(server, userId, 3)).toEqual([4, 5, 6]);
  expect(await comeBack(server, userId, '3')).toEqual({ sequences: [4, 5, 6], reset: undefined });
  expect(await comeBack(server, userId, '5')).toEqual({ sequences: [6], reset: undefined }); // as the page says, untold
}

/** What is undone by a restore: erasures, a revocation, a rotation. */
interface Undone {
  readonly erased: string;
  /** Erased, and made anew under the same id. */
  readonly madeAnew: string;
  /** Erased and made anew before the backup: nothing of this one is to be undone. */
  readonly madeAnewBefore: string;
  readonly revoked: { readonly id: string; readonly secret: string };
  readonly rotated: { readonly id: string; readonly secret: string };
}

/** Makes what will be undone: before the backup. */
async function prepareUndone(server: ServerProcess): Promise<Undone> {
  const make = async () => {
    const { createApiKey } = await graphql(
      server,
      'mutation { createApiKey(input: { name: "given up", scopes: [READ] }) { apiKey { id } secret } }',
    );
    return { id: createApiKey.apiKey.id, secret: createApiKey.secret };
  };
  const [erased, madeAnew, madeAnewBefore] = [await newUser(server), await newUser(server), await newUser(server)];
  for (const userId of [erased, madeAnew, madeAnewBefore]) await record(server, userId, 1);
  await makeAnew(server, madeAnewBefore);
  return { erased, madeAnew, madeAnewBefore, revoked: await make(), rotated: await make() };
}

/** Erases the user, and has another one under the same id, who has an event. */
async function makeAnew(server: ServerProcess, id: string): Promise<void> {
  await graphql(server, 'mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }', { id });
  await graphql(server, 'mutation ($id: UUID!) { upsertUser(input: { id: $id }) { id } }', { id });
  await record(server, id, 1);
}

/** After the backup. */
async function undo(server: ServerProcess, { erased, madeAnew, revoked, rotated }: Undone): Promise<void> {
  await makeAnew(server, madeAnew);
  await graphql(
    server,
    `mutation ($user: UUID!, $revoked: ID!, $rotated: ID!) {
      deleteUser(id: $user) { deletedUserId }
      revokeApiKey(id: $revoked) { id }
      rotateApiKey(input: { id: $rotated, overlapSeconds: 0 }) { secret }
    }`,
    { user: erased, revoked: revoked.id, rotated: rotated.id },
  );
}

/** Who is there again after the restore: which of the three users, and which of the two secrets is good. */
async function whoIsBack(server: ServerProcess, { erased, madeAnew, madeAnewBefore, revoked, rotated }: Undone) {
  const isThere = async (id: string) =>
    (await graphql(server, 'query ($id: UUID!) { user(id: $id) { id } }', { id })).user !== null;
  const status = async (secret: string) =>
    (await fetch(`${server.url}/api/v1/sync/runs`, { headers: { 'x-api-key': secret } })).status;
  return {
    users: [await isThere(erased), await isThere(madeAnew), await isThere(madeAnewBefore)],
    keys: [await status(revoked.secret), await status(rotated.secret)],
  };
}

const back = { users: [true, true, true], keys: [200, 200] };
const goneAgain = { users: [false, false, true], keys: [401, 401] };

/** The day of the backup, as an operator writes it. */
const SINCE = new Date().toISOString().slice(0, 10);

/** A Postgres of Debian, as that of npm's registry comes without `pg_dump`. @returns its URL, and the folder of its commands */
async function startDebianPostgres(): Promise<{ url: string; commands: string }> {
  const releases = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(a) - Number(b));
  const commands = `/usr/lib/postgresql/${releases.at(-1)}/bin`;
  const folder = mkdtempSync(join(tmpdir(), 'synclog-debian-'));
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  if (nobody.uid) chownSync(folder, nobody.uid, nobody.gid);
  const data = join(folder, 'data');
  const options = ['--username=synclog', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  execFileSync(join(commands, 'initdb'), ['-D', data, ...options], { ...nobody, cwd: folder, stdio: 'ignore' });
  const port = String(await freePort());
  const server = spawn(
    join(commands, 'postgres'),
    ['-D', data, '-p', port, '-k', folder, '-c', 'listen_addresses=127.0.0.1'],
    { ...nobody, cwd: folder, stdio: 'ignore' },
  );
  onTestFinished(async () => {
    server.kill('SIGINT');
    await once(server, 'exit');
    rmSync(folder, { recursive: true });
  });
  const isReady = () =>
    promisify(execFile)(join(commands, 'pg_isready'), ['-h', '127.0.0.1', '-p', port]).then(
      () => true,
      () => false,
    );
  await expect.poll(isReady).toBe(true);
  return { url: `postgresql://synclog@127.0.0.1:${port}/postgres`, commands };
}

describe('the page for operators', () => {
  test('installs, looks, backs up a SQLite file, loses it and restores it, and its logs go on', async () => {
    const folder = newPlace();
    const environment = { DATABASE_URL: `file:${folder}/synclog.db` };
    const made = await run('synclog migrate', folder, environment);
    const [backend = '', KEY = ''] = [...made.matchAll(/^sk-\S+$/gm)].map(([secret]) => secret);
    const server = await startProcess(environment);
    onTestFinished(() => server.remove());
    expect(await run('/healthz', folder, { ...environment, KEY }, { url: server.url })).toContain(
      'synclog_open_streams',
    );
    const userId = await newUser({ url: server.url, headers: { 'x-api-key': backend } });
    await record(server, userId, 3);
    const undone = await prepareUndone(server);
    await run('synclog backup', folder, environment);
    await record(server, userId, 2);
    await undo(server, undone);
    await server.end('SIGTERM');
    const LOST = join(folder, 'lost.db');
    copyFileSync(join(folder, 'synclog.db'), LOST);
    writeFileSync(join(folder, 'synclog.db'), 'lost');
    if (process.getuid?.() === 0) chownSync(folder, 65_534, 65_534);
    const BACKUP = laidBy(folder, 'db');
    writeFileSync(join(folder, 'empty'), '');
    const before = readdirSync(folder);
    for (const wrong of [{}, { BACKUP: join(folder, 'none.db') }, { BACKUP: join(folder, 'empty') }])
      await expect(run('cp "$BACKUP"', folder, { ...environment, ...wrong }, { shell: [] })).rejects.toThrow();
    expect(readdirSync(folder)).toEqual(before);

    await run('cp "$BACKUP"', folder, { ...environment, BACKUP });
    const aside = readdirSync(folder).find((name) => name.startsWith('replaced-')) ?? '';
    expect(readFileSync(join(folder, aside, 'synclog.db'), 'utf8')).toBe('lost');
    expect(statSync(join(folder, 'synclog.db'))).toMatchObject({ uid: statSync(folder).uid, mode: 0o100600 });
    expect(statSync(BACKUP).size).toBeGreaterThan(0);
    await server.start();
    await expectLogToGoOn(server, userId);
    if (!hasProgram('sqlite3')) return;
    expect(await whoIsBack(server, undone)).toEqual(back);
    await run('sqlite3', folder, { LOST, BACKUP, SINCE });
    await run('< /var/backups/since.txt', folder, environment, { url: server.url });
    expect(await whoIsBack(server, undone)).toEqual(goneAgain);
  }, 240_000); // processes start, one after the other

  test.runIf(hasProgram('pg_dump', 'postgresql'))(
    'backs up a Postgres, loses it and restores it, its logs go on, and their sizes can be read',
    async () => {
      const folder = newPlace();
      const { url, commands } = await startDebianPostgres();
      const PATH = [commands, process.env.PATH].join(delimiter);
      const lost = await createOnServer(url);
      const server = await startProcess({ DATABASE_URL: lost.url });
      onTestFinished(() => server.remove());
      const userId = await newUser(server);
      await record(server, userId, 3);
      const undone = await prepareUndone(server);
      await run('pg_dump', folder, { PATH, DATABASE_URL: lost.url });
      await record(server, userId, 2);
      await undo(server, undone);
      await server.end('SIGTERM');
      const DATABASE_URL = (await createOnServer(url)).url;
      const BACKUP = laidBy(folder, 'dump');
      const none = { PATH, DATABASE_URL, BACKUP: join(folder, 'none.dump') };
      await expect(run('pg_restore', folder, none, { shell: [] })).rejects.toThrow();
      await run('pg_restore', folder, { PATH, DATABASE_URL, BACKUP });
      await server.start({ DATABASE_URL });
      await expectLogToGoOn(server, userId);
      expect(await whoIsBack(server, undone)).toEqual(back);
      await run('psql "$LOST"', folder, { PATH, LOST: lost.url, DATABASE_URL, SINCE });
      await lost.drop();
      await run('< /var/backups/since.txt', folder, { PATH, DATABASE_URL }, { url: server.url });
      expect(await whoIsBack(server, undone)).toEqual(goneAgain);
      expect(await run('bytes_per_event', folder, { PATH, DATABASE_URL })).toMatch(/bytes_per_event\s+-+\+-+\s+7 \|/);
    },
    240_000,
  );

  test('has no block that nobody runs', () => {
    const isMissing = (code: string) =>
      (!hasProgram('pg_dump', 'postgresql') && /\b(pg_\w+|psql) /.test(code)) ||
      (!hasProgram('sqlite3') && /\bsqlite3 /.test(code));
    const all = blocks.filter((code) => !isMissing(code));
    expect([...tried].sort()).toEqual([...all].sort());
  });

  test('says for each alert what to do', () => {
    const rules = readFileSync(join(root, 'deploy/prometheus/alerts.yaml'), 'utf8');
    const alerts = [...rules.matchAll(/^\s*- alert: (\w+)$/gm)].map(([, name]) => name);
    expect(alerts.length).toBeGreaterThan(10);
    expect([...page.matchAll(/^### (Synclog\w+)$/gm)].map(([, name]) => name).sort()).toEqual(alerts.sort());
  });

  test('names files that there are', () => {
    for (const [, path = ''] of page.matchAll(/`(deploy\/[\w./-]+)`/g)) readFileSync(join(root, path));
  });
});
