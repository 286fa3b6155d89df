import type { ProviderLink, SyncRun } from '../db/rows.ts';
import { type SourceWord, wordOf } from '../log/words.ts';

/** What a connection's syncs show: the first of these that is true. */
export type ConnectionHealth = 'failing' | 'no_progress' | 'syncing' | 'delayed' | 'healthy' | 'unknown';

const hour = 3_600_000;
const day = 24 * hour;

/** Every threshold of a connection's health. */
export const connectionThresholds = {
  /** So many failures in a row are no accident: hourly pulls have then failed for two hours. */
  failures: 3,
  /** So many successes in a row without an item are a whole day of hourly pulls; a night brings eight of them. */
  emptySuccesses: 24,
  /** How long after the last success the next one is overdue, by the word of that success's source. In milliseconds. */
  overdueAfterMs: new Map<string, number>(
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
  overdueAfterMsElse: 3 * day,
} as const;

/**
 * The health of a connection at a moment, in milliseconds since 1970. How long a success is waited for goes by when the
 * last one was recorded: the clock of a producer that is hours behind, or ahead, would make it overdue at once, or never.
 * @param currentRun the run that is under way; one that has stalled is none.
 */
export function connectionHealth(
  connection: Pick<
    ProviderLink,
    'state' | 'consecutiveFailures' | 'emptySuccesses' | 'firstAttemptAt' | 'lastSuccessAt' | 'waitingSince' | 'source'
  >,
  currentRun: SyncRun | undefined,
  now: number,
): ConnectionHealth {
  const { failures, emptySuccesses, overdueAfterMs, overdueAfterMsElse } = connectionThresholds;
  const { lastSuccessAt, firstAttemptAt, waitingSince, source } = connection;
  // What goes wrong again and again is not better while it is tried once more.
  if (connection.state === 'needs_reconnect' || connection.consecutiveFailures >= failures) return 'failing';
  if (connection.state === 'disconnected') return 'unknown'; // nothing is expected of it
  if (connection.emptySuccesses >= emptySuccesses) return 'no_progress';
  if (currentRun) return 'syncing';
  // A connection that has not succeeded yet is waited for since its first attempt.
  const waitedSince = waitingSince ?? lastSuccessAt ?? firstAttemptAt;
  const patienceMs = overdueAfterMs.get(wordOf(source ?? '')) ?? overdueAfterMsElse;
  if (waitedSince && now - waitedSince.getTime() >= patienceMs) return 'delayed';
  return lastSuccessAt ? 'healthy' : 'unknown';
}
