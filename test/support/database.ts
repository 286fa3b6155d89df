import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import type { Provider } from '../../src/db/database.ts';

/** The database that this run of a test is about: each behaviour is tested on both. */
export const provider: Provider = process.env.TEST_PROVIDER === 'postgresql' ? 'postgresql' : 'sqlite';

/** An empty database of the run's provider. `drop` removes it, whoever is still connected. */
export async function createDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  return provider === 'sqlite' ? createFile() : createOnServer(inject('postgresUrl'));
}

function createFile() {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-'));
  return {
    url: `file:${join(folder, 'synclog.db')}`,
    drop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function createOnServer(serverUrl: string) {
  const name = `synclog_${randomUUID().replaceAll('-', '')}`;
  await runOnServer(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => runOnServer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`) };
}

async function runOnServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
