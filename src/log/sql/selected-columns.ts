import { listOf, selectOf, toColumn } from '../../db/columns.ts';
import { connectionFields, eventFields, runFields } from '../../db/rows.ts';

/** The columns of an event `e`, a run `r` and a connection `c`, under the names of the fields. */
export const selectedEvent = selectOf('e', eventFields);
export const selectedRun = selectOf('r', runFields);
export const selectedConnection = selectOf('c', connectionFields);

/** What an upsert changes: everything. */
const replaced = (fields: readonly string[]) =>
  listOf(fields, (field) => `${toColumn(field)} = excluded.${toColumn(field)}`);
export const replacedRun = replaced(runFields);
export const replacedConnection = replaced(connectionFields);
