import { replacedBy, selectOf } from '../../db/columns.ts';
import { eventFields, runFields } from '../../db/rows.ts';

/** The columns of an event `e` and of a run `r`, under the names of the fields. */
export const selectedEvent = selectOf('e', eventFields);
export const selectedRun = selectOf('r', runFields);

/** What the upsert of a run changes. */
export const replacedRun = replacedBy(runFields);
