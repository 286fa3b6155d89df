import { dataTypeKinds } from '../../data-types/reports.ts';
import { scopeWords, sourceWords, statusWords } from '../../log/words.ts';
import { type Selected, type WireField, writeObject } from './wire-fields.ts';
import { count, text, time, uuid, word } from './wire-values.ts';

/** A run of a history on the wire, in the order of its fields. */
export const wireHistoryFields: readonly WireField[] = [
  { name: 'run_key', shows: 'runId', value: text },
  { name: 'user_id', shows: 'userId', value: uuid },
  { name: 'provider', shows: 'provider', value: text },
  { name: 'source', shows: 'sourceRaw', value: word(sourceWords) },
  { name: 'scope', shows: 'scopeRaw', value: word(scopeWords) },
  { name: 'status', shows: 'milestoneStatusRaw', value: word(statusWords) },
  { name: 'trace_id', shows: 'traceId', value: text },
  { name: 'window_start', shows: 'windowStart', value: time },
  { name: 'window_end', shows: 'windowEnd', value: time },
  { name: 'started_at', shows: 'openedAt', value: time },
  { name: 'ended_at', shows: 'lastEndedAt', value: time },
  { name: 'items_inserted', shows: 'itemsInserted', value: count },
  { name: 'items_updated', shows: 'itemsUpdated', value: count },
  { name: 'error', shows: 'milestoneError', value: text },
];

/** What a run did with one type of data, as far as GraphQL has it in fields of the same shape. */
export const wireDataTypeFields: readonly WireField[] = [
  { name: 'data_type', shows: 'dataType', value: text },
  { name: 'kind', shows: 'kindRaw', value: word(dataTypeKinds) },
  { name: 'status', shows: 'statusRaw', value: word(statusWords) },
  { name: 'native_type', shows: 'nativeType', value: text },
  { name: 'reported_records', shows: 'reportedRecords', value: count },
  { name: 'items_inserted', shows: 'itemsInserted', value: count },
  { name: 'items_updated', shows: 'itemsUpdated', value: count },
  { name: 'covered_start', shows: 'covered', part: 'start', value: time },
  { name: 'covered_end', shows: 'covered', part: 'end', value: time },
  { name: 'error_code', shows: 'errorCode', value: text },
  { name: 'error', shows: 'error', value: text },
  { name: 'attempt', shows: 'attempts', value: count },
];

export const writeHistory = (run: Selected): string => writeObject(wireHistoryFields, run);

/** The run, and last its types of data. */
export function writeHistoryWithTypes(run: Selected, dataTypes: readonly Selected[]): string {
  const types = dataTypes.map((each) => writeObject(wireDataTypeFields, each));
  return `${writeHistory(run).slice(0, -1)},"data_types":[${types.join(',')}]}`;
}
