import { Prisma } from '../db/generated/sqlite/client.ts';

/** Name of the column of a model's field. */
export const toColumn = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export const eventFields = Object.keys(Prisma.SyncEventScalarFieldEnum);
export const runFields = Object.keys(Prisma.SyncRunScalarFieldEnum);

/** Each name turned into SQL, with commas between. The names are the models' and hold nothing from outside. */
export const listOf = (names: readonly string[], each: (name: string) => string) =>
  Prisma.raw(names.map(each).join(', '));

/** The columns of an event `e` and of a run `r`, under the names of the fields. */
export const selectedEvent = listOf(eventFields, (field) => `e.${toColumn(field)} AS "${field}"`);
export const selectedRun = listOf(runFields, (field) => `r.${toColumn(field)} AS "${field}"`);

/** What an upsert of a run changes: everything. */
export const replacedRun = listOf(runFields, (field) => `${toColumn(field)} = excluded.${toColumn(field)}`);
