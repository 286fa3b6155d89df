import type { SyncRun } from '../db/rows.ts';
import { parseDateTime } from '../lib/date-time.ts';
import { isObject } from '../lib/json.ts';
import { defaultLimits } from '../limits.ts';
import type { SyncEvent } from '../log/event.ts';
import { batchIdOf } from '../log/record/batches.ts';
import { believed } from '../log/told-early.ts';
import { endsRun, hasFailed, type SourceWord, type StatusWord, startsRun, wordOf } from '../log/words.ts';
import { isAboutHistory } from './about-history.ts';
import { countItems } from './count-items.ts';
import { isInPlaceOf, isWithin, lengthOfBoth, MOST_SPANS, type Span, widest, withAsked, withSpan } from './spans.ts';

/** A year has four digits. */
const earliest = Date.parse('0000-01-01T00:00:00.000Z');
const latest = Date.parse('9999-12-31T23:59:59.999Z');

/** What is known of a connection's history after some events. It never takes more room, and can be kept as JSON. */
export interface BackfillState {
  /** The newest run about history. */
  readonly run: string;
  /** When that run opened, in milliseconds since 1970. */
  readonly openedAt: number;
  /** What that run is about. While it names nothing, it is about what the run before it was about. */
  readonly span: Span | null;
  /** What the runs before it were about and has not come: at most `MOST_SPANS`, the newest last. */
  readonly asked: readonly Span[];
  /** Spans that have come, which neither touch nor overlap: at most `MOST_SPANS`, in order of time. */
  readonly covered: readonly Span[];
  /** Did the newest run do all that it was asked for? Null while nobody has said. */
  readonly succeeded: boolean | null;
  /** How far its producer says that it is. */
  readonly percent: number | null;
  /** Does the newest run come in parts, of which none is told to be the last one? */
  readonly inParts: boolean;
  /** Items that the newest run has stored, and those that it is going to, as far as that was told. */
  readonly stored: number;
  readonly expected: number | null;
}

/** Has a connection's history come in? */
export interface Backfill {
  /**
   * The days that were asked for. If several spans were, those that touch or overlap are one, and of others the newest that has
   * not come counts, or else the widest.
   */
  readonly requested: { readonly start: Date; readonly end: Date } | null;
  /**
   * Of these the days of which the producer says that it has gone through them: Garmin may have kept some types of data back.
   * If there are holes between, the widest part.
   */
  readonly covered: { readonly start: Date; readonly end: Date } | null;
  /** Null where no history was asked for, or where nobody ever says that it has ended. */
  readonly done: boolean | null;
  /** From 0 to 100, and 100 only when it is done; null where nothing tells. */
  readonly percent: number | null;
}

const day = 86_400_000;

/**
 * What is known of a connection's history after one more event, late ones included; events that are not about history
 * change nothing. What is read of each producer of Open Wearables:
 *
 * | producer               | asked for                                   | how far                               | the end          |
 * |------------------------|---------------------------------------------|---------------------------------------|------------------|
 * | any                    | the window of an event                      | `progress` between start and end      | its status       |
 * | a pull of history      | start: `start_date` to `end_date`, or now;  |                                       | its status       |
 * |                        | end: the window                             |                                       |                  |
 * | Garmin                 | start: `target_days` before it              | `window` of `total_windows` are done  | success          |
 * | Garmin, resumed        | as the run before                           | start: `current_window`               | success          |
 * | an export from a phone |                                             | items stored of `samples_expected`    | is never told    |
 *
 * - Of two runs the one that opened later is the newer one. Of the older one only what it covers and asks for still counts.
 * - Success, and that there was nothing to do (`skipped`), cover what the run was about. `partial` says that something is
 *   missing, and not which days; a failure and a cancellation leave what is covered as it is.
 * - A profile that leaves the pull to another one of the same account (`skipped: true`) has asked for nothing.
 * - History is done when all of it has come that was asked for. Who asks again for most of a span, and for no less, asks in the
 *   place of it: a backfill that is tried again tomorrow is about other days.
 *
 * All types of data are covered alike, as producers tell of the whole run only: what an end says of single types would
 * become part of `outcomeOf`.
 * @param runBefore the event's run as it stood before the event; undefined for its first one
 */
