import type { MigrationSession } from './migration-session.ts';
import { providerOf } from './open-database.ts';
import { openPostgresMigration } from './postgres-migration.ts';
import { openSqliteMigration } from './sqlite-migration.ts';

/** Opens a connection that migrates what a database URL names. @throws what the driver does */
export async function openMigrationSession(url: string): Promise<MigrationSession> {
  return providerOf(url) === 'sqlite' ? openSqliteMigration(url) : openPostgresMigration(url);
}
