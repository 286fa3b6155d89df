import { selectOf } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import { type ColumnTypes, insertionInto } from '../db/insertion.ts';
import { type ProviderDataType, providerDataTypeFields, runDataTypeFields, type SyncRunDataType } from '../db/rows.ts';
import { removalOfRuns } from '../db/rows-of-runs.ts';
import { rawSql, type Sql, sql } from '../db/sql.ts';
import type { KnownDataType } from './fold-data-type.ts';

/** What tells a type of data of a user's run, or of a connection, from others. */
export type DataTypeKey = readonly [userId: string, runOrProvider: string, dataType: string];

/** The columns of a type of data `d` under the names of the fields. */
export const selectedRunDataType = selectOf('d', runDataTypeFields);
export const selectedProviderDataType = selectOf('d', providerDataTypeFields);

const knownTypes: ColumnTypes<KnownDataType> = {
  userId: 'uuid',
  dataType: 'text',
  kind: 'text',
  status: 'text',
  state: 'text',
  nativeType: 'text',
  reportedRecords: 'int',
  itemsInserted: 'int',
  itemsUpdated: 'int',
  requestedStart: 'timestamptz',
  requestedEnd: 'timestamptz',
  coveredStart: 'timestamptz',
  coveredEnd: 'timestamptz',
  daysWithData: 'int',
  newestData: 'timestamptz',
  errorCode: 'text',
  error: 'text',
  reason: 'jsonb',
  toldSequence: 'int',
  attempts: 'int',
};

/** Inserts types of data, and replaces those that exist. */
export const runDataTypeUpsert = insertionInto<SyncRunDataType>(
  'sync_run_data_type',
  { ...knownTypes, runId: 'text', itemsAhead: 'int' },
  ['userId', 'runId', 'dataType'],
);
export const providerDataTypeUpsert = insertionInto<ProviderDataType>(
  'provider_data_type',
  { ...knownTypes, provider: 'text', toldAt: 'timestamptz', stateSince: 'timestamptz', runsAhead: 'jsonb' },
  ['userId', 'provider', 'dataType'],
);

/** Removes those of some runs. */
export const runDataTypeRemoval = removalOfRuns('sync_run_data_type');

type SelectByKeys = Readonly<Record<Provider, (keys: readonly DataTypeKey[]) => Sql>>;

export const selectRunDataTypes = selectionFrom('sync_run_data_type', 'run_id', selectedRunDataType);
export const selectProviderDataTypes = selectionFrom('provider_data_type', 'provider', selectedProviderDataType);

/** Those with these keys, as far as they exist, in one statement: SQLite gets the keys as JSON, Postgres as arrays. */
function selectionFrom(tableName: string, columnName: string, selected: Sql): SelectByKeys {
  const [table, column] = [rawSql(tableName), rawSql(columnName)];
  return {
    sqlite: (keys) => sql`
      SELECT ${selected} FROM json_each(${JSON.stringify(keys)}) k
      CROSS JOIN ${table} d
        ON d.user_id = k.value->>0 AND d.${column} = k.value->>1 AND d.data_type = k.value->>2`,
    postgresql: (keys) => sql`
      SELECT ${selected}
      FROM unnest(
        ${keys.map(([userId]) => userId)}::uuid[],
        ${keys.map(([, runOrProvider]) => runOrProvider)}::text[],
        ${keys.map(([, , dataType]) => dataType)}::text[]
      ) k(user_id, ${column}, data_type)
      JOIN ${table} d ON d.user_id = k.user_id AND d.${column} = k.${column} AND d.data_type = k.data_type`,
  };
}
