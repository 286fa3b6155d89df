import type { SyncRunDataType } from '../db/rows.ts';
import { defaultLimits } from '../limits.ts';
import { wordOf } from '../log/words.ts';
import type { DataTypeReport } from './reports.ts';

/**
 * A type of data of a run after one more report of it, as Open Wearables keeps it: counts add up; a report that the type is
 * under way leaves the verdict of an earlier one; of all else what is told replaces what was told before.
 */
export function foldDataType(
  row: SyncRunDataType | undefined,
  { userId, runId }: Pick<SyncRunDataType, 'userId' | 'runId'>,
  report: DataTypeReport,
): SyncRunDataType {
  if (!row) return { userId, runId, ...report, coveredStart: null, coveredEnd: null, attempts: 1 };
  return {
    ...row,
    status: wordOf(report.status) === 'in_progress' ? row.status : report.status,
    nativeType: report.nativeType ?? row.nativeType,
    reportedRecords: report.reportedRecords ?? row.reportedRecords,
    itemsInserted: sum(row.itemsInserted, report.itemsInserted),
    itemsUpdated: sum(row.itemsUpdated, report.itemsUpdated),
    errorCode: report.errorCode ?? row.errorCode,
    error: report.error ?? row.error,
    attempts: sum(row.attempts, 1),
  };
}

/** Stays at the greatest number that GraphQL has, rather than fail the recording. */
function sum(one: number, other: number): number {
  return Math.min(defaultLimits.itemCount, one + other);
}
