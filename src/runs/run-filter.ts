import { isOneOf } from '../db/columns.ts';
import type { Provider } from '../db/database.ts';
import type { SyncRun } from '../db/rows.ts';
import { type Sql, sql } from '../db/sql.ts';
import { areWithin } from '../db/within.ts';
import { isWithin } from '../lib/time-span.ts';
import { boundsRecording, meantBy, type RecordingSpan, recordingSpan } from '../log/filter.ts';
import { holdsText, holdsTextIn, type TextSearch } from '../log/found-text.ts';
import { meantScope, meantScopeIn } from '../log/meant-scope.ts';
import { meantByColumn } from '../log/sql/meant-by-column.ts';
import { type RunHealth, runHealth } from './run-health.ts';

/** Which runs are wanted: those that match every given part. An empty list matches nothing. Words are wire words. */
export interface SyncRunFilter extends RecordingSpan, TextSearch {
  readonly userId?: string | null | undefined;
  readonly providers?: readonly string[] | null | undefined;
  readonly sources?: readonly string[] | null | undefined;
  readonly statuses?: readonly string[] | null | undefined;
  /** A run of which no scope is told is of the scope `live`. */
  readonly scopes?: readonly string[] | null | undefined;
  readonly health?: readonly RunHealth[] | null | undefined;
  /** When the newest event happened, as `lastEventAt` tells it: at `since` or later, and before `until`. */
  readonly since?: Date | null | undefined;
  readonly until?: Date | null | undefined;
}

const listFilters = [
  ['providers', 'provider'],
  ['sources', 'source'],
  ['statuses', 'status'],
] as const;

/** Does the filter ask for words? */
export function hasWords(filter: SyncRunFilter | null | undefined): boolean {
  return listFilters.some(([list]) => filter?.[list] != null);
}

/** Does it ask for what only the runs themselves tell, as no index that is in the order of the list has it? */
export function isTold(filter: SyncRunFilter | null | undefined): boolean {
  return filter != null && (boundsRecording(filter) || filter.scopes != null || filter.search != null);
}

/** What a run `r` must tell by itself. */
export function toldBy(filter: SyncRunFilter | null | undefined, kind: Provider): Sql[] {
  const { scopes, search, searchedIn, ...others } = filter ?? {};
  return [
    ...areWithin(sql`r.recorded_at`, recordingSpan(others)),
    ...(scopes == null ? [] : [isOneOf(meantScopeIn('r'), scopes)]),
    ...holdsTextIn('r', { search, searchedIn }, kind),
  ];
}

/** The words that a run `r`, or a kind `k`, must have. */
export function wordsOf(filter: SyncRunFilter | null | undefined, table: 'r' | 'k'): Sql[] {
  return listFilters.flatMap(([list, field]) => {
    const words = filter?.[list];
    return words ? [isOneOf(meantByColumn(table, field), words)] : [];
  });
}

/** @param now the moment that the health is judged at, in milliseconds since 1970. */
export function matchesRun(run: SyncRun, filter: SyncRunFilter | null | undefined, now: number): boolean {
  if (!filter) return true;
  if (filter.userId != null && run.userId !== filter.userId) return false;
  if (!isWithin(run.lastEventAt, filter) || !isWithin(run.recordedAt, recordingSpan(filter))) return false;
  if (filter.scopes?.includes(meantScope(run.scope)) === false) return false;
  if (filter.health && !filter.health.includes(runHealth(run, now))) return false;
  if (!listFilters.every(([list, field]) => filter[list]?.includes(meantBy(field, run[field])) ?? true)) return false;
  return holdsText(run, filter);
}
