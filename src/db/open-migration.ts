import type { MigrationSession } from './migration-session.ts';
import { providerOf } from './open-database.ts';

/** Opens a connection that migrates what a database URL names. @throws what the driver does */
export async function openMigrationSession(url: string): Promise<MigrationSession> {
  if (providerOf(url) === 'sqlite') {
    const { openSqliteMigration } = await import('./sqlite-migration.ts');
    return openSqliteMigration(url);
  }
  const { openPostgresMigration } = await import('./postgres-migration.ts');
  return openPostgresMigration(url);
}