export function foldBackfill(
  state: BackfillState | null,
  event: SyncEvent,
  runBefore: SyncRun | undefined,
): BackfillState | null {
  if (!isAboutHistory(event, runBefore) || leavesItToOthers(event)) return state;
  const openedAt = (runBefore?.openedAt ?? believed(event.startedAt ?? event.timestamp, event)).getTime();
  if (state && state.run !== event.runId && openedAt < state.openedAt) return withOlderRun(state, event, runBefore);
  const before = state?.run === event.runId ? state : newRun(state, event.runId, openedAt);
  const named = {
    ...before,
    openedAt: Math.min(before.openedAt, openedAt),
    span: spanOf(event, runBefore) ?? before.span,
  };
  const counted = withCounts(named, event);
  const told = event.late ? counted : withNews(counted, event);
  return told.succeeded && told.span ? { ...told, covered: withSpan(told.covered, told.span) } : told;
}

/** A state that was kept as JSON; null for anything else: an earlier release kept nothing. */
export function readBackfill(json: unknown): BackfillState | null {
  // Only what `foldBackfill` returns is kept.
  const isState = isObject(json) && typeof json.run === 'string' && Array.isArray(json.asked);
  return isState ? (json as unknown as BackfillState) : null;
}

/** What a state says to somebody who asks. */
export function backfillOf(state: BackfillState | null): Backfill {
  if (!state) return { requested: null, covered: null, done: null, percent: null };
  const asked = state.span ? withAsked(state.asked, state.span) : state.asked;
  const open = openOf(asked, state.covered);
  const requested = requestedOf([...state.covered, ...open], open.at(-1));
  const done = isDone(state, open);
  return {
    requested: datesOf(requested),
    covered: datesOf(requested && widest(state.covered.filter((covered) => lengthOfBoth(covered, requested) > 0))),
    done,
    percent: done ? 100 : percentOf(state, requested),
  };
}

/** Those that have not come. */
function openOf(asked: readonly Span[], covered: readonly Span[]): readonly Span[] {
  return asked.filter((span) => !covered.some((each) => isWithin(span, each)));
}

/** What has come was asked for, too. */
function requestedOf(spans: readonly Span[], open: Span | undefined): Span | null {
  const parts = spans.reduce<readonly Span[]>(withSpan, []);
  return (open && parts.find((part) => isWithin(open, part))) ?? widest(parts);
}

function isDone({ covered, succeeded, inParts }: BackfillState, open: readonly Span[]): boolean | null {
  if (open.length === 0 && covered.length > 0) return true;
  if (inParts) return null;
  return open.length > 0 ? false : (succeeded ?? false);
}

/** What the newest run says of itself, or how much of what was asked for is covered: it may begin anew with days that have come. */
function percentOf({ percent, stored, expected, covered }: BackfillState, requested: Span | null): number | null {
  const come = covered.reduce((sum, each) => sum + (requested ? lengthOfBoth(each, requested) : 0), 0);
  const ofDays = requested && covered.length > 0 ? share(come, requested[1] - requested[0]) : null;
  if (percent !== null) return Math.max(percent, ofDays ?? 0);
  return expected === null ? ofDays : share(stored, expected);
}

/** Is it a pull that another profile of the same account makes? */
export function leavesItToOthers({ status, metadata }: SyncEvent): boolean {
  return wordOf(status) === 'skipped' && isObject(metadata) && metadata.skipped === true;
}

function newRun(state: BackfillState | null, run: string, openedAt: number): BackfillState {
  return {
    run,
    openedAt,
    span: state?.span ?? null,
    asked: state ? openOf(state.span ? withAsked(state.asked, state.span) : state.asked, state.covered) : [],
    covered: state?.covered ?? [],
    succeeded: null,
    percent: null,
    inParts: false,
    stored: 0,
    expected: null,
  };
}

function withOlderRun(state: BackfillState, event: SyncEvent, runBefore: SyncRun | undefined): BackfillState {
  const span = spanOf(event, runBefore);
  if (!span) return state;
  const covered = outcomeOf(event) && !isPart(event) ? withSpan(state.covered, span) : state.covered;
  const newer = state.span ? [...state.asked, state.span] : state.asked;
  const isOver = newer.some((each) => isInPlaceOf(each, span)) || covered.some((each) => isWithin(span, each));
  return { ...state, asked: isOver ? state.asked : [span, ...state.asked].slice(-MOST_SPANS), covered };
}

/** Is an event about a batch, or from a phone, which sends nothing else? No such event ends more than its batch. */
function isPart(event: SyncEvent): boolean {
  return batchIdOf(event) !== undefined || wordOf(event.source) === ('sdk' satisfies SourceWord);
}

