import { chmodSync, chownSync, copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ScratchPostgres, startPostgres } from '../../prisma/scratch-postgres.ts';
import { openDatabase } from '../../src/db/open-database.ts';

/** A certificate for `localhost` that is signed by itself, as servers have it that nobody has given another. */
const certificate = join(import.meta.dirname, '../support/samples/self-signed-certificate.pem');
const key = join(import.meta.dirname, '../support/samples/self-signed-key.pem');

let postgres: ScratchPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** The URL of the server under a name of its own, with parameters. */
function urlOf(query: string, hostname = 'localhost'): string {
  return `${Object.assign(new URL(postgres.url), { hostname }).href}?${query}`;
}

async function onServer(...statements: string[]): Promise<pg.QueryResult | undefined> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  let result: pg.QueryResult | undefined;
  for (const statement of statements) result = await client.query(statement);
  await client.end();
  return result;
}

/** Whether what the server opens is encrypted. */
async function isEncrypted(url: string): Promise<unknown> {
  const database = await openDatabase(url);
  const ask = ['SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'];
  try {
    const [row] = await database.reader.$queryRaw<{ ssl: boolean }[]>(Object.assign(ask, { raw: ask }));
    return row?.ssl;
  } finally {
    await database.close();
  }
}

describe('a Postgres that does not encrypt', () => {
  test.each(['', 'sslmode=disable', 'sslmode=allow', 'sslmode=prefer', 'ssl=false'])(
    'is opened with %j',
    async (query) => {
      expect(await isEncrypted(urlOf(query))).toBe(false);
    },
  );

  test.each(['require', 'verify-full'])('is refused with sslmode=%s, in one line', async (mode) => {
    await expect(openDatabase(urlOf(`sslmode=${mode}`))).rejects.toThrow(
      /^The database postgresql:\/\/localhost:\d+\/postgres cannot be opened: The server does not support SSL connections$/,
    );
  });

  test('is opened over its Unix socket, whatever encryption is asked for', async () => {
    const sockets: string = (await onServer('SHOW unix_socket_directories'))?.rows[0].unix_socket_directories.split(
      ',',
    )[0];
    const { port } = new URL(postgres.url);
    expect(await isEncrypted(`postgresql://synclog:synclog@/postgres?host=${sockets}&port=${port}`)).toBe(false);
    const encoded = encodeURIComponent(sockets);
    expect(await isEncrypted(`postgres://synclog:synclog@${encoded}:${port}/postgres?sslmode=require`)).toBe(false);
  });
});

describe('a Postgres with a certificate that is signed by itself', () => {
  beforeAll(async () => {
    const { uid, gid } = statSync(postgres.dataFolder);
    for (const [from, name] of [
      [certificate, 'server.crt'],
      [key, 'server.key'],
    ] as const) {
      const file = join(postgres.dataFolder, name);
      copyFileSync(from, file);
      chmodSync(file, 0o600);
      chownSync(file, uid, gid);
    }
    await onServer('ALTER SYSTEM SET ssl = on', 'SELECT pg_reload_conf()');
    while ((await onServer('SHOW ssl'))?.rows[0].ssl !== 'on');
  });

  const root = `sslrootcert=${certificate}`;
  test.each([
    ['sslmode=require', 'localhost', true],
    ['sslmode=prefer', 'localhost', true],
    ['ssl=true', '127.0.0.1', true],
    ['sslmode=disable', 'localhost', false],
    ['sslmode=allow', 'localhost', false],
    [`sslmode=require&${root}`, '127.0.0.1', true],
    [`sslmode=verify-ca&${root}`, '127.0.0.1', true],
    [`sslmode=verify-full&${root}`, 'localhost', true],
    [root, 'localhost', true],
  ])('is opened with %s on %s without a word of warning; encrypted: %s', async (query, host, encrypted) => {
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    process.on('warning', warned);
    onTestFinished(() => void process.off('warning', warned));
    expect(await isEncrypted(urlOf(query, host))).toBe(encrypted);
    expect(warnings).toEqual([]);
  });

  test.each([
    ['sslmode=verify-full', 'localhost', 'self-signed certificate'],
    ['sslmode=verify-full&sslrootcert=system', 'localhost', 'self-signed certificate'],
    [`sslmode=verify-full&${root}`, '127.0.0.1', 'does not match certificate'],
    ['sslmode=require&sslrootcert=/nowhere.pem', 'localhost', 'no such file'],
  ])('is refused with %s on %s, in one line', async (query, host, reason) => {
    const refused = await openDatabase(urlOf(query, host)).catch((error: unknown) => String(error));
    expect(refused).toContain(reason);
    expect(refused).not.toContain('\n');
  });

  test('is refused where it speaks no version of TLS that ssl_min_protocol_version allows', async () => {
    const setting = 'ssl_max_protocol_version';
    await onServer(`ALTER SYSTEM SET ${setting} = 'TLSv1.2'`, 'SELECT pg_reload_conf()');
    while ((await onServer(`SHOW ${setting}`))?.rows[0][setting] !== 'TLSv1.2');
    expect(await isEncrypted(urlOf('sslmode=require&ssl_min_protocol_version=TLSv1.2'))).toBe(true);
    const refused = openDatabase(urlOf('sslmode=require&ssl_min_protocol_version=TLSv1.3'));
    await expect(refused).rejects.toThrow(/^[^\n]+ cannot be opened: [^\n]*protocol version[^\n]*$/);
  });
});
