import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type * as EngineModule from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { AppError } from '../errors.ts';
import { reasonOf } from '../lib/outages.ts';
import { createCatalogPool } from './catalog-pool.ts';
import type { Provider } from './database.ts';
import { isHeldUp } from './faults.ts';
import { nameOf, providerOf } from './open-database.ts';
import { sqliteAdapter } from './open-sqlite.ts';
import { prismaFolder, schemaText } from './schema-text.ts';

/** Node's global, of which its type declarations for version 20 know nothing. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { __wbindgen_start(): void } };
};

const nothingExternal = { externalTables: [], externalEnums: [] };

/** Any number that nothing else on the server locks: the letters of "sync". */
const MIGRATION_LOCK = 0x73796e63;

/** How long a Postgres may take to let us in. */
const CONNECT_TIMEOUT_MS = 5_000;
/** How long an instance waits for another one that migrates. */
const LOCK_TIMEOUT_MS = 120_000;

/** The folder of a provider's migrations. */
export function migrationsFolder(provider: Provider, folder = prismaFolder): string {
  return join(folder, 'migrations', provider);
}

/**
 * Applies the migrations that a database lacks and returns their names, oldest first. Of several instances that start
 * at once, one applies them and the others wait for it.
 * @param folder where the models and the migrations are.
 * @throws AppError UNAVAILABLE for a database that cannot be opened, with the reason.
 */
export async function migrate(url: string, folder = prismaFolder): Promise<string[]> {
  await checkAccess(url);
  return withMigrationLock(url, async () => {
    const engine = await openEngine(url, folder);
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
async function checkAccess(url: string): Promise<void> {
  try {
    if (providerOf(url) === 'sqlite') {
      const adapter = await sqliteAdapter(url).connect();
      await adapter.queryRaw({ sql: 'PRAGMA user_version', args: [], argTypes: [] });
      await adapter.dispose();
    } else {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
      await client.connect();
      await client.end();
    }
  } catch (error) {
    throw new AppError('UNAVAILABLE', `The database ${nameOf(url)} cannot be opened: ${reasonOf(error)}`);
  }
}

/** On Postgres, holds an advisory lock on a connection of its own; a crash frees it with the connection. */
async function withMigrationLock<T>(url: string, work: () => Promise<T>): Promise<T> {
  if (providerOf(url) === 'sqlite') return work();
  const client = new pg.Client({
    connectionString: url,
    application_name: 'synclog migrations',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
  });
  client.on('error', () => {}); // the lock is gone, and the migration meets the same end on its own connection
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]).catch((error: unknown) => {
      if (!isHeldUp(error)) throw error;
      const seconds = LOCK_TIMEOUT_MS / 1000;
      throw new AppError(
        'UNAVAILABLE',
        `Another instance has been migrating ${nameOf(url)} for ${seconds} s; try again`,
      );
    });
    return await work();
  } finally {
    await client.end();
  }
}

/**
 * The SQL that leads from a database to the models in `schema.prisma`; empty when they agree. Held against a database
 * that was just migrated it shows whether the migrations produce the schema. (The engine can also replay migrations
 * by itself, but through this driver it then runs only the first statement of each.)
 */
export async function schemaDifference(url: string, folder = prismaFolder): Promise<string> {
  const engine = await openEngine(url, folder);
  const files = [{ path: 'schema.prisma', content: schemaText(providerOf(url), folder) }];
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: folder },
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

function readMigrations(folder: string): EngineModule.MigrationList {
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

function adapterFor(url: string) {
  return providerOf(url) === 'sqlite'
    ? sqliteAdapter(url)
    : new PrismaPg(createCatalogPool(url), { disposeExternalPool: true });
}

async function openEngine(url: string, folder: string): Promise<EngineModule.SchemaEngine> {
  bindings ??= loadBindings();
  return (await bindings).SchemaEngine.new(
    { datamodels: [['schema.prisma', schemaText(providerOf(url), folder)]] },
    () => {},
    bindMigrationAwareSqlAdapterFactory(adapterFor(url)),
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
