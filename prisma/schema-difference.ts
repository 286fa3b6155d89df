import { providerOf } from '../src/db/open-database.ts';
import { prismaFolder, schemaText } from '../src/db/schema-text.ts';
import { nothingExternal, openSchemaEngine } from './schema-engine.ts';

/**
 * The SQL that leads from a database to the models in `schema.prisma`; empty when they agree. Held against a database
 * that was just migrated it shows whether the migrations produce the schema. (The engine can also replay migrations
 * by itself, but through this driver it then runs only the first statement of each.)
 */
export async function schemaDifference(url: string, folder = prismaFolder): Promise<string> {
  const engine = await openSchemaEngine(url, folder);
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
