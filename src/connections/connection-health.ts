import type { ProviderLink } from '../db/rows.ts';
import { type SourceWord, wordOf } from '../log/words.ts';
import { lateAfterMs } from './rhythm.ts';
import { readRhythms } from './rhythms.ts';

/** What a connection's syncs show: the first of these that is true. */
export const connectionHealths = ['failing', 'no_progress', 'syncing', 'delayed', 'healthy', 'unknown'] as const;
export type ConnectionHealth = (typeof connectionHealths)[number];

/** The health of a connection of which an earlier release has made the row. What that changes in others is judged with their next event. */
export const UNJUDGED = 'unjudged';

const hour = 3_600_000;
const day = 24 * hour;

/** The thresholds of a connection's health. When something is late, the connection's own rhythm says. */
export const connectionThresholds = {
  /** So many failures in a row are no accident: hourly pulls have then failed for two hours. */
  failures: 3,
  /** So many successes in a row without an item are a whole day of hourly pulls; a night brings eight of them. */
  emptySuccesses: 24,
  /**
   * For how long a success says that all is well, by the word of its source, while nothing is known of the rhythm. In
   * milliseconds. After that nobody can tell.
   */
  trustedForMs: new Map<string, number>(
    Object.entries({
      // Pulled every hour: six have been missed.
      pull: 6 * hour,
      // These come when somebody wears, charges and carries a device, which may be days apart.
      webhook: 3 * day,
      sdk: 3 * day,
      linked_account: 3 * day,
      // Live syncs follow a backfill.
      backfill: 3 * day,
      // Nobody expects a second file.
      xml_import: Number.POSITIVE_INFINITY,
    } satisfies Record<SourceWord, number>),
  ),
  /** The same for a source that this server does not know. */
  trustedForMsElse: 3 * day,
} as const;

/** A health at a moment, and when time alone may make it another one. */
export interface JudgedHealth {
  readonly health: ConnectionHealth;
  /** In milliseconds since 1970; infinite where it never does. */
  readonly until: number;
  /** Since when it has been so, where time alone has made it so, in milliseconds since 1970. */
  readonly since: number | undefined;
}

type JudgedLink = Pick<
  ProviderLink,
  | 'state'
  | 'consecutiveFailures'
  | 'emptySuccesses'
  | 'firstAttemptAt'
  | 'lastSuccessAt'
  | 'lastDataAt'
  | 'waitingSince'
  | 'source'
  | 'rhythm'
>;

const never = Number.POSITIVE_INFINITY;
const always = Number.NEGATIVE_INFINITY;

/**
 * The health of a connection at a moment, in milliseconds since 1970. What is waited for is waited for since it was last
 * heard of, by this server's clock: that of a producer that is hours behind, or ahead, would make it late at once, or never.
 * @param underWayUntil until when a sync is under way; undefined where none is, a stalled one is none
 */
export function connectionHealth(link: JudgedLink, underWayUntil: number | undefined, now: number): JudgedHealth {
  const { failures } = connectionThresholds;
  if (link.state === 'disconnected') return judgement('unknown'); // nothing is expected of it
  // What goes wrong again and again is not better while it is tried once more.
  if (link.state === 'needs_reconnect' || link.consecutiveFailures >= failures) return judgement('failing');
  const { success, data } = readRhythms(link.rhythm);
  const late = { success: lateAfterMs(success), data: lateAfterMs(data) };
  const noProgressFrom = withoutProgressFrom(link, data && late.data !== null ? data.last + late.data : never);
  if (noProgressFrom <= now) return judgement('no_progress', never, noProgressFrom);
  if (underWayUntil !== undefined && underWayUntil > now)
    return judgement('syncing', Math.min(noProgressFrom, underWayUntil));
  const since = waitedSince(link);
  const delayedFrom = late.success !== null && since !== undefined ? since + late.success : never;
  if (delayedFrom <= now) return judgement('delayed', noProgressFrom, delayedFrom);
  const unknownFrom = untoldFrom(link, late);
  if (unknownFrom <= now) return judgement('unknown', Math.min(noProgressFrom, delayedFrom), unknownFrom);
  return judgement(link.lastSuccessAt ? 'healthy' : 'unknown', Math.min(noProgressFrom, delayedFrom, unknownFrom));
}

function judgement(health: ConnectionHealth, until = never, since = always): JudgedHealth {
  return { health, until, since: since === always ? undefined : since };
}

/** Syncs succeed and bring nothing: for longer than this person usually has nothing, or ever since. */
function withoutProgressFrom({ emptySuccesses, lastDataAt }: JudgedLink, dataIsLateFrom: number): number {
  if (emptySuccesses < connectionThresholds.emptySuccesses) return never;
  return lastDataAt ? dataIsLateFrom : always;
}

/** A connection that has not succeeded yet is waited for since its first attempt. */
function waitedSince({ waitingSince, lastSuccessAt, firstAttemptAt }: JudgedLink): number | undefined {
  return (waitingSince ?? lastSuccessAt ?? firstAttemptAt)?.getTime();
}

/** There is too little history to say whether what does not come is late. */
function untoldFrom(link: JudgedLink, late: Readonly<Record<'success' | 'data', number | null>>): number {
  const { emptySuccesses, trustedForMs, trustedForMsElse } = connectionThresholds;
  if (link.emptySuccesses >= emptySuccesses && late.data === null) return always;
  const since = waitedSince(link);
  if (since === undefined || late.success !== null) return never;
  return since + (trustedForMs.get(wordOf(link.source ?? '')) ?? trustedForMsElse);
}
