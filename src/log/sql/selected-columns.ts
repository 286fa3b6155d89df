import { selectOf } from '../../db/columns.ts';
import { batchFields, eventFields, runFields } from '../../db/rows.ts';

/** The columns of an event `e`, of a run `r` and of a batch `b`, under the names of the fields. */
export const selectedEvent = selectOf('e', eventFields);
export const selectedRun = selectOf('r', runFields);
export const selectedBatch = selectOf('b', batchFields);
