import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../lib/package-folder.ts';
import type { Provider } from './database.ts';

/** Where `schema.prisma` with the models is, and the migrations. */
export const prismaFolder = join(packageFolder, 'prisma');

/**
 * The Prisma schema for a provider. The models are written once, for SQLite; Postgres gets the same with types of its
 * own. Prisma wants a provider to be a literal and has no conditions, so the text is derived.
 */
export function schemaText(provider: Provider, folder = prismaFolder): string {
  const models = readFileSync(join(folder, 'schema.prisma'), 'utf8');
  return provider === 'sqlite' ? models : toPostgresql(models);
}

function toPostgresql(schema: string): string {
  return schema
    .replace(/generator pothos \{[^}]*\}\s*/, '')
    .replace('provider = "sqlite"', 'provider = "postgresql"')
    .replace(/output( *)= "[^"]*"/, 'output$1= "./postgresql"')
    .replace(/^( +(?:id|userId|primaryUserId|newestPrimaryUserId) +String\??)/gm, '$1 @db.Uuid')
    .replace(/^( +\w+ +DateTime\??)/gm, '$1 @db.Timestamptz(3)');
}
