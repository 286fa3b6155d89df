import { execFile } from 'node:child_process';
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { startPostgres } from '../../prisma/scratch-postgres.ts';
import { examine } from '../../src/doctor/examine.ts';
import { type Finding, sizeText } from '../../src/doctor/finding.ts';
import { clockApart } from '../support/clock-apart.ts';
import { createDatabase, openAgain, openNewDatabase, provider } from '../support/database.ts';
import { hasRedis, startFaultyRedis } from '../support/faulty-redis.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';
import { hasProgram } from '../support/program.ts';
import { createSmallDisk, hasSmallDisk } from '../support/small-disk.ts';
import { unsetSettings } from '../support/unset-settings.ts';

const isPostgres = provider === 'postgresql';

/** What the doctor says of these settings, without what is fine. */
async function complaints(settings: Readonly<Record<string, string>>): Promise<Finding[]> {
  return (await findings(settings)).filter(({ state }) => state !== 'ok');
}

async function findings(settings: Readonly<Record<string, string>>): Promise<Finding[]> {
  const found: Finding[] = [];
  // A port that nobody listens on, whatever else this machine runs.
  for await (const finding of examine({ PORT: '1', ...settings })) found.push(finding);
  return found;
}

/** What the doctor prints as a process of its own, whose shell is told something first, such as how many files may be open. */
async function printed(
  settings: Readonly<Record<string, string>>,
  first = 'true',
  options = '--json',
): Promise<string> {
  const command = `${first} && exec "$0" --import tsx src/cli/synclog.ts doctor ${options}`;
  const { stdout } = await promisify(execFile)('bash', ['-c', command, process.execPath], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, ...unsetSettings, LOAD_SHEDDING: '', PORT: '1', ...settings },
  });
  return stdout;
}

async function told(settings: Readonly<Record<string, string>>, first?: string): Promise<Finding[]> {
  return (await printed(settings, first))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

async function newUrl(): Promise<string> {
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  return url;
}

async function onPostgres<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  return work(client).finally(() => client.end());
}

const problem = (says: RegExp) => expect.objectContaining({ state: 'problem', says: expect.stringMatching(says) });
const warning = (says: RegExp) => expect.objectContaining({ state: 'warning', says: expect.stringMatching(says) });

