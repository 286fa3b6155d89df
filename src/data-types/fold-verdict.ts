import type { ProviderDataType, SyncRunDataType } from '../db/rows.ts';
import { defaultLimits } from '../limits.ts';
import { earliest } from '../log/record/fold-milestone.ts';
import { dataTypeState, statusOfState } from './data-type-state.ts';
import { isVerdict, type KnownDataType, latest } from './fold-data-type.ts';
import { aheadOf, withAhead } from './runs-ahead.ts';

/** A span of data, as far as its ends are known. */
export interface Span {
  readonly start: Date | null;
  readonly end: Date | null;
}

/** What a source tells of one type of data of a run beside the run's events: what has become of it in the end. */
export interface DataTypeVerdict {
  readonly userId: string;
  readonly dataType: string;
  readonly runId: string | null;
  /** Null where the run tells it. */
  readonly provider: string | null;
  readonly state: 'complete' | 'failed';
  readonly nativeType: string | null;
  /** What the whole run has stored of the type; null where that is not told. */
  readonly itemsInserted: number | null;
  readonly errorCode: string | null;
  /** What the run has stored. */
  readonly covered: Span;
  /** All that is held of the type, whichever run has brought it. */
  readonly held: Span;
  /** When this attempt of its delivery was made: long after it was told, where others have failed. */
  readonly at: Date;
}

type Known = Omit<KnownDataType, 'userId'>;

/**
 * A type of data of a run after a verdict. Verdicts come at least once and in any order, and without a time: that the type is
 * complete stays, whatever failure is told before or after it, and what was told before changes nothing. The number of
 * items is one of the whole run, so that it is not added to what batches have counted, nor they to it.
 */
export function foldRunVerdict(
  row: SyncRunDataType | undefined,
  runId: string,
  verdict: DataTypeVerdict,
): SyncRunDataType {
  const { userId } = verdict;
  const itemsTold = verdict.itemsInserted ?? 0;
  if (!row) return { userId, runId, ...newDataType(verdict, [verdict.covered]), itemsAhead: itemsTold };
  const itemsInserted = Math.max(row.itemsInserted, itemsTold);
  return {
    ...row,
    ...withSpans(row, [verdict.covered]),
    itemsInserted,
    itemsAhead: row.itemsAhead + itemsInserted - row.itemsInserted,
    nativeType: row.nativeType ?? verdict.nativeType,
    ...(isNews(row, verdict) && stateOf(verdict)),
  };
}

/** That a type is complete is final, whatever has told it. */
function isNews(row: Known | undefined, { state }: DataTypeVerdict): boolean {
  return !row || (dataTypeState(row) !== 'complete' && row.state !== state);
}

/** A type of data of a run before and after a verdict. */
interface OfRun {
  readonly before: SyncRunDataType | undefined;
  readonly after: SyncRunDataType;
  /** When the newest event of the run happened: so old is the verdict, too, whenever it comes. */
  readonly at: Date;
}

/**
 * A type of data of a connection after a verdict: all that is held of it is covered. The newest of events and verdicts says how
 * the type stands. Of a run that is not known, the verdict counts no items: nobody could say which were counted already; nor
 * could anybody say how old it is, so that its failure leaves a type complete.
 */
export function foldConnectionVerdict(
  row: ProviderDataType | undefined,
  provider: string,
  verdict: DataTypeVerdict,
  ofRun: OfRun | undefined,
): ProviderDataType {
  const spans = [verdict.covered, verdict.held];
  const toldAt = ofRun?.at ?? verdict.at;
  const added = ofRun ? ofRun.after.itemsInserted - (ofRun.before?.itemsInserted ?? 0) : 0;
  if (!row) {
    const { userId } = verdict;
    const runsAhead = ofRun ? withAhead(null, ofRun.after.runId, added) : null;
    return {
      userId,
      provider,
      ...newDataType(verdict, spans),
      itemsInserted: added,
      toldAt,
      stateSince: toldAt,
      runsAhead,
    };
  }
  const isNewest = (!isVerdict(row) || toldAt >= row.toldAt) && isNews(ofRun ? ofRun.before : row, verdict);
  return {
    ...row,
    ...withSpans(row, spans),
    itemsInserted: Math.min(defaultLimits.itemCount, row.itemsInserted + added),
    ...(ofRun && {
      runsAhead: withAhead(row.runsAhead, ofRun.after.runId, aheadOf(row.runsAhead, ofRun.after.runId) + added),
    }),
    attempts: row.attempts + Number(ofRun !== undefined && !ofRun.before),
    nativeType: row.nativeType ?? verdict.nativeType,
    ...(isNewest && { ...stateOf(verdict), toldAt, stateSince: toldAt }),
  };
}

/** No event has told it. */
function stateOf({ state, errorCode }: DataTypeVerdict) {
  const status = statusOfState[state];
  return {
    status,
    state,
    errorCode: state === 'failed' ? errorCode : null,
    reason: null,
    error: null,
    toldSequence: null,
  };
}

function withSpans(row: Pick<Known, 'coveredStart' | 'coveredEnd'>, spans: readonly Span[]) {
  let { coveredStart, coveredEnd } = row;
  for (const { start, end } of spans) {
    coveredStart = earliest(coveredStart, start);
    coveredEnd = latest(coveredEnd, end);
  }
  return { coveredStart, coveredEnd };
}

/** A task says the least of what kind of data a type is: events may tell more. */
function newDataType(verdict: DataTypeVerdict, spans: readonly Span[]): Known {
  return {
    dataType: verdict.dataType,
    kind: 'task',
    ...stateOf(verdict),
    nativeType: verdict.nativeType,
    reportedRecords: null,
    itemsInserted: verdict.itemsInserted ?? 0,
    itemsUpdated: 0,
    requestedStart: null,
    requestedEnd: null,
    ...withSpans({ coveredStart: null, coveredEnd: null }, spans),
    daysWithData: null,
    newestData: null,
    attempts: 1,
  };
}
