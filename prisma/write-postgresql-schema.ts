import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { schemaText } from '../src/db/schema-text.ts';

// Run before `prisma generate`, which takes its schemas from files.
const folder = join(import.meta.dirname, '../src/db/generated');
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'postgresql.prisma'), schemaText('postgresql'));
