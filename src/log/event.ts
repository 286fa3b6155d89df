import type { SyncEvent as SyncEventRow } from '../db/rows.ts';
import type { Json } from '../lib/json.ts';

/** An event of a user's log, as it is stored. Times are to the millisecond. */
export type SyncEvent = SyncEventRow;

/** Why a sync did not succeed, in the words of `SyncReasonClass` and `SyncActor`. What is left open follows from the class. */
export interface StatedReason {
  readonly class: string;
  readonly retryable?: boolean | null | undefined;
  readonly actor?: string | null | undefined;
  readonly text?: string | null | undefined;
}

/** A span of data; a bound that is not known is left out. */
export interface StatedSpan {
  readonly start?: Date | null | undefined;
  readonly end?: Date | null | undefined;
}

/** What a sync did with one type of data, in the words of `DataTypeKind` and `DataTypeState` in lower case. */
export interface StatedDataType {
  readonly dataType: string;
  readonly kind?: string | null | undefined;
  readonly state: string;
  readonly requested?: StatedSpan | null | undefined;
  readonly covered?: StatedSpan | null | undefined;
  readonly daysWithData?: number | null | undefined;
  readonly newestData?: Date | null | undefined;
  readonly reportedRecords?: number | null | undefined;
  readonly itemsInserted?: number | null | undefined;
  readonly itemsUpdated?: number | null | undefined;
  readonly nativeType?: string | null | undefined;
  readonly errorCode?: string | null | undefined;
  readonly error?: string | null | undefined;
  readonly reason?: StatedReason | null | undefined;
}

/**
 * An event as a producer reports it, already checked by `checkEvent`. What it leaves out is null in the log; without
 * an `id` it gets a new one, without a `timestamp` the time of its arrival.
 */
export interface EventDraft {
  readonly id?: string | null | undefined;
  readonly userId: string;
  readonly runId: string;
  readonly provider: string;
  /** Wire words, see `words.ts`. */
  readonly source: string;
  readonly stage: string;
  readonly status: string;
  readonly message?: string | null | undefined;
  /** 0 to 1. */
  readonly progress?: number | null | undefined;
  readonly itemsProcessed?: number | null | undefined;
  readonly itemsTotal?: number | null | undefined;
  readonly error?: string | null | undefined;
  readonly primaryUserId?: string | null | undefined;
  readonly metadata?: { readonly [key: string]: Json } | null | undefined;
  /** Wire word, see `words.ts`; null or left out where the producer does not say, and `live` is meant. */
  readonly scope?: string | null | undefined;
  /** The span of data that the run was asked to cover. */
  readonly windowStart?: Date | null | undefined;
  readonly windowEnd?: Date | null | undefined;
  /** What a source's entry said under keys that this server does not know. */
  readonly extra?: { readonly [key: string]: Json } | null | undefined;
  /** Why the sync did not succeed; left out where the event's other fields are to tell. */
  readonly reason?: StatedReason | null | undefined;
  /** What the sync did with types of data, each named once; left out where `metadata` is to tell. */
  readonly dataTypes?: readonly StatedDataType[] | null | undefined;
  readonly startedAt?: Date | null | undefined;
  readonly endedAt?: Date | null | undefined;
  readonly timestamp?: Date | null | undefined;
  /**
   * Set where the time is that of a message, which may have come late, and the event tells that its run began: it happened
   * before all else that is known of the run.
   */
  readonly isBeginning?: true | undefined;
}

/** The cursor of an event: its sequence, in decimal. `"0"` is the beginning of every log. */
export type Cursor = string;

export function cursorOf(sequence: number): Cursor {
  return String(sequence);
}
