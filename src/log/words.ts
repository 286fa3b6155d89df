/**
 * The words of the sync-status wire format (Open Wearables 0.6.3 and its announced additions). The log keeps the word
 * that a producer sent; GraphQL shows these as enum values in upper case, and any other word as `UNRECOGNIZED`. What a word
 * means does not depend on its case, as some producers write `SUCCESS`: ask {@link wordOf}.
 */
export const sourceWords = ['pull', 'webhook', 'sdk', 'backfill', 'xml_import', 'linked_account'] as const;
export type SourceWord = (typeof sourceWords)[number];

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
export type StageWord = (typeof stageWords)[number];

/** What a run is about: back-fill of history, or current data. */
export const scopeWords = ['historical', 'live'] as const;
export type ScopeWord = (typeof scopeWords)[number];

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
export type StatusWord = (typeof statusWords)[number];

/**
 * What a status says of its run: more will come, it has finished, or its producer hears nothing of it. Silence is the
 * producer's guess and not the run's own last word, so a later report of the run still counts.
 */
const meaningOf: Readonly<Record<StatusWord, 'under way' | 'finished' | 'silent'>> = {
  in_progress: 'under way',
  success: 'finished',
  partial: 'finished',
  failed: 'finished',
  cancelled: 'finished',
  skipped: 'finished',
  unfinished: 'silent',
  stale: 'silent',
};

/** What a producer says of a run of which it hears nothing. */
export const silentStatuses: readonly string[] = statusWords.filter((word) => meaningOf[word] === 'silent');

/** What a run's status is once it has finished. */
export const terminalStatuses: readonly string[] = statusWords.filter((word) => meaningOf[word] === 'finished');

const terminalStages: readonly string[] = ['completed', 'failed', 'cancelled'] satisfies StageWord[];

/** The word that is meant: a producer's own spelling of it, in the wire format's case. */
export function wordOf(raw: string): string {
  return raw.toLowerCase();
}

/** True for the statuses that finish a run. A word that this server does not know finishes none. */
export function isTerminal(status: string): boolean {
  return terminalStatuses.includes(wordOf(status));
}

/** Does an event say that its run begins? */
export function startsRun({ stage }: { readonly stage: string }): boolean {
  return wordOf(stage) === ('started' satisfies StageWord);
}

/** Does an event say that its run has failed? A status that this server does not know leaves it to the stage. */
export function hasFailed({ stage, status }: { readonly stage: string; readonly status: string }): boolean {
  const word = wordOf(status);
  return statusWords.some((known) => known === word) ? word === 'failed' : wordOf(stage) === 'failed';
}

/** Is an event the last of its run? By its status, or by its stage: a producer may say in new words how well it went. */
export function endsRun({ stage, status }: { readonly stage: string; readonly status: string }): boolean {
  return isTerminal(status) || terminalStages.includes(wordOf(stage));
}
