import { listOf, selectOf, toColumn } from '../db/columns.ts';
import { Prisma } from '../db/generated/sqlite/client.ts';

export const eventFields = Object.keys(Prisma.SyncEventScalarFieldEnum);
export const runFields = Object.keys(Prisma.SyncRunScalarFieldEnum);

/** The columns of an event `e` and of a run `r`, under the names of the fields. */
export const selectedEvent = selectOf('e', eventFields);
export const selectedRun = selectOf('r', runFields);

/** What an upsert of a run changes: everything. */
export const replacedRun = listOf(runFields, (field) => `${toColumn(field)} = excluded.${toColumn(field)}`);
