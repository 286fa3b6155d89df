import type { Database } from '../db/database.ts';
import type { SyncRunDataType } from '../db/rows.ts';
import type { Projection } from '../log/projection.ts';
import { type DataTypeKey, dataTypeRemoval, dataTypeUpsert, selectDataTypes } from './data-type-sql.ts';
import { foldDataType } from './fold-data-type.ts';
import { reportsOf } from './reports.ts';

/**
 * The types of data of runs, as their events tell of them. Late events count, too: a type is told of with the end of its part
 * of a run, and parts may end side by side.
 */
export function createDataTypeProjection({ kind }: Database): Projection<DataTypeKey, SyncRunDataType> {
  const select = selectDataTypes[kind];
  return {
    keysOf: (event) => reportsOf(event).map(({ dataType }) => [event.userId, event.runId, dataType]),
    async read(transaction, keys) {
      const rows = await transaction.$queryRaw<SyncRunDataType[]>(select(keys));
      return rows.map((row) => [[row.userId, row.runId, row.dataType], row]);
    },
    fold(row, event, _, [, , dataType]) {
      const report = reportsOf(event).find((each) => each.dataType === dataType);
      return report && foldDataType(row, event, report);
    },
    write: dataTypeUpsert[kind],
    removeOfRuns: dataTypeRemoval[kind],
  };
}
