import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../src/db/migrations.ts';
import { sqliteUrl } from '../../src/db/sqlite-path.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** What databases of tests are copies of: the path of a SQLite file, or the name of a database of Postgres. */
    migratedDatabase: string;
  }
}

/** Migrates the file that all databases of the run begin as: the same for each would take most of a test's time. */
export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-migrated-'));
  const file = join(folder, 'synclog.db');
  await migrate(sqliteUrl(file));
  project.provide('migratedDatabase', file);
  return () => rmSync(folder, { recursive: true, force: true });
}
