import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A step of the schema, as it stands in its file. */
export interface Migration {
  /** Its folder, such as `20261123000000_init`: migrations are sorted by it. */
  readonly name: string;
  readonly sql: string;
}

/** The migrations in a folder, oldest first. */
export function readMigrations(folder: string): Migration[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, sql: readFileSync(join(folder, name, 'migration.sql'), 'utf8') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Are indexes all that it adds? Then a release that does not know it works as before on a database that has it. */
export function onlyAddsIndexes({ sql }: Migration): boolean {
  return statementsOf(sql).every((statement) => /^CREATE INDEX\b/.test(withoutComments(statement)));
}

/** The tables that migrations have made at some time. */
export function tablesOf(migrations: readonly Migration[]): ReadonlySet<string> {
  const made = migrations.flatMap(({ sql }) => [...sql.matchAll(/^CREATE TABLE "(\w+)"/gm)]);
  return new Set(made.map(([, table = '']) => table));
}

/** The statements of a script in which no text and no comment holds a semicolon; none of ours does. */
export const statementsOf = (script: string): string[] =>
  script
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => withoutComments(statement) !== '');

export const withoutComments = (statement: string): string => statement.replaceAll(/^\s*--.*$/gm, '').trim();