/** What adds up in any order: what a run is made of, and how much it has stored. */
function withCounts(state: BackfillState, event: SyncEvent): BackfillState {
  const { samples_expected } = metadataOf(event);
  const inParts = state.inParts || isPart(event);
  const expected = isCount(samples_expected) ? Math.max(samples_expected, state.expected ?? 0) : state.expected;
  const stored = endsRun(event) ? (countItems(event) ?? 0) : 0;
  return { ...state, inParts, expected, stored: Math.min(defaultLimits.itemCount, state.stored + stored) };
}

/** What counts in the order of the run: how far it is, and whether it has ended. */
function withNews(state: BackfillState, event: SyncEvent): BackfillState {
  const { span, covered } = state;
  const windows = windowsOf(event);
  const gone = windows && span && goneThrough(event, span, windows);
  const further = {
    ...state,
    covered: gone ? withSpan(covered, gone) : covered,
    percent: toldPercent(event, windows) ?? state.percent,
  };
  if (startsRun(event)) return { ...further, succeeded: null };
  if (!endsRun(event) || state.inParts) return further;
  const succeeded = outcomeOf(event);
  return { ...further, succeeded, percent: succeeded ? null : further.percent };
}

const outcomes: Readonly<Partial<Record<StatusWord, boolean>>> = {
  success: true,
  skipped: true,
  partial: false,
  failed: false,
  cancelled: false,
};
const outcomeOfWord = new Map<string, boolean>(Object.entries(outcomes));

/** Does an event say that its run did all that it was asked for? Null where it says nothing of that. */
function outcomeOf(event: SyncEvent): boolean | null {
  return outcomeOfWord.get(wordOf(event.status)) ?? (hasFailed(event) ? false : null);
}

/** What days an event says that its run is about. A window is told for sure; what else a start says gives way to it. */
function spanOf(event: SyncEvent, runBefore: SyncRun | undefined): Span | null {
  const windowStart = runBefore?.windowStart ?? event.windowStart;
  const windowEnd = runBefore?.windowEnd ?? event.windowEnd;
  if (windowStart && windowEnd) return spanBetween(windowStart.getTime(), windowEnd.getTime());
  if (!startsRun(event)) return null;
  const startedAt = believed(event.startedAt ?? event.timestamp, event).getTime();
  const { target_days: days, start_date: since, end_date: until } = metadataOf(event);
  if (isCount(days)) return spanBetween(startedAt - days * day, startedAt);
  const start = dateOf(since);
  return start ? spanBetween(start.getTime(), dateOf(until)?.getTime() ?? startedAt) : null;
}

/** The windows that a Garmin backfill has gone through, of how many. A start that names none begins with the first one. */
function windowsOf(event: SyncEvent): { readonly done: number; readonly total: number } | null {
  const { window, current_window, total_windows: total } = metadataOf(event);
  const done = window ?? current_window ?? (startsRun(event) ? 0 : undefined);
  return isCount(total) && (done === 0 || isCount(done)) ? { done: Math.min(done, total), total } : null;
}

/**
 * The days in these windows. Garmin's go backwards from the start of the backfill, and each has the same number of whole
 * days: 30 of them in one of the 12 windows of 365 days. Of others nobody knows where they lie.
 */
function goneThrough(
  { provider }: SyncEvent,
  [start, end]: Span,
  { done, total }: { done: number; total: number },
): Span | null {
  if (wordOf(provider) !== 'garmin') return null;
  return spanBetween(end - done * Math.floor((end - start) / day / total) * day, end);
}

/** Every end that is no failure says 1, so only what is said before it tells anything. */
function toldPercent(event: SyncEvent, windows: ReturnType<typeof windowsOf>): number | null {
  const { progress } = event;
  if (progress !== null && !startsRun(event) && !endsRun(event)) return share(progress, 1);
  return windows && share(windows.done, windows.total);
}

/** Not quite all of it. */
function share(part: number, whole: number): number {
  return Math.min(99, Math.round((100 * part) / whole));
}

/** Null where the end is not after the start, or where one of them is no time that a client can read. */
function spanBetween(start: number, end: number): Span | null {
  return start < end && start >= earliest && end <= latest ? [start, end] : null;
}

function datesOf(span: Span | null): Backfill['requested'] {
  return span && { start: new Date(span[0]), end: new Date(span[1]) };
}

function metadataOf({ metadata }: SyncEvent): Readonly<Record<string, unknown>> {
  return isObject(metadata) ? metadata : {};
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0;
}

function dateOf(value: unknown): Date | undefined {
  return typeof value === 'string' ? parseDateTime(value) : undefined;
}
