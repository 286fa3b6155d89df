import type { Database } from '../db/database.ts';
import { type ConnectWire, connectDoorbell } from '../instances/doorbell.ts';
import { WakeUps } from '../instances/wake-ups.ts';
import type { Clock } from '../lib/clock.ts';
import type { Outage } from '../lib/outages.ts';
import type { Limits } from '../limits.ts';
import type { EventDraft, SyncEvent } from './event.ts';
import type { EventPageRequest } from './event-pages.ts';
import { FollowedLogs } from './follow/followed-logs.ts';
import { Follower, type FollowRequest } from './follow/follower.ts';
import type { FollowedEvents } from './follow/steps.ts';
import type { LogBounds } from './found-log.ts';
import { LogFigures } from './log-figures.ts';
import { LogReads } from './log-reads.ts';
import type { AnyProjection } from './projection.ts';
import { readPages } from './read-pages.ts';
import type { RecordedEvent } from './record/plan-recordings.ts';
import { Recorder } from './record/recorder.ts';
import { countRecorded, type RecordedCountRequest } from './recorded-within.ts';
import type { LogSql } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** The logs of all users: the only way in, and the only way out, for events. */
export interface EventLog {
  /**
   * Adds 1 to `limits.eventsPerRecording` events to the logs of their users, all or nothing, and resolves once they are
   * committed and durable: one answer for each draft, in their order. An event whose id the log has is answered as a
   * duplicate and changes nothing, if its content is the same.
   * @throws AppError BAD_USER_INPUT (with `problems`: index, field and message of each), LIMIT_EXCEEDED for too many
   * events, NOT_FOUND for an unknown user, EVENT_ID_CONFLICT for an id with other content, UNAVAILABLE when too many
   * recordings wait, the database is away or the log is closed.
   */
  record(drafts: readonly EventDraft[]): Promise<readonly RecordedEvent[]>;
  /**
   * Any number of pages, each in ascending order and bound by the log's ends as the request names them; an answer for
   * each request, in their order. Those without a filter are a statement for each 500 events, and up to a hundred others are
   * a few, unless a log has very many kinds of events, or retention removes what is being read.
   */
  readPages(requests: readonly EventPageRequest[]): Promise<readonly (readonly SyncEvent[])[]>;
  /** Where these logs begin and end now, in one statement; unknown users are left out. */
  find(userIds: readonly string[]): Promise<readonly LogBounds[]>;
  /**
   * How many events of each log were recorded at the times that a filter names, whatever else it asks for; one statement for
   * a hundred requests.
   */
  countRecorded(requests: readonly RecordedCountRequest[]): Promise<readonly number[]>;
  /** The events with these ids, as far as the log has them, in one statement. */
  eventsById(ids: readonly string[]): Promise<SyncEvent[]>;
  /**
   * One user's log from where the request begins: what it asks to replay, then whatever comes, each event once and in
   * order, until the user is deleted or `signal` aborts. The first step comes at once. Nothing is read before it is
   * pulled; while the database is away, the next step waits.
   * @throws AppError NOT_FOUND for an unknown user, unless users are awaited; the signal's reason, with the cursor to resume from, if it is one.
   */
  follow(request: FollowRequest, signal: AbortSignal): AsyncGenerator<FollowedEvents, void, undefined>;
  /**
   * Is an unknown user followed as one whose log is still empty? No row is made for such a user, and what is kept of them in
   * memory goes with the last who follows.
   */
  readonly awaitsUsers: boolean;
  /** Rings whenever a log changes. Whoever deletes a user rings it, too. */
  readonly wakeUps: WakeUps;
  /** What was recorded and delivered, and how long that took. */
  readonly figures: LogFigures;
  /** How many logs are being followed. */
  readonly followedLogs: number;
  /** How many recordings wait for a transaction. */
  readonly waitingRecordings: number;
  /** How many recordings wait for rows that somebody else keeps locked. */
  readonly heldUpRecordings: number;
  /** Refuses new recordings and resolves when the accepted ones are answered. */
  close(): Promise<void>;
}

export function openEventLog(options: {
  readonly database: Database;
  /** The log's statements, if not those of the database's kind. */
  readonly sql?: LogSql;
  /** What is kept up to date with the log, in this order; nothing if not given. */
  readonly projections?: readonly AnyProjection[];
  /** See {@link EventLog.awaitsUsers}; false if not given. */
  readonly awaitsUsers?: boolean;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Told of failures that no request waits for; they are retried. */
  readonly onError: (error: unknown) => void;
  /** Opens the wire to other instances, if there can be any. */
  readonly doorbell?: { readonly connect: ConnectWire; readonly outage: Outage } | undefined;
}): EventLog {
  const wakeUps = new WakeUps();
  const figures = new LogFigures();
  wakeUps.listen(
    () => {},
    () => {
      figures.gaps += 1;
    },
  );
  const { database, sql = logSqlOf(database) } = options;
  const recorder = new Recorder({ ...options, sql, wakeUps, figures });
  const reads = new LogReads(database, sql);
  const followed = new FollowedLogs({ ...options, reads, wakeUps, figures });
  const doorbell = options.doorbell && connectDoorbell(wakeUps, options.doorbell.connect, options.doorbell.outage);
  return {
    record: (drafts) => recorder.record(drafts),
    readPages: (requests) => readPages(reads, requests),
    find: (userIds) => reads.findAll(userIds),
    countRecorded: (requests) => countRecorded(database, requests),
    eventsById: (ids) => sql.readEventsById(database.reader, ids),
    follow: (request, signal) => new Follower(followed, options.limits, request, signal),
    awaitsUsers: options.awaitsUsers ?? false,
    wakeUps,
    figures,
    get followedLogs() {
      return followed.size;
    },
    get waitingRecordings() {
      return recorder.waiting;
    },
    get heldUpRecordings() {
      return recorder.heldUp;
    },
    async close() {
      await recorder.close();
      await doorbell?.close();
      followed.close();
    },
  };
}
