import { joinSql, rawSql, type Sql, sql } from './sql.ts';

/** Name of the column of a model's field. */
export const toColumn = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Each name turned into SQL, with commas between. The names are the models' and hold nothing from outside. */
const listOf = (names: readonly string[], each: (name: string) => string) => rawSql(names.map(each).join(', '));

/** A table's columns under the names of the fields, as Prisma itself would return them. */
export const selectOf = (table: string, fields: readonly string[]) =>
  listOf(fields, (field) => `${table}.${toColumn(field)} AS "${field}"`);

/**
 * An expression of text in lower case, as far as it is A to Z, on every database: one whose language is Turkish makes another
 * letter of `I`.
 */
export const inLowerCase = (text: string) => `lower(replace(${text}, 'I', 'i'))`;

/** Can a text be in a database? Postgres takes no NUL, and half a surrogate pair would become another text. */
export const isStorable = (text: string) => !text.includes('\0') && text.isWellFormed();

/** The beginning of a text, at most `length` code units, as any database takes it. */
export const toStorable = (text: string, length: number) =>
  text.slice(0, length).replaceAll('\0', '\uFFFD').toWellFormed();

/** The condition that a column holds one of some values. Nothing holds a value that cannot be stored. */
export function isOneOf(column: Sql, values: readonly string[]): Sql {
  const storable = [...new Set(values)].filter(isStorable);
  return storable.length > 0 ? sql`${column} IN (${joinSql(storable)})` : sql`false`;
}
