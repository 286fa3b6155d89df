import type { SyncRunDataType } from '../db/rows.ts';
import { type StatusWord, wordOf } from '../log/words.ts';
import { reasonOf, type SyncReason } from '../reasons/sync-reason.ts';

/** What has become of a type of data, whichever word its producer has for that. */
export const dataTypeStates = [
  'pending',
  'syncing',
  'complete',
  'partial',
  'failed',
  'not_granted',
  'not_supported',
  'unknown',
] as const;
export type DataTypeState = (typeof dataTypeStates)[number];

type ToldState = Pick<SyncRunDataType, 'status' | 'state' | 'error' | 'errorCode' | 'reason'>;

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

/** The status of a type whose state is stated. */
export const statusOfState: Readonly<Record<DataTypeState, StatusWord>> = {
  pending: 'in_progress',
  syncing: 'in_progress',
  complete: 'success',
  partial: 'partial',
  failed: 'failed',
  not_granted: 'failed',
  not_supported: 'skipped',
  unknown: 'stale',
};

/** A word that this server does not know says nothing. */
export function dataTypeState(row: ToldState): DataTypeState {
  const state = stateOf(row);
  return state === 'failed' && dataTypeReason(row)?.class === 'SCOPE_DENIED' ? 'not_granted' : state;
}

/**
 * Why a type did not succeed, by the same rules as for a run; one that was not granted has at least this reason. Once a type
 * is complete, the error of an earlier report is history.
 */
export function dataTypeReason(row: ToldState): SyncReason | null {
  const state = stateOf(row);
  if (state === 'complete') return null;
  const { error, errorCode } = row;
  const reason = reasonOf({
    stage: '',
    status: unsuccessful.has(state) ? 'failed' : 'in_progress',
    error,
    metadata: { error_code: errorCode },
    reason: row.reason ?? (state === 'not_granted' ? { class: 'SCOPE_DENIED' } : null),
  });
  return reason && { ...reason, event: null };
}

/** The states that need a reason; in another, one is shown if it is told. */
const unsuccessful: ReadonlySet<DataTypeState> = new Set(['partial', 'failed', 'not_granted']);

function stateOf({ status, state }: ToldState): DataTypeState {
  return dataTypeStates.find((known) => known === state) ?? states.get(wordOf(status)) ?? 'unknown';
}
