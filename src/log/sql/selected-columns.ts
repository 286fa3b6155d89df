import { selectOf } from '../../db/columns.ts';
import { eventFields, runFields } from '../../db/rows.ts';

/** The columns of an event `e` and of a run `r`, under the names of the fields. */
export const selectedEvent = selectOf('e', eventFields);
export const selectedRun = selectOf('r', runFields);
