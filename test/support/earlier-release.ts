import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/db/database.ts';
import { readMigrations } from '../../src/db/migration.ts';
import { migrate, migrationsFolder } from '../../src/db/migrations.ts';
import { prismaFolder } from '../../src/db/schema-text.ts';
import { provider } from './database.ts';

/** Migrates as a release does that has no other migrations. */
export async function migrateUpTo(url: string, has: (name: string) => boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-earlier-'));
  cpSync(prismaFolder, folder, { recursive: true });
  for (const { name } of readMigrations(migrationsFolder(provider)).filter((each) => !has(each.name)))
    rmSync(join(migrationsFolder(provider, folder), name), { recursive: true });
  await migrate(url, folder);
  rmSync(folder, { recursive: true });
}

/** What the rules that runs go on by have added to a run, as the migration leaves it in the rows of an earlier release. */
const unknown = {
  ...{ newest_started_at: 'NULL', newest_at: 'NULL', scope: 'NULL', window_start: 'NULL', window_end: 'NULL' },
  ...{ opened_at: 'NULL', trace_id: 'NULL', milestone_at: 'NULL', milestone_status: 'NULL', milestone_error: 'NULL' },
  ...{ last_ended_at: 'NULL', attempts: '0', failed_attempts: '0', reopened: 'false', batch_count: '0' },
  ...{ failed_batch_count: '0', items_inserted: '0', items_updated: '0', items_late: '0', folded_sequence: '0' },
};

/** Leaves all runs as an earlier release has left them, which ended them with their first end. */
export async function unfoldRuns(database: Database): Promise<void> {
  const columns = Object.entries(unknown).map(([column, value]) => `${column} = ${value}`);
  for (const statement of [
    'DELETE FROM sync_run_batch',
    `UPDATE sync_run SET ${columns.join(', ')}, stage = 'failed', status = 'failed', finished = true, message = 'frozen'`,
  ])
    await database.transaction((transaction) => transaction.$executeRawUnsafe(statement));
}
