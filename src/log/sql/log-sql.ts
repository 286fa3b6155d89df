import type { Queryable, Transaction, Write } from '../../db/database.ts';
import type { SyncRun, SyncRunBatch, User } from '../../db/rows.ts';
import type { SyncEvent } from '../event.ts';
import type { SyncEventFilter } from '../filter.ts';
import type { FoundLog } from '../found-log.ts';

/** A part of one user's log: after the first sequence, up to and with the second. */
export interface SequenceRange {
  readonly userId: string;
  readonly after: number;
  readonly upTo: number;
}

/** A range of the log of one very user: nothing is in it once that user is deleted, whoever has the id then. */
export interface RangeOfLog extends SequenceRange {
  /** When the user was made; of whatever user it is, if it is not given. */
  readonly createdAt?: Date;
}

/** Where a user's log stands. */
export interface LogHead {
  /** Of the newest event; 0 for an empty log. */
  readonly sequence: number;
  /** When that was recorded; null for a log that never had one. */
  readonly recordedAt: Date | null;
}

/** Logs that a transaction has locked. Users who do not exist are in neither list. */
export interface LockedLogs {
  /** By the ids of their users. */
  readonly heads: ReadonlyMap<string, LogHead>;
  /** Users who were left out. */
  readonly lockedByOthers: ReadonlySet<string>;
  /** The transaction in the database's own order, see `readSnapshot`. */
  readonly change: bigint;
}

/** What tells one batch of a run from others. */
type BatchKey = Pick<SyncRunBatch, 'userId' | 'runId' | 'batchId'>;

/** One user's log of which something is new after a sequence. */
export type ChangedLog = Pick<SequenceRange, 'userId' | 'after'>;

/** What was removed from a log. */
export interface Cut {
  readonly events: number;
  readonly runs: number;
}

/** Events of one user's log from one sequence to before another one. */
interface SequenceSpan {
  readonly userId: string;
  readonly from: number;
  readonly end: number;
}

/** Between which times an event is young; what was recorded later was recorded by a clock that was ahead. */
export interface AgeTimes {
  readonly cutoff: Date;
  readonly latest: Date;
}

/** The first or last `limit` events of a range that match a filter. */
export interface FilteredPage extends SequenceRange {
  readonly filter: SyncEventFilter;
  readonly limit: number;
  readonly fromEnd: boolean;
}

/** A time that is looked for in a range of a log. */
export interface RecordingTime extends SequenceRange {
  readonly time: Date;
}

/** Words that events of one user have together: what filters ask for, beside the run. */
export type EventKind = Pick<SyncEvent, 'userId' | 'provider' | 'source' | 'stage' | 'status'>;

/** What is done about users whose rows somebody else has locked: they are waited for, or left out. */
type UserLocking = 'wait' | 'skip';

/** A page whose filter lets through the events of some kinds of its user, whatever else it says. */
export interface PageOfKinds extends FilteredPage {
  readonly kinds: readonly EventKind[];
}

/** An event with the index of the range or page that it was read for. */
export interface PagedEvent {
  readonly event: SyncEvent;
  readonly page: number;
}

/** Where an event stands, with the index of the page that it was looked for in. */
export type FoundEvent = Pick<PagedEvent, 'page'> & Pick<SyncEvent, 'sequence'>;

/**
 * The log's own SQL, written once for each database. Everything that writes takes any number of rows, and
 * everything that reads answers any number of requests, so that the number of statements never depends on the number
 * of events, users or requests.
 */
export interface LogSql {
  /** Where the logs of these users begin and end now, in one statement; users who do not exist are left out. */
  findLogs(database: Queryable, userIds: readonly string[]): Promise<FoundLog[]>;
  /** At most so many logs in the order of their users' ids, those after a user or the first ones. */
  listLogs(database: Queryable, after: string | undefined, limit: number): Promise<FoundLog[]>;
  /** Locks users in the order of their ids, so that two who wait for each other's users cannot meet. */
  lockUsers(transaction: Queryable, userIds: readonly string[], locking: UserLocking): Promise<LockedLogs>;
  readEventsById(database: Queryable, ids: readonly string[]): Promise<SyncEvent[]>;
  readRuns(
    database: Queryable,
    keys: readonly { readonly userId: string; readonly runId: string }[],
  ): Promise<SyncRun[]>;
  readBatches(database: Queryable, keys: readonly BatchKey[]): Promise<SyncRunBatch[]>;
  /** The runs with events after a sequence of their user's log, in the order of their newest ones. */
  readChangedRuns(database: Queryable, logs: readonly ChangedLog[]): Promise<SyncRun[]>;
  insertEvents(events: readonly SyncEvent[]): Write;
  upsertRuns(runs: readonly SyncRun[]): Write;
  /** Their runs must be there. */
  upsertBatches(batches: readonly SyncRunBatch[]): Write;
  raiseHeads(grown: Pick<LockedLogs, 'heads' | 'change'>): readonly Write[];
  /** Moves the tail of a user's log up to a sequence, never back. @returns false when this very user is gone. */
  raiseTail(transaction: Transaction, user: Pick<User, 'id' | 'createdAt'>, tail: number): Promise<boolean>;
  /** Removes the events of a log before a sequence, and the runs of which no event is left. */
  removeBefore(transaction: Transaction, userId: string, tail: number): Promise<Cut>;
  /**
   * Where the first event stands that is young, or the last one that is old. Where the clock was wrong, the producer's
   * time has a say: an event that was recorded later than `latest` is either only if that time is, and one that was
   * recorded before `cutoff` is not old if that time is young.
   */
  findByAge(
    database: Queryable,
    span: SequenceSpan,
    age: 'young' | 'old',
    times: AgeTimes,
  ): Promise<number | undefined>;
  /** All events of all ranges, in one statement and in no order. */
  readRanges(database: Queryable, ranges: readonly RangeOfLog[]): Promise<PagedEvent[]>;
  /** Any mix of at most `SELECTS_PER_STATEMENT` filtered pages, in one statement and in no order. */
  readFilteredPages(database: Queryable, pages: readonly FilteredPage[]): Promise<PagedEvent[]>;
  /**
   * Of each page the `place`th event of the run that its filter names, from 1 and in the direction of the page; other
   * parts of the filter do not count. Pages with fewer are missing. One statement for `SELECTS_PER_STATEMENT` pages.
   */
  findRunEvents(database: Queryable, pages: readonly FilteredPage[], place: number): Promise<FoundEvent[]>;
  /**
   * Of each page the first event, in its direction, with which all from its beginning are as much to read as so many without any
   * text; the filter does not count, but for its run. Looks at `most` at most: pages of less are missing. One statement for
   * `SELECTS_PER_STATEMENT` pages.
   */
  findWeighedEnds(database: Queryable, pages: readonly FilteredPage[], most: number): Promise<FoundEvent[]>;
  /**
   * For each time the last event of its range that was recorded before, or where the range begins if none was. What is not
   * there any more counts as recorded before. One statement, whose steps grow with the number of the events' digits.
   */
  findRecordedBefore(database: Queryable, times: readonly RecordingTime[]): Promise<FoundEvent[]>;
  /** All kinds that there are of the events of each user, but of no user more than so many. */
  findKinds(database: Queryable, userIds: readonly string[], most: number): Promise<EventKind[]>;
  /**
   * The pages of at most `SELECTS_PER_STATEMENT`, in one statement and in no order. For each kind it looks at as many events
   * as the page takes.
   */
  readPagesOfKinds(database: Queryable, pages: readonly PageOfKinds[]): Promise<PagedEvent[]>;
}
