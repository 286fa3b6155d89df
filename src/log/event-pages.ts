import type { Page } from '../lib/page.ts';
import type { SyncEvent } from './event.ts';
import type { SyncEventFilter } from './filter.ts';
import type { LogBounds } from './found-log.ts';
import type { PagedEvent, SequenceRange } from './sql/log-sql.ts';

/** A page of one log, whose keys are sequences. */
export interface EventPageRequest extends Page<number> {
  readonly log: LogBounds;
  readonly filter?: SyncEventFilter | null | undefined;
}

/** Puts each event into the answer that it was read for, in order of sequence. */
export function fill(places: readonly { readonly answer: SyncEvent[] }[], events: readonly PagedEvent[]): void {
  for (const { page, event } of events) places[page]?.answer.push(event);
  for (const { answer } of places) answer.sort((a, b) => a.sequence - b.sequence);
}

/** The part of the log that a page may show. */
export function boundRange({ log, after, before }: EventPageRequest): SequenceRange {
  return {
    userId: log.userId,
    after: Math.max(after ?? 0, log.tailSequence - 1),
    upTo: Math.min(before === undefined ? log.headSequence : before - 1, log.headSequence),
  };
}
