import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type * as EngineModule from '@prisma/schema-engine-wasm';
import { AppError } from '../errors.ts';
import { sqliteAdapter } from './database.ts';

/** Node's global, of which its type declarations for version 20 know nothing. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { __wbindgen_start(): void } };
};

const prismaFolder = join(import.meta.dirname, '../../prisma');
const migrationsFolder = join(prismaFolder, 'migrations/sqlite');
const schemaFiles = [{ path: 'schema.prisma', content: readSchema }] as const;
const nothingExternal = { externalTables: [], externalEnums: [] };

function readSchema(): string {
  return readFileSync(join(prismaFolder, 'schema.prisma'), 'utf8');
}

/**
 * Applies the migrations that a database lacks and returns their names, oldest first.
 * @throws AppError UNAVAILABLE for a database that cannot be opened, with the reason.
 */
export async function migrate(url: string): Promise<string[]> {
  await checkAccess(url);
  const engine = await openEngine(url);
  try {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: readMigrations(),
      filters: nothingExternal,
    });
    return appliedMigrationNames;
  } finally {
    engine.free();
  }
}

/** Opens the database once without the engine, which has no words for what is wrong with it. */
async function checkAccess(url: string): Promise<void> {
  try {
    const adapter = await sqliteAdapter(url).connect();
    await adapter.queryRaw({ sql: 'PRAGMA user_version', args: [], argTypes: [] });
    await adapter.dispose();
  } catch (error) {
    throw new AppError('UNAVAILABLE', `The database ${url} cannot be opened: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error as { cause?: { originalMessage?: string } }; // what a driver adapter reports
  return cause?.originalMessage ?? error.message;
}

/**
 * The SQL that leads from a database to the models in `schema.prisma`; empty when they agree. Held against a database
 * that was just migrated it shows whether the migrations produce the schema. (The engine can also replay migrations
 * by itself, but through this driver it then runs only the first statement of each.)
 */
export async function schemaDifference(url: string): Promise<string> {
  const engine = await openEngine(url);
  const files = schemaFiles.map(({ path, content }) => ({ path, content: content() }));
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: prismaFolder },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: nothingExternal,
    });
    const sql = stdout ?? '';
    return sql.includes('This is an empty migration') ? '' : sql;
  } finally {
    engine.free();
  }
}

function readMigrations(): EngineModule.MigrationList {
  const lockfilePath = join(migrationsFolder, 'migration_lock.toml');
  const names = readdirSync(migrationsFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return {
    baseDir: migrationsFolder,
    lockfile: { path: 'migration_lock.toml', content: readFileSync(lockfilePath, 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(migrationsFolder, name, 'migration.sql'), 'utf8') },
      },
    })),
  };
}

async function openEngine(url: string): Promise<EngineModule.SchemaEngine> {
  bindings ??= loadBindings();
  return (await bindings).SchemaEngine.new(
    { datamodels: schemaFiles.map(({ path, content }) => [path, content()]) },
    () => {},
    bindMigrationAwareSqlAdapterFactory(sqliteAdapter(url)),
  );
}

/** One for the process: the module keeps views of its memory that a second instance would invalidate. */
let bindings: Promise<typeof EngineModule> | undefined;

/**
 * Prisma Migrate's own engine, as WebAssembly. Its published entry point needs a bundler to load the binary, so the
 * two halves are put together here; nothing is downloaded.
 */
async function loadBindings(): Promise<typeof EngineModule> {
  const require = createRequire(import.meta.url);
  const module = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const folder = dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
  const binary = new WebAssembly.Module(readFileSync(join(folder, 'schema_engine_bg.wasm')));
  const { exports } = new WebAssembly.Instance(binary, { './schema_engine_bg.js': module });
  module.__wbg_set_wasm(exports);
  exports.__wbindgen_start();
  return module;
}
