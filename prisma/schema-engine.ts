import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type * as EngineModule from '@prisma/schema-engine-wasm';
import { providerOf } from '../src/db/open-database.ts';
import { sqliteAdapter } from '../src/db/open-sqlite.ts';
import { reachPostgres } from '../src/db/postgres-target.ts';
import { schemaText } from '../src/db/schema-text.ts';
import { sqlitePath } from '../src/db/sqlite-path.ts';
import { openCatalogPool } from './catalog-pool.ts';

/** Node's global, of which its type declarations for version 20 know nothing. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { __wbindgen_start(): void } };
};

/** Lets the engine look at all of a database: no table or enum in it belongs to another program. */
export const nothingExternal = { externalTables: [], externalEnums: [] };

/** Prisma Migrate's engine on a database and the models in `folder`. Whoever opens it calls `free`. */
export async function openSchemaEngine(url: string, folder: string): Promise<EngineModule.SchemaEngine> {
  bindings ??= loadBindings();
  return (await bindings).SchemaEngine.new(
    { datamodels: [['schema.prisma', schemaText(providerOf(url), folder)]] },
    () => {},
    bindMigrationAwareSqlAdapterFactory(await adapterFor(url)),
  );
}

/** One instance for the process: the module keeps views of its memory that a second instance would invalidate. */
let bindings: Promise<typeof EngineModule> | undefined;

/**
 * The engine as WebAssembly. Its published entry point needs a bundler to load the binary, so the module and the
 * binary are put together here; nothing is downloaded.
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

async function adapterFor(url: string) {
  if (providerOf(url) === 'sqlite') return sqliteAdapter(sqlitePath(url));
  const target = await reachPostgres(url);
  return new PrismaPg(openCatalogPool(target), { schema: target.schema, disposeExternalPool: true });
}
