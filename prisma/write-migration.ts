import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Provider } from '../src/db/database.ts';
import { migrate, migrationsFolder } from '../src/db/migrations.ts';
import { AppError } from '../src/errors.ts';
import { schemaDifference } from './schema-difference.ts';

export interface NextMigration {
  /** Lower-case words with underscores between, such as `add_user_language`. */
  readonly name: string;
  /** When it is written: what migrations are sorted by. */
  readonly time: Date;
  /** Where the models and the migrations are. */
  readonly folder: string;
  /** An empty database of each provider, to apply the present migrations to. */
  readonly scratchUrls: Readonly<Record<Provider, string>>;
}

/**
 * Writes what leads from the present migrations to the models, for each provider where that is anything, and returns
 * the files. Nothing is written when one of them fails.
 * @throws AppError BAD_USER_INPUT when a migration with this name or a later one exists.
 */
export async function writeMigrations({ name, time, folder, scratchUrls }: NextMigration): Promise<string[]> {
  const directory = `${time.toISOString().slice(0, 19).replace(/\D/g, '')}_${name}`;
  const files = new Map<string, string>();
  // `Object.entries` types keys as `string`; these are providers, as nothing else is put into `scratchUrls`.
  for (const [provider, url] of Object.entries(scratchUrls) as [Provider, string][]) {
    const migrations = migrationsFolder(provider, folder);
    checkName(name, directory, migrations);
    await migrate(url, folder);
    const sql = await schemaDifference(url, folder);
    if (sql !== '') files.set(join(migrations, directory, 'migration.sql'), sql);
  }
  for (const [file, sql] of files) {
    mkdirSync(join(file, '..'));
    writeFileSync(file, sql);
  }
  return [...files.keys()];
}

function checkName(name: string, directory: string, migrations: string): void {
  for (const existing of readdirSync(migrations)) {
    if (existing.replace(/^\d+_/, '') === name)
      throw new AppError('BAD_USER_INPUT', `There is a migration ${existing} already`);
    if (/^\d+_/.test(existing) && existing > directory)
      throw new AppError('BAD_USER_INPUT', `${existing} is later than now, so the next migration would come before it`);
  }
}
