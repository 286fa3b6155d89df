import { Prisma } from './generated/sqlite/client.ts';

/** Name of the column of a model's field. */
export const toColumn = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Each name turned into SQL, with commas between. The names are the models' and hold nothing from outside. */
export const listOf = (names: readonly string[], each: (name: string) => string) =>
  Prisma.raw(names.map(each).join(', '));

/** A table's columns under the names of the fields, as Prisma itself would return them. */
export const selectOf = (table: string, fields: readonly string[]) =>
  listOf(fields, (field) => `${table}.${toColumn(field)} AS "${field}"`);

/** The condition that a column holds one of some values; an empty list has none. */
export const isOneOf = (column: Prisma.Sql, values: readonly string[]) =>
  values.length > 0 ? Prisma.sql`${column} IN (${Prisma.join([...values])})` : Prisma.sql`false`;
