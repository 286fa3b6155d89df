import { selectOf } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import { type ColumnTypes, insertionInto } from '../db/insertion.ts';
import { dataTypeFields, type SyncRunDataType } from '../db/rows.ts';
import { removalOfRuns } from '../db/rows-of-runs.ts';
import { type Sql, sql } from '../db/sql.ts';

/** What tells a type of data of a run from others. */
export type DataTypeKey = readonly [userId: string, runId: string, dataType: string];

/** The columns of a type of data `d` under the names of the fields. */
export const selectedDataType = selectOf('d', dataTypeFields);

const dataTypeTypes: ColumnTypes<SyncRunDataType> = {
  userId: 'uuid',
  runId: 'text',
  dataType: 'text',
  kind: 'text',
  status: 'text',
  nativeType: 'text',
  reportedRecords: 'int',
  itemsInserted: 'int',
  itemsUpdated: 'int',
  coveredStart: 'timestamptz',
  coveredEnd: 'timestamptz',
  errorCode: 'text',
  error: 'text',
  attempts: 'int',
};

/** Inserts types of data, and replaces those that exist. */
export const dataTypeUpsert = insertionInto('sync_run_data_type', dataTypeTypes, ['userId', 'runId', 'dataType']);

/** Removes those of some runs. */
export const dataTypeRemoval = removalOfRuns('sync_run_data_type');

/** Those with these keys, as far as they exist, in one statement: SQLite gets the keys as JSON, Postgres as arrays. */
export const selectDataTypes: Readonly<Record<Provider, (keys: readonly DataTypeKey[]) => Sql>> = {
  sqlite: (keys) => sql`
    SELECT ${selectedDataType} FROM json_each(${JSON.stringify(keys)}) k
    CROSS JOIN sync_run_data_type d
      ON d.user_id = k.value->>0 AND d.run_id = k.value->>1 AND d.data_type = k.value->>2`,
  postgresql: (keys) => sql`
    SELECT ${selectedDataType}
    FROM unnest(
      ${keys.map(([userId]) => userId)}::uuid[],
      ${keys.map(([, runId]) => runId)}::text[],
      ${keys.map(([, , dataType]) => dataType)}::text[]
    ) k(user_id, run_id, data_type)
    JOIN sync_run_data_type d ON d.user_id = k.user_id AND d.run_id = k.run_id AND d.data_type = k.data_type`,
};
