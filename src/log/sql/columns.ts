import { listOf, selectOf, toColumn } from '../../db/columns.ts';
import { Prisma } from '../../db/generated/sqlite/client.ts';

export const eventFields = Object.keys(Prisma.SyncEventScalarFieldEnum);
export const runFields = Object.keys(Prisma.SyncRunScalarFieldEnum);
export const connectionFields = Object.keys(Prisma.ProviderConnectionScalarFieldEnum);

/** The columns of an event `e`, a run `r` and a connection `c`, under the names of the fields. */
export const selectedEvent = selectOf('e', eventFields);
export const selectedRun = selectOf('r', runFields);
export const selectedConnection = selectOf('c', connectionFields);

/** What an upsert changes: everything. */
const replaced = (fields: readonly string[]) =>
  listOf(fields, (field) => `${toColumn(field)} = excluded.${toColumn(field)}`);
export const replacedRun = replaced(runFields);
export const replacedConnection = replaced(connectionFields);
