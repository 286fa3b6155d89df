import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { createDatabase } from './database.ts';

/** URL of a database file that does not exist yet, in a folder that goes with the test. */
export function newDatabaseUrl(): string {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-auth-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return `file:${join(folder, 'test.db')}`;
}

/** A migrated database of the test's own. `statements` grows with the SQL that ran on it. */
export async function openNewDatabase(): Promise<{ url: string; database: Database; statements: string[] }> {
  const { url, drop } = await createDatabase();
  onTestFinished(drop);
  await migrate(url);
  const statements: string[] = [];
  return { url, database: await openAgain(url, statements), statements };
}

/** Another connection to the same database, like that of a second process. */
export async function openAgain(url: string, statements: string[] = []): Promise<Database> {
  const database = await openDatabase(url, { observe: ({ sql }) => statements.push(sql) });
  onTestFinished(() => database.close());
  return database;
}
