import type { Database } from '../db/database.ts';
import type { ProviderDataType, SyncRunDataType } from '../db/rows.ts';
import type { Projection } from '../log/projection.ts';
import {
  type DataTypeKey,
  providerDataTypeUpsert,
  runDataTypeRemoval,
  runDataTypeUpsert,
  selectProviderDataTypes,
  selectRunDataTypes,
} from './data-type-sql.ts';
import { dataTypeState } from './data-type-state.ts';
import { foldConnectionDataType, foldRunDataType } from './fold-data-type.ts';
import { recoveryOf, reportsOf } from './reports.ts';

/**
 * The types of data of runs, as their events tell of them. Late events count, too: a type is told of with the end of its part
 * of a run, and parts may end side by side.
 */
export function createRunDataTypeProjection({ kind }: Database): Projection<DataTypeKey, SyncRunDataType> {
  const select = selectRunDataTypes[kind];
  return {
    keysOf: (event) => reportsOf(event).map(({ dataType }) => [event.userId, event.runId, dataType]),
    async read(transaction, keys) {
      const rows = await transaction.$queryRaw<SyncRunDataType[]>(select(keys));
      return rows.map((row) => [[row.userId, row.runId, row.dataType], row]);
    },
    fold(row, event, _, [, , dataType]) {
      const report = reportsOf(event).find((each) => each.dataType === dataType);
      return report && foldRunDataType(row, event, report);
    },
    write: runDataTypeUpsert[kind],
    removeOfRuns: runDataTypeRemoval[kind],
  };
}

/**
 * The types of data of connections, as the events of all of their runs tell of them. Each event counts once, when it is
 * recorded: runs that are folded anew change nothing here. What an event may add is bounded, and nothing bounds how many
 * types a connection comes to, as nothing bounds the connections of a user: only who may write can add to either.
 */
export function createProviderDataTypeProjection({ kind }: Database): Projection<DataTypeKey, ProviderDataType> {
  const select = selectProviderDataTypes[kind];
  return {
    keysOf(event) {
      const recovery = recoveryOf(event);
      const reports = recovery ? [...reportsOf(event), recovery] : reportsOf(event);
      return reports.map(({ dataType }) => [event.userId, event.provider, dataType]);
    },
    async read(transaction, keys) {
      const rows = await transaction.$queryRaw<ProviderDataType[]>(select(keys));
      return rows.map((row) => [[row.userId, row.provider, row.dataType], row]);
    },
    fold(row, event, _, [, , dataType]) {
      const report = reportsOf(event).find((each) => each.dataType === dataType);
      if (report) return foldConnectionDataType(row, event, report);
      const recovery = row && dataTypeState(row) !== 'complete' ? recoveryOf(event) : undefined;
      return recovery && foldConnectionDataType(row, event, recovery);
    },
    write: providerDataTypeUpsert[kind],
  };
}
