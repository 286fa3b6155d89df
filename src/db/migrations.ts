import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MigrationList } from '@prisma/schema-engine-wasm';
import { AppError } from '../errors.ts';
import { reasonOf } from '../lib/outages.ts';
import type { Provider } from './database.ts';
import { withMigrationLock } from './migration-lock.ts';
import { nameOf, providerOf } from './open-database.ts';
import { sqliteAdapter } from './open-sqlite.ts';
import { nothingExternal, openSchemaEngine } from './schema-engine.ts';
import { prismaFolder } from './schema-text.ts';

/** The folder of a provider's migrations. */
export function migrationsFolder(provider: Provider, folder = prismaFolder): string {
  return join(folder, 'migrations', provider);
}

interface MigrateOptions {
  /** Told every five seconds for how long another instance has been waited for, in seconds. */
  readonly onWait?: (seconds: number) => void;
}

/**
 * Applies the migrations that a database lacks and returns their names, oldest first. Of several instances that start
 * at once, one applies them and the others wait for it.
 * @param folder where the models and the migrations are.
 * @throws AppError UNAVAILABLE for a database that cannot be opened, with the reason.
 */
export async function migrate(url: string, folder = prismaFolder, { onWait }: MigrateOptions = {}): Promise<string[]> {
  if (providerOf(url) === 'sqlite') await checkFile(url);
  return withMigrationLock(url, onWait, async () => {
    const engine = await openSchemaEngine(url, folder);
    try {
      const { appliedMigrationNames } = await engine.applyMigrations({
        migrationsList: readMigrations(migrationsFolder(providerOf(url), folder)),
        filters: nothingExternal,
      });
      return appliedMigrationNames;
    } finally {
      engine.free();
    }
  });
}

/** Opens the database once without the engine, which has no words for what is wrong with it. */
async function checkFile(url: string): Promise<void> {
  try {
    const adapter = await sqliteAdapter(url).connect();
    await adapter.queryRaw({ sql: 'PRAGMA user_version', args: [], argTypes: [] });
    await adapter.dispose();
  } catch (error) {
    throw new AppError('UNAVAILABLE', `The database ${nameOf(url)} cannot be opened: ${reasonOf(error)}`);
  }
}

function readMigrations(folder: string): MigrationList {
  const read = (...path: string[]) => readFileSync(join(folder, ...path), 'utf8');
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return {
    baseDir: folder,
    lockfile: { path: 'migration_lock.toml', content: read('migration_lock.toml') },
    shadowDbInitScript: '',
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: read(name, 'migration.sql') } },
    })),
  };
}
