/**
 * The words of the sync-status wire format (Open Wearables 0.6.3 and its announced additions). The log keeps the word
 * that a producer sent; GraphQL shows these as enum values in upper case, and any other word as `UNRECOGNIZED`.
 */
export const sourceWords = ['pull', 'webhook', 'sdk', 'backfill', 'xml_import', 'linked_account'] as const;

export const stageWords = [
  'queued',
  'started',
  'fetching',
  'processing',
  'saving',
  'completed',
  'failed',
  'cancelled',
] as const;

export const statusWords = [
  'in_progress',
  'success',
  'partial',
  'failed',
  'cancelled',
  'skipped',
  'unfinished',
  'stale',
] as const;

/** What a producer says of a run of which it hears nothing. */
export const silentStatuses: readonly string[] = ['unfinished', 'stale'];

/** What a run's status is once it has finished. */
export const terminalStatuses: readonly string[] = ['success', 'partial', 'failed', 'cancelled', 'skipped'];

/**
 * True for the statuses that finish a run. The silent ones are somebody's guess, not the run's own last word, so a later
 * report of the run still counts.
 */
export function isTerminal(status: string): boolean {
  return terminalStatuses.includes(status);
}
