import type { ProviderLink } from '../db/rows.ts';
import { type SourceWord, wordOf } from '../log/words.ts';
import { lateAfterMs } from './rhythm.ts';
import { readRhythms } from './rhythms.ts';

/** What a connection's syncs show: the first of these that is true. */
export const connectionHealths = ['failing', 'no_progress', 'syncing', 'delayed', 'healthy', 'unknown'] as const;
export type ConnectionHealth = (typeof connectionHealths)[number];

/** The health of a connection of which an earlier release has written the row. */
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
  // What goes wrong again and again is not better while it is tried once more.
  if (link.state === 'needs_reconnect' || link.consecutiveFailures >= failures) return forGood('failing');
  if (link.state === 'disconnected') return forGood('unknown'); // nothing is expected of it
  const spans: readonly (readonly [health: ConnectionHealth, from: number, until: number])[] = [
    ['no_progress', withoutProgressFrom(link), never],
    ['syncing', always, underWayUntil ?? always],
    ['delayed', delayedFrom(link), never],
    ['unknown', unknownFrom(link), never],
    [link.lastSuccessAt ? 'healthy' : 'unknown', always, never],
  ];
  const ends = spans.flatMap(([, from, until]) => [from, until]).filter((at) => at > now);
  const [health = 'unknown', since = always] = spans.find(([, from, until]) => from <= now && now < until) ?? [];
  return { health, until: Math.min(...ends), since: since === always ? undefined : since };
}

function forGood(health: ConnectionHealth): JudgedHealth {
  return { health, until: never, since: undefined };
}

/** Syncs succeed and bring nothing: for longer than this person usually has nothing, or ever since. */
function withoutProgressFrom({ emptySuccesses, lastDataAt, rhythm }: JudgedLink): number {
  if (emptySuccesses < connectionThresholds.emptySuccesses) return never;
  if (!lastDataAt) return always;
  const { data } = readRhythms(rhythm);
  const late = lateAfterMs(data);
  return late === null || !data ? never : data.last + late;
}

/** A connection that has not succeeded yet is waited for since its first attempt. */
function waitedSince({ waitingSince, lastSuccessAt, firstAttemptAt }: JudgedLink): number | undefined {
  return (waitingSince ?? lastSuccessAt ?? firstAttemptAt)?.getTime();
}

/** The next success is late by the rhythm of those before. */
function delayedFrom(link: JudgedLink): number {
  const late = lateAfterMs(readRhythms(link.rhythm).success);
  const since = waitedSince(link);
  return late === null || since === undefined ? never : since + late;
}

/** There is too little history to say whether what does not come is late. */
function unknownFrom(link: JudgedLink): number {
  const { success, data } = readRhythms(link.rhythm);
  const { emptySuccesses, trustedForMs, trustedForMsElse } = connectionThresholds;
  if (link.emptySuccesses >= emptySuccesses && lateAfterMs(data) === null) return always;
  const since = waitedSince(link);
  if (since === undefined || lateAfterMs(success) !== null) return never;
  return since + (trustedForMs.get(wordOf(link.source ?? '')) ?? trustedForMsElse);
}