describe('the doctor', () => {
  test('finds every mistake in the settings, and looks no further', async () => {
    const found = await findings({ PORT: 'http', DATABASE_URL: 'mysql://x', REDIS_URI: 'redis://x' });
    expect(found.filter(({ state }) => state !== 'ok')).toEqual([
      problem(/^PORT must be/),
      problem(/^DATABASE_URL must be/),
      warning(/^REDIS_URI is no setting.+REDIS_URL\?$/),
    ]);
    expect(new Set(found.map(({ area }) => area))).toEqual(new Set(['settings', 'machine']));
  });

  test('finds documents of a list that are not run by this release', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'documents-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, 'list.json');
    const settings = { DATABASE_URL: await newUrl(), TRUSTED_DOCUMENTS: path };
    expect(await complaints(settings)).toContainEqual(problem(/list\.json cannot be taken: ENOENT/));
    writeFileSync(path, JSON.stringify({ good: '{ viewer { kind } }', old: '{ viewer { gone } }' }));
    expect(await complaints(settings)).toContainEqual(warning(/list\.json: old is not run: Cannot query field "gone"/));
    writeFileSync(
      path,
      JSON.stringify(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`q${n}`, `{ x${n} }`]))),
    );
    expect((await complaints(settings)).filter(({ says }) => says.includes('not run'))).toHaveLength(21);
  });

  test('tells of metrics that are open to strangers, and of none that are not', async () => {
    const DATABASE_URL = await newUrl();
    const opens = (settings: Readonly<Record<string, string>>) =>
      complaints({ DATABASE_URL, NODE_ENV: 'production', ...settings }).then((found) =>
        found.filter(({ says }) => says.includes('/metrics')),
      );
    const METRICS_ACCESS = 'open';
    for (const settings of [{ HOST: '0.0.0.0' }, { HOST: '8.8.8.8' }, { TRUSTED_PROXIES: '127.0.0.1' }])
      expect(await opens({ ...settings, METRICS_ACCESS })).toEqual([warning(/^METRICS_ACCESS is open, and strangers/)]);
    for (const settings of [{ METRICS_ACCESS }, { METRICS_ACCESS, HOST: '10.0.0.1' }, { HOST: '0.0.0.0' }])
      expect(await opens(settings)).toEqual([]);
  });

  test('tells of brakes that are off where others than a developer are served', async () => {
    const DATABASE_URL = await newUrl();
    const off = { DATABASE_URL, RATE_LIMITS: 'off', LOAD_SHEDDING: 'off' };
    const brakes = (settings: Readonly<Record<string, string>>) =>
      complaints(settings).then((found) => found.filter(({ says }) => / is off: /.test(says)));
    for (const settings of [{ NODE_ENV: 'production' }, { HOST: '0.0.0.0' }, { TRUSTED_PROXIES: '127.0.0.1' }]) {
      expect(await brakes({ ...off, ...settings })).toEqual([
        warning(/^RATE_LIMITS is off: one client/),
        warning(/^LOAD_SHEDDING is off: /),
      ]);
      expect(await brakes({ DATABASE_URL, ...settings, RATE_LIMITS: '10' })).toEqual([]);
    }
    expect(await brakes(off)).toEqual([]);
  });

  test('tells of fewer open files than MAX_STREAMS may need, and counts what it warns of at the end', async () => {
    const DATABASE_URL = await newUrl();
    const filesOf = async (files: number, MAX_STREAMS: string) =>
      (await told({ DATABASE_URL, MAX_STREAMS }, `ulimit -n ${files}`)).filter(({ says }) => says.includes('files'));
    expect(await filesOf(4_000, '3000')).toEqual([
      { area: 'machine', state: 'ok', says: '4000 files may be open at once' },
    ]);
    expect(await filesOf(3_999, '3000')).toEqual([warning(/^3999 files .+ may need 4000$/)]);
    expect(await filesOf(3_999, '')).toEqual([warning(/^3999 files .+ may need 11000$/)]);
    const settings = {
      DATABASE_URL,
      MAX_STREAMS: '10000',
      HOST: '0.0.0.0',
      RATE_LIMITS: 'off',
      LOAD_SHEDDING: 'off',
    };
    const text = await printed({ ...settings, NODE_ENV: 'production' }, 'ulimit -n 9999', '');
    expect(text).toMatch(isPostgres ? /working\. Warnings: 4\.\n$/ : /working\. Warnings: 3\.\n$/);
  });

  test('tells of less memory than MAX_STREAMS may need', async () => {
    const DATABASE_URL = await newUrl();
    const available = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
    const most = Math.floor((available - 160_000_000) / 50_000);
    const ofStreams = async (streams: number) =>
      (await complaints({ DATABASE_URL, MAX_STREAMS: `${streams}` })).filter(({ says }) => says.includes('memory'));
    expect(await ofStreams(most)).toEqual([]);
    expect(await ofStreams(most + 1)).toEqual([
      warning(/^the streams that MAX_STREAMS lets in may take [\d.]+ GB, and there are [\d.]+ GB of memory$/),
    ]);
  });

  test('finds a HOST that the server cannot listen on', async () => {
    const DATABASE_URL = await newUrl();
    const ofHost = async (HOST: string) =>
      (await findings({ DATABASE_URL, HOST })).filter(({ area }) => area === 'server');
    for (const host of ['foo.invalid', '192.0.2.1'])
      expect(await ofHost(host)).toEqual([problem(new RegExp(`^HOST is ${host}, where the server cannot listen: `))]);
    for (const host of ['localhost', '127.0.0.1', '0.0.0.0'])
      expect(await ofHost(host)).toEqual([expect.objectContaining({ state: 'ok' })]);
  });

  test('tells whom a list of documents shall bind where there is no list', async () => {
    const DATABASE_URL = await newUrl();
    const found = async (settings: object) =>
      (await complaints({ DATABASE_URL, ...settings })).filter(({ says }) => says.includes('TRUSTED_DOCUMENTS'));
    expect(await found({ TRUSTED_DOCUMENTS_FOR: 'users' })).toEqual([
      warning(/^TRUSTED_DOCUMENTS_FOR is set, and TRUSTED_DOCUMENTS is not: /),
    ]);
    expect(await found({ TRUSTED_DOCUMENTS_FOR: ' ' })).toEqual([]);
    const folder = await mkdtemp(join(tmpdir(), 'documents-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    writeFileSync(join(folder, 'who.graphql'), '{ viewer { kind } }');
    expect(await found({ TRUSTED_DOCUMENTS: folder, TRUSTED_DOCUMENTS_FOR: 'users' })).toEqual([]);
  });

  test('tells of a heap that may grow beyond the memory that there is', async () => {
    const memory = (await told({ DATABASE_URL: await newUrl(), NODE_OPTIONS: '--max-old-space-size=99999999' })).filter(
      ({ says }) => says.includes('memory'),
    );
    expect(memory).toEqual([warning(/^the heap may grow to [\d.]+ TB, and there are [\d.]+ GB of memory$/)]);
    const [, megabytes] = /--max-old-space-size=(\d+),/.exec(memory[0]?.advice ?? '') ?? [];
    const advised = await told({ DATABASE_URL: await newUrl(), NODE_OPTIONS: `--max-old-space-size=${megabytes}` });
    expect(advised.filter(({ says }) => says.includes('memory'))).toEqual([expect.objectContaining({ state: 'ok' })]);
  });

  test('says how large the database is', async () => {
    const { url } = await openNewDatabase();
    const size = isPostgres
      ? await onPostgres(url, async (client) => {
          const { rows } = await client.query('SELECT pg_database_size(current_database())::float8 AS bytes');
          return rows[0].bytes;
        })
      : statSync(url.slice('file:'.length)).size;
    const says = expect.stringContaining(isPostgres ? `ms, ${sizeText(size)}` : `has ${sizeText(size)}`);
    expect(await findings({ DATABASE_URL: url })).toContainEqual({ area: 'database', state: 'ok', says });
  });

  test('says what to do about everything that is not fine', async () => {
    for (const { advice } of await complaints({ DATABASE_URL: await newUrl(), HOST: '0.0.0.0', DATABASE_URI: 'x' }))
      expect(advice).toMatch(/\w/);
  });

  test('changes nothing: a database that is not there is not made, one that is older is not migrated', async () => {
    const url = await newUrl();
    for (let time = 0; time < 2; time += 1)
      expect(await complaints({ DATABASE_URL: url })).toEqual(isPostgres ? [warning(/^it lacks \d+ migrations/)] : []);
  });

  test('finds nothing wrong with a database of this release that has a key, and misses the key', async () => {
    const { url, database } = await openNewDatabase();
    expect(await complaints({ DATABASE_URL: url })).toEqual([warning(/^no API key is good/)]);
    const { ApiKeys } = await import('../../src/auth/api-keys.ts');
    const { defaultLimits } = await import('../../src/limits.ts');
    await new ApiKeys({ database, limits: defaultLimits }).create({ name: 'test', scopes: ['read'], expiresAt: null });
    expect(await complaints({ DATABASE_URL: url })).toEqual([]);
  });

  test('tells of keys that end soon, and of those that nobody has used for long, once their uses are written down', async () => {
    const { url, database } = await openNewDatabase();
    const { ApiKeys } = await import('../../src/auth/api-keys.ts');
    const { defaultLimits } = await import('../../src/limits.ts');
    const keys = new ApiKeys({ database, limits: defaultLimits });
    const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);
    const change = (id: string, data: object) =>
      database.transaction((transaction) => transaction.apiKey.update({ where: { id }, data }));
    const make = async (name: string, expiresAt: Date | null, data = {}) => {
      const { key } = await keys.create({ name, scopes: ['read'], expiresAt });
      await change(key.id, data);
    };
    await make('used', inDays(30), { createdAt: inDays(-200), lastUsedAt: inDays(-80) });
    await make('of an earlier release', null, { createdAt: inDays(-200), prefix: null });
    expect(await complaints({ DATABASE_URL: url })).toEqual([]);
    await make('ending', inDays(13));
    await make('unused', null, { createdAt: inDays(-91) });
    await make('forgotten', null, { createdAt: inDays(-200), lastUsedAt: inDays(-91) });
    expect(await complaints({ DATABASE_URL: url })).toEqual([
      warning(/^API keys that end within two weeks: ending \([-0-9a-f]+\)$/),
      warning(/^API keys that nobody has used for 90 days: forgotten \([-0-9a-f]+\), unused \([-0-9a-f]+\)$/),
    ]);
  });

  test('tells a database of another program', async () => {
    const url = await newUrl();
    const database = await openAgain(url);
    await database.transaction((transaction) => transaction.$executeRawUnsafe('CREATE TABLE invoice (id INTEGER)'));
    expect(await complaints({ DATABASE_URL: url })).toEqual([problem(/tables of another program \(invoice\)/)]);
  });

  test('tells a database that cannot be opened, without its password', async () => {
    const url = isPostgres ? 'postgresql://somebody:password@127.0.0.1:1/synclog' : await newUrl();
    if (!isPostgres) mkdirSync(url.slice('file:'.length));
    const found = await complaints({ DATABASE_URL: url });
    expect(found).toEqual([problem(/cannot be opened: /)]);
    expect(JSON.stringify(found)).not.toContain('somebody:password');
  });
});

