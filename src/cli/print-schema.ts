import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchema } from '../schema.ts';

const path = join(import.meta.dirname, '../../schema.graphql');
const printed = `${printSchema(lexicographicSortSchema(buildSchema()))}\n`;

if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== printed) {
    console.error('schema.graphql is not what the code says. Run: npm run schema');
    process.exitCode = 1;
  }
} else {
  writeFileSync(path, printed);
}
