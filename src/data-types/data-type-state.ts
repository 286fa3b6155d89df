import type { SyncRunDataType } from '../db/rows.ts';
import { type StatusWord, wordOf } from '../log/words.ts';
import { reasonOf, type SyncReason } from '../reasons/sync-reason.ts';

/** What has become of a type of data in a run, whichever word its producer has for that. */
export type DataTypeState =
  | 'pending'
  | 'syncing'
  | 'complete'
  | 'partial'
  | 'failed'
  | 'not_granted'
  | 'not_supported'
  | 'unknown';

type ToldState = Pick<SyncRunDataType, 'status' | 'error' | 'errorCode'>;

const stateOfWord: Readonly<Record<StatusWord, DataTypeState>> = {
  in_progress: 'syncing',
  success: 'complete',
  skipped: 'complete',
  partial: 'partial',
  unfinished: 'partial',
  failed: 'failed',
  stale: 'unknown',
  cancelled: 'unknown',
};
const states = new Map<string, DataTypeState>(Object.entries(stateOfWord));

/** A word that this server does not know says nothing. */
export function dataTypeState(row: ToldState): DataTypeState {
  const state = stateOf(row);
  return state === 'failed' && dataTypeReason(row)?.class === 'SCOPE_DENIED' ? 'not_granted' : state;
}

/** Why a type did not succeed, by the same rules as for a run. Once it has, the error of an earlier report is history. */
export function dataTypeReason(row: ToldState): SyncReason | null {
  if (stateOf(row) === 'complete') return null;
  const { status, error, errorCode } = row;
  const reason = reasonOf({ stage: '', status, error, metadata: { error_code: errorCode } });
  return reason && { ...reason, event: null };
}

function stateOf({ status }: ToldState): DataTypeState {
  return states.get(wordOf(status)) ?? 'unknown';
}