describe.runIf(!isPostgres)('of a SQLite file, the doctor tells', () => {
  test.runIf(!isPostgres && hasSmallDisk())('that little room is left for it', async () => {
    const disk = createSmallDisk(8);
    onTestFinished(() => disk.remove());
    expect(await complaints({ DATABASE_URL: `file:${disk.folder}/synclog.db` })).toEqual([
      warning(/^8\.4 MB are free where .+synclog\.db is$/),
    ]);
  });

  test('that its log has grown, as with a reader who does not end', async () => {
    const { url, database } = await openNewDatabase();
    await database.close();
    const log = `${url.slice('file:'.length)}-wal`;
    for (const [bytes, isLong] of [
      [200_000_000, false],
      [200_000_001, true],
    ] as const) {
      writeFileSync(log, '', { mode: 0o600 });
      truncateSync(log, bytes); // takes no room on the disk, and holds nothing for SQLite
      const found = (await complaints({ DATABASE_URL: url })).filter(({ says }) => says.startsWith('the log'));
      expect(found).toEqual(isLong ? [warning(/-wal, has grown to 200 MB$/)] : []);
    }
  });
});

describe.runIf(isPostgres)('of a Postgres, the doctor tells', () => {
  test('that its clock is apart from that of this machine, and on which side', async () => {
    const { url } = await openNewDatabase();
    const clockOf = async (aheadMs: number) =>
      (await told({ DATABASE_URL: url, ...clockApart(aheadMs) })).find(({ says }) => says.startsWith('its clock'));
    expect(await clockOf(60_000)).toEqual(warning(/^its clock is (59\.\d|60\.\d) s behind this machine's$/));
    expect(await clockOf(-60_000)).toEqual(warning(/^its clock is (59\.\d|60\.\d) s ahead of this machine's$/));
    expect(await clockOf(0)).toMatchObject({ state: 'ok' });
  });

  test('that what is acknowledged may be lost', async () => {
    const server = await startPostgres(['fsync=off', 'full_page_writes=off']);
    onTestFinished(() => server.stop());
    expect(await complaints({ DATABASE_URL: server.url })).toContainEqual(problem(/^fsync and full_page_writes off/));
  });

  test('that it takes no writes', async () => {
    const url = await newUrl();
    const name = new URL(url).pathname.slice(1);
    await onPostgres(url, (client) => client.query(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`));
    expect(await complaints({ DATABASE_URL: url })).toContainEqual(problem(/default_transaction_read_only is on/));
  });

  test('that the role may make no tables', async () => {
    const url = await newUrl();
    const role = `doctor_${process.pid}`;
    await onPostgres(url, (client) => client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`));
    onTestFinished(() =>
      onPostgres(inject('postgresUrl'), (client) => client.query(`DROP ROLE ${role}`)).then(() => {}),
    );
    const theirs = Object.assign(new URL(url), { username: role, password: 'secret' }).href;
    expect(await complaints({ DATABASE_URL: theirs })).toContainEqual(problem(/may not create tables/));
  });

  test('that few connections are free', async () => {
    const server = await startPostgres(['max_connections=10']);
    onTestFinished(() => server.stop());
    expect(await complaints({ DATABASE_URL: server.url })).toContainEqual(warning(/of 10 connections are free/));
  });

  test.runIf(hasProgram('pgbouncer'))(
    'that a pooler keeps instances from waking one another, unless they have another way',
    async () => {
      const { url } = await openNewDatabase();
      const pooled = (await startPgBouncer(inject('postgresUrl'), 'transaction')).urlOf(url);
      expect(await complaints({ DATABASE_URL: pooled })).toContainEqual(problem(/pooler stands between/));
      const found = await findings({ DATABASE_URL: pooled, DATABASE_DIRECT_URL: url });
      expect(found).toContainEqual(
        expect.objectContaining({ state: 'ok', says: expect.stringMatching(/pooler stands/) }),
      );
      expect(found).not.toContainEqual(expect.objectContaining({ state: 'problem' }));
    },
  );
});

describe.runIf(!isPostgres && hasRedis())('of a Redis, the doctor tells', () => {
  test('whether it answers and allows what wake-ups do, without its password', async () => {
    const redis = await startFaultyRedis('--requirepass', 'secret-word');
    onTestFinished(() => redis.stop());
    const url = (user: string) => redis.url.replace('//', `//${user}@`);
    const of = async (REDIS_URL: string) => {
      const found = (await findings({ DATABASE_URL: await newUrl(), REDIS_URL })).filter(
        ({ area }) => area === 'redis',
      );
      expect(JSON.stringify(found)).not.toContain('word@');
      return found;
    };
    expect(await of(url(':secret-word'))).toEqual([expect.objectContaining({ state: 'ok' })]);
    expect(await of(url(':wrong-word'))).toEqual([problem(/^REDIS_URL: WRONGPASS/)]);
    const { Redis } = await import('ioredis');
    const admin = new Redis(url(':secret-word'));
    await admin.call('ACL', 'SETUSER', 'reader', 'on', '>reader-word', '+ping', '+select');
    admin.disconnect();
    expect(await of(url('reader:reader-word'))).toEqual([problem(/^REDIS_URL: NOPERM/)]);
  });
});
