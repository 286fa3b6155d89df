import type { SyncRun } from '../db/rows.ts';
import type { SyncEvent } from '../log/event.ts';
import { meantScope } from '../log/meant-scope.ts';
import { isMilestone } from '../log/record/fold-milestone.ts';
import { type SourceWord, wordOf } from '../log/words.ts';

/**
 * What the run of an event is about, in the word of its producer: its first milestone tells for good. Progress reports are all
 * sent as `live`, so that they tell nothing. Null where nothing was told.
 */
export function scopeOfRun(event: SyncEvent, runBefore: SyncRun | undefined): string | null {
  return runBefore?.scope ?? (isMilestone(event) ? event.scope : null);
}

/** Is an event about history, and not about current data? */
export function isAboutHistory(event: SyncEvent, runBefore: SyncRun | undefined): boolean {
  if (wordOf(event.source) === ('backfill' satisfies SourceWord)) return true;
  return meantScope(scopeOfRun(event, runBefore)) === 'historical';
}
