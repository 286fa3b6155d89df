import type { ProviderDataType, SyncRunDataType } from '../db/rows.ts';
import { defaultLimits } from '../limits.ts';
import type { SyncEvent } from '../log/event.ts';
import { earliest } from '../log/record/fold-milestone.ts';
import { happenedAt } from '../log/told-early.ts';
import { wordOf } from '../log/words.ts';
import { dataTypeState } from './data-type-state.ts';
import type { DataTypeReport } from './reports.ts';
import { aheadOf, withAhead } from './runs-ahead.ts';

/** What is known of a type of data, of a run as of a connection. */
export type KnownDataType = Omit<SyncRunDataType, 'runId' | 'itemsAhead'>;

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
  const told = toldBy(event, report);
  if (!row) return Object.assign(withReport(undefined, event, report, told), { runId: event.runId, itemsAhead: 0 });
  const known = Math.min(row.itemsAhead, report.itemsInserted);
  const isStated = report.state !== null;
  const kept = isVerdict(told) ? told : row;
  return Object.assign(
    withReport(
      row,
      event,
      report,
      {
        status: kept.status,
        state: kept.state,
        nativeType: told.nativeType ?? row.nativeType,
        reportedRecords: told.reportedRecords ?? row.reportedRecords,
        errorCode: isStated ? told.errorCode : (told.errorCode ?? row.errorCode),
        error: isStated ? told.error : (told.error ?? row.error),
        reason: kept.reason,
        toldSequence: kept.toldSequence,
      },
      known,
    ),
    { runId: event.runId, itemsAhead: row.itemsAhead - known },
  );
}

/**
 * A type of data of a connection after one more report of it, whichever run it is of: counts add up, and spans widen. The
 * newest verdict, by the producer's time, says how the type stands, whenever it comes; until there is one, the newest report.
 */
export function foldConnectionDataType(
  row: ProviderDataType | undefined,
  event: SyncEvent,
  report: DataTypeReport,
): ProviderDataType {
  const { provider, runId } = event;
  const toldAt = happenedAt(event);
  const told = toldBy(event, report);
  if (!row) {
    const first = { provider, toldAt, stateSince: toldAt, runsAhead: null };
    return Object.assign(withReport(undefined, event, report, told), first);
  }
  const ahead = aheadOf(row.runsAhead, runId);
  const known = Math.min(ahead, report.itemsInserted);
  const isNewer = isVerdict(told) === isVerdict(row) ? toldAt >= row.toldAt : isVerdict(told);
  const [newer, older] = isNewer ? [told, row] : [row, told];
  return Object.assign(
    withReport(
      row,
      event,
      report,
      {
        status: newer.status,
        state: newer.state,
        nativeType: newer.nativeType ?? older.nativeType,
        reportedRecords: newer.reportedRecords ?? older.reportedRecords,
        errorCode: newer.errorCode,
        error: newer.error,
        reason: newer.reason,
        toldSequence: newer.toldSequence,
      },
      known,
    ),
    {
      provider,
      toldAt: isNewer ? toldAt : row.toldAt,
      stateSince: isNewer && dataTypeState(told) !== dataTypeState(row) ? toldAt : row.stateSince,
      runsAhead: withAhead(row.runsAhead, runId, ahead - known),
    },
  );
}

/** Does it say what has become of a type? That the type is under way says so only where it is stated. */
export function isVerdict({ status, state }: Pick<KnownDataType, 'status' | 'state'>): boolean {
  return state !== null || wordOf(status) !== 'in_progress';
}

/** What one report says by itself, of which another takes the place. */
type Told = Pick<
  KnownDataType,
  'status' | 'state' | 'nativeType' | 'reportedRecords' | 'errorCode' | 'error' | 'reason' | 'toldSequence'
>;

function toldBy({ sequence }: SyncEvent, report: DataTypeReport): Told {
  return {
    status: report.status,
    state: report.state,
    nativeType: report.nativeType,
    reportedRecords: report.reportedRecords,
    errorCode: report.errorCode,
    error: report.error,
    reason: report.reason as KnownDataType['reason'], // Prisma's type of a JSON column is mutable
    toldSequence: sequence,
  };
}

/**
 * What every report adds to, in whatever order they come, with what is told. A task says the least of what kind of data a
 * type is. Written out: spreading takes several times as long.
 * @param known how many of its new items a verdict has told of before
 */
function withReport(
  row: KnownDataType | undefined,
  event: SyncEvent,
  report: DataTypeReport,
  told: Told,
  known = 0,
): KnownDataType {
  return {
    userId: event.userId,
    dataType: report.dataType,
    kind: row && row.kind !== 'task' ? row.kind : report.kind,
    status: told.status,
    state: told.state,
    nativeType: told.nativeType,
    reportedRecords: told.reportedRecords,
    itemsInserted: sum(row?.itemsInserted, report.itemsInserted - known),
    itemsUpdated: sum(row?.itemsUpdated, report.itemsUpdated),
    requestedStart: earliest(row?.requestedStart ?? null, report.requestedStart),
    requestedEnd: latest(row?.requestedEnd, report.requestedEnd),
    coveredStart: earliest(row?.coveredStart ?? null, report.coveredStart),
    coveredEnd: latest(row?.coveredEnd, report.coveredEnd),
    daysWithData: most(row?.daysWithData, report.daysWithData),
    newestData: latest(row?.newestData, report.newestData),
    errorCode: told.errorCode,
    error: told.error,
    reason: told.reason,
    toldSequence: told.toldSequence,
    attempts: sum(row?.attempts, 1),
  };
}

/** Stays at the greatest number that GraphQL has, rather than fail the recording. */
function sum(one = 0, other: number): number {
  return Math.min(defaultLimits.itemCount, one + other);
}

function most(one: number | null = null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

/** The later of two times, as far as they are known. */
export function latest(one: Date | null = null, other: Date | null): Date | null {
  if (!one || !other) return one ?? other;
  return one > other ? one : other;
}
