import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@libsql/client';
import { type FaultyPostgres, startFaultyPostgres } from '../../support/faulty-postgres.ts';
import { hasRedis, startFaultyRedis } from '../../support/faulty-redis.ts';
import { fileOnSmallDisk } from '../../support/full-disks.ts';
import { hasSmallDisk } from '../../support/small-disk.ts';
import type { Secret } from './judge.ts';

/** A layer below the doors that fails for real, with something in its errors that nobody may see. */
export interface BrokenLayer {
  readonly name: string;
  /** Settings of the server before it fails. */
  readonly settings: Readonly<Record<string, string>>;
  readonly secrets: readonly Secret[];
  /** Makes it fail, once the server works. */
  fail(): Promise<void>;
  remove(): Promise<void>;
}

const password = 'planted-password-of-the-database';

/** One after the other, as each is a machine of its own. */
export const brokenLayers: readonly (readonly [name: string, open: () => Promise<BrokenLayer | undefined>])[] = [
  ['a Postgres that is gone', () => onPostgres('gone', (postgres) => postgres.stop('crash'))],
  [
    'a Postgres that lacks a table',
    () => onPostgres('lacking', (postgres) => dropOn(postgres, 'lacking', 'DROP TABLE sync_event, sync_run CASCADE')),
  ],
  [
    'a Postgres that refuses the password',
    () =>
      onPostgres('refusing', async (postgres) => {
        await postgres.query("ALTER ROLE planted PASSWORD 'another'");
        await postgres.query('ALTER ROLE planted NOLOGIN');
        await postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'planted'");
      }),
  ],
  ['a SQLite file that lacks a table', lackingFile],
  ['a full disk', fullDisk],
  ['a Redis that refuses the password', refusingRedis],
  ['keys of tokens that are garbage', garbageKeys],
  [
    'an Open Wearables that is not there',
    async () => away('OPEN_WEARABLES_URL', 'http://127.0.0.1:1/planted-path-of-the-platform'),
  ],
];

async function onPostgres(name: string, fail: (postgres: FaultyPostgres) => Promise<unknown>): Promise<BrokenLayer> {
  const postgres = await startFaultyPostgres();
  const url = new URL(await postgres.createDatabase(name));
  await postgres.query(`CREATE ROLE planted LOGIN PASSWORD '${password}'`);
  await postgres.query(`ALTER DATABASE ${name} OWNER TO planted`);
  Object.assign(url, { username: 'planted', password });
  return {
    name,
    settings: { DATABASE_URL: url.href },
    secrets: [{ name: 'the password of the database', text: password }],
    fail: async () => void (await fail(postgres)),
    remove: () => postgres.remove(),
  };
}

async function dropOn(postgres: FaultyPostgres, database: string, sql: string): Promise<void> {
  await postgres.query(sql, [], database);
}

/** The file is the one that the server makes for itself. */
async function lackingFile(): Promise<BrokenLayer> {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-planted-'));
  const path = join(folder, 'planted.db');
  return {
    name: 'lacking file',
    settings: { DATABASE_URL: `file:${path}` },
    secrets: [{ name: 'the path of the database', text: path }],
    async fail() {
      const client = createClient({ url: `file:${path}` });
      for (const table of ['sync_run', 'provider_connection'])
        await client.execute(`ALTER TABLE ${table} RENAME TO gone_${table}`);
      client.close();
    },
    remove: async () => rmSync(folder, { recursive: true }),
  };
}

async function fullDisk(): Promise<BrokenLayer | undefined> {
  if (!hasSmallDisk()) return undefined;
  const disk = await fileOnSmallDisk(16);
  return {
    name: 'full disk',
    settings: { DATABASE_URL: disk.url },
    secrets: [{ name: 'the path of the database', text: disk.url.replace('file:', '') }],
    fail: () => disk.fill(),
    remove: () => disk.drop(),
  };
}

async function refusingRedis(): Promise<BrokenLayer | undefined> {
  if (!hasRedis()) return undefined;
  const redis = await startFaultyRedis('--requirepass', 'right');
  const url = redis.url.replace('redis://', 'redis://:planted-password-of-redis@');
  return {
    name: 'refusing Redis',
    settings: { REDIS_URL: url, OPEN_WEARABLES_REDIS_URL: url },
    secrets: [{ name: 'the password of Redis', text: 'planted-password-of-redis' }],
    fail: async () => {},
    remove: () => redis.stop(),
  };
}

async function garbageKeys(): Promise<BrokenLayer> {
  const server = createServer((_, response) => {
    response.end('{"keys":[{"kty":"RSA","n":"planted-word-of-the-issuer","kid":"x"}],"planted-word-of-the-issuer":');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a TCP port
  const address = `http://127.0.0.1:${port}/planted-path-of-the-issuer`;
  return {
    ...(await away('JWT_JWKS_URL', address, { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'synclog' })),
    secrets: ['planted-path-of-the-issuer', 'planted-word-of-the-issuer'].map((text) => ({ name: text, text })),
    async remove() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function away(setting: string, url: string, others: Readonly<Record<string, string>> = {}): Promise<BrokenLayer> {
  return {
    name: setting,
    settings: { [setting]: url, ...others },
    secrets: [{ name: `what ${setting} says`, text: new URL(url).pathname }],
    fail: async () => {},
    remove: async () => {},
  };
}
