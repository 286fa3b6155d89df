import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { createOnServer } from '../../prisma/scratch-postgres.ts';
import type { Database, Provider } from '../../src/db/database.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { sqlitePath, sqliteUrl } from '../../src/db/sqlite-path.ts';

/** The database that this run of a test is about: each behaviour is tested on both. */
export const provider: Provider = process.env.TEST_PROVIDER === 'postgresql' ? 'postgresql' : 'sqlite';

/** A database that goes with `drop`. */
export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** An empty database of the run's provider. `drop` removes it, whoever is still connected. */
export async function createDatabase(): Promise<TestDatabase> {
  return provider === 'sqlite' ? createFile() : createOnServer(inject('postgresUrl'));
}

/** A database of the run's provider with the schema of this version: a copy of one that was migrated once for the run. */
export async function createMigrated(): Promise<TestDatabase> {
  const template = inject('migratedDatabase');
  if (provider === 'postgresql') return createOnServer(inject('postgresUrl'), template);
  const file = createFile();
  copyFileSync(template, sqlitePath(file.url));
  return file;
}

/** A place for a SQLite file, which does not exist yet. */
function createFile(): TestDatabase {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-'));
  return {
    url: sqliteUrl(join(folder, 'synclog.db')),
    drop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** URL of a SQLite file that does not exist yet, and goes with the test. */
export function newFileUrl(): string {
  const { url, drop } = createFile();
  onTestFinished(drop);
  return url;
}

/** A migrated database of the test's own. `statements` grows with the SQL that ran on it. */
export async function openNewDatabase(): Promise<{ url: string; database: Database; statements: string[] }> {
  const { url, drop } = await createMigrated();
  onTestFinished(drop);
  const statements: string[] = [];
  return { url, database: await openAgain(url, statements), statements };
}

/** Another connection to the same database, like that of a second process. */
export async function openAgain(url: string, statements: string[] = []): Promise<Database> {
  const database = await openDatabase(url, { observe: ({ sql }) => statements.push(sql) });
  onTestFinished(() => database.close());
  return database;
}
