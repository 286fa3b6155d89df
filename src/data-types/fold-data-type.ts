import type { ProviderDataType, SyncRunDataType } from '../db/rows.ts';
import { defaultLimits } from '../limits.ts';
import type { SyncEvent } from '../log/event.ts';
import { earliest } from '../log/record/fold-milestone.ts';
import { happenedAt } from '../log/told-early.ts';
import { wordOf } from '../log/words.ts';
import type { DataTypeReport } from './reports.ts';

/** What is known of a type of data, of a run as of a connection. */
export type KnownDataType = Omit<SyncRunDataType, 'runId'>;

/**
 * A type of data of a run after one more report of it, as Open Wearables keeps it: counts add up, and spans widen; a report
 * that the type is under way leaves the verdict of an earlier one, unless it is stated; of all else what is told replaces
 * what was told before.
 */
export function foldRunDataType(
  row: SyncRunDataType | undefined,
  event: SyncEvent,
  report: DataTypeReport,
): SyncRunDataType {
  if (!row) return { userId: event.userId, runId: event.runId, ...newDataType(event, report) };
  const folded = {
    ...row,
    ...added(row, report),
    nativeType: report.nativeType ?? row.nativeType,
    reportedRecords: report.reportedRecords ?? row.reportedRecords,
  };
  if (report.state !== null) return { ...folded, ...verdictOf(event, report) };
  const { error, errorCode, ...verdict } = verdictOf(event, report);
  return {
    ...folded,
    ...(wordOf(report.status) !== 'in_progress' && verdict),
    errorCode: errorCode ?? row.errorCode,
    error: error ?? row.error,
  };
}

/**
 * A type of data of a connection after one more report of it, whichever run it is of: counts add up, and spans widen. The
 * newest report, by the producer's time, says how the type stands; one that comes late does not change that.
 */
export function foldConnectionDataType(
  row: ProviderDataType | undefined,
  event: SyncEvent,
  report: DataTypeReport,
): ProviderDataType {
  const toldAt = happenedAt(event);
  if (!row) return { userId: event.userId, provider: event.provider, ...newDataType(event, report), toldAt };
  const { nativeType, reportedRecords } = report;
  const folded = { ...row, ...added(row, report) };
  return toldAt < row.toldAt
    ? {
        ...folded,
        nativeType: row.nativeType ?? nativeType,
        reportedRecords: row.reportedRecords ?? reportedRecords,
      }
    : {
        ...folded,
        ...verdictOf(event, report),
        nativeType: nativeType ?? row.nativeType,
        reportedRecords: reportedRecords ?? row.reportedRecords,
        toldAt,
      };
}

type NewDataType = Omit<KnownDataType, 'userId'>;

function newDataType(event: SyncEvent, report: DataTypeReport): NewDataType {
  return { ...report, ...verdictOf(event, report), attempts: 1 };
}

/** How the type stands, and which event says so. */
function verdictOf({ sequence }: SyncEvent, { status, state, errorCode, error, reason }: DataTypeReport) {
  return {
    status,
    state,
    errorCode,
    error,
    reason: reason as KnownDataType['reason'], // Prisma's type of a JSON column is mutable
    toldSequence: sequence,
  };
}

/** What every report adds to, in whatever order they come. A task says the least of what kind of data a type is. */
function added(row: NewDataType, report: DataTypeReport) {
  return {
    kind: row.kind === 'task' ? report.kind : row.kind,
    itemsInserted: sum(row.itemsInserted, report.itemsInserted),
    itemsUpdated: sum(row.itemsUpdated, report.itemsUpdated),
    requestedStart: earliest(row.requestedStart, report.requestedStart),
    requestedEnd: latest(row.requestedEnd, report.requestedEnd),
    coveredStart: earliest(row.coveredStart, report.coveredStart),
    coveredEnd: latest(row.coveredEnd, report.coveredEnd),
    daysWithData:
      row.daysWithData === null ? report.daysWithData : Math.max(row.daysWithData, report.daysWithData ?? 0),
    newestData: latest(row.newestData, report.newestData),
    attempts: sum(row.attempts, 1),
  };
}

/** Stays at the greatest number that GraphQL has, rather than fail the recording. */
function sum(one: number, other: number): number {
  return Math.min(defaultLimits.itemCount, one + other);
}

function latest(one: Date | null, other: Date | null): Date | null {
  if (!one || !other) return one ?? other;
  return one > other ? one : other;
}
