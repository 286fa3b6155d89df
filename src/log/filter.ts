import { isWithin, type TimeSpan } from '../lib/time-span.ts';
import type { SyncEvent } from './event.ts';
import { holdsText, type TextSearch } from './found-text.ts';
import { meantScope } from './meant-scope.ts';
import { wordOf } from './words.ts';

/** Which events are wanted: those that match every given part. An empty list matches nothing. Words are wire words, and match in any case. */
export interface SyncEventFilter extends RecordingSpan, TextSearch {
  readonly providers?: readonly string[] | null | undefined;
  readonly sources?: readonly string[] | null | undefined;
  readonly stages?: readonly string[] | null | undefined;
  readonly statuses?: readonly string[] | null | undefined;
  /** What names no scope is of the scope `live`. */
  readonly scopes?: readonly string[] | null | undefined;
  readonly runId?: string | null | undefined;
  /** When they happened, by the producer's clock: at `since` or later, and before `until`. */
  readonly since?: Date | null | undefined;
  readonly until?: Date | null | undefined;
}

/** When something was recorded, by our clock: at the first time or later, and before the second one. */
export interface RecordingSpan {
  readonly recordedSince?: Date | null | undefined;
  readonly recordedUntil?: Date | null | undefined;
}

/** The parts of a filter that are lists, each with the event field that it is about. */
export const listFilters = [
  ['providers', 'provider'],
  ['sources', 'source'],
  ['stages', 'stage'],
  ['statuses', 'status'],
] as const;

/** Does the filter let everything pass? */
export function isOpen(filter: SyncEventFilter | null | undefined): boolean {
  return !filter || (filter.runId == null && !hasWords(filter) && !isTold(filter) && !boundsRecording(filter));
}

/** Does it ask for words, whatever it says of the run? */
export function hasWords(filter: SyncEventFilter): boolean {
  return listFilters.some(([list]) => filter[list] != null);
}

/** Does it ask for what only the events themselves tell, as no index has it? */
export function isTold({ scopes, since, until, search }: SyncEventFilter): boolean {
  return scopes != null || since != null || until != null || search != null;
}

export function boundsRecording({ recordedSince, recordedUntil }: RecordingSpan): boolean {
  return recordedSince != null || recordedUntil != null;
}

/** What it asks for beside times of recording. */
export function withoutRecording(filter: SyncEventFilter): SyncEventFilter {
  return { ...filter, recordedSince: null, recordedUntil: null };
}

export function recordingSpan({ recordedSince: since, recordedUntil: until }: RecordingSpan): TimeSpan {
  return { since, until };
}

export function matches(event: SyncEvent, filter: SyncEventFilter | null | undefined): boolean {
  if (!filter) return true;
  if (filter.runId != null && event.runId !== filter.runId) return false;
  if (!isWithin(event.timestamp, filter) || !isWithin(event.recordedAt, recordingSpan(filter))) return false;
  if (filter.scopes?.includes(meantScope(event.scope)) === false) return false;
  return matchesWords(event, filter) && holdsText(event, filter);
}

/** Are these words among those that the filter asks for? */
export function matchesWords(
  words: Pick<SyncEvent, (typeof listFilters)[number][1]>,
  filter: SyncEventFilter,
): boolean {
  return listFilters.every(([list, field]) => filter[list]?.includes(meantBy(field, words[field])) ?? true);
}

/** What a filter compares: a provider's slug as it is, a word in the case of the wire format. */
export function meantBy(field: (typeof listFilters)[number][1], text: string): string {
  return field === 'provider' ? text : wordOf(text);
}
