import type { Database } from '../db/database.ts';
import { inTurns, oneByOne } from '../lib/batch-turns.ts';
import type { FoundLog } from './found-log.ts';
import type { LogSql, PagedEvent, RangeOfLog } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** Whoever asks for more events than this at once has statements alone. */
const SHARED_EVENTS = 200;
/**
 * At most so many askers share a statement. SQLite keeps the process for 5 ms with 1,600 events of little
 * metadata; on Postgres one statement is on its way at a time, so that more of them go together.
 */
const ASKERS = { sqlite: 8, postgresql: 32 } as const;

/** Who asks for more than this has several statements, between which others are served. A range is not cut. */
export const EVENTS_PER_STATEMENT = 500;

/** How many ranges from this one on a statement reads: those that begin before it has read enough. */
function lengthOfPiece(ranges: readonly RangeOfLog[], from: number): number {
  let events = 0;
  let end = from;
  for (; end < ranges.length && events < EVENTS_PER_STATEMENT; end += 1) {
    const { after, upTo } = ranges[end] as RangeOfLog;
    events += upTo - after;
  }
  return end - from;
}

/**
 * What is read of logs by many at once: requests that nobody has made before, streams that begin, logs that grow. What is
 * asked until the last read was answered shares the next statement, and no answer is older than its question.
 */
export class LogReads {
  readonly database: Database;
  /** Where a user's log begins and ends now; nothing for an unknown user. */
  readonly find: (userId: string) => Promise<FoundLog | undefined>;
  readonly #sql: LogSql;
  readonly #few: (ranges: readonly RangeOfLog[]) => Promise<readonly PagedEvent[]>;

  constructor(database: Database, sql: LogSql = logSqlOf(database)) {
    this.database = database;
    this.#sql = sql;
    this.find = oneByOne(
      (ids) => this.findAll(ids),
      ({ userId }) => userId,
    );
    this.#few = inTurns((asked) => this.#together(asked), ASKERS[database.kind]);
  }

  /** Where all of these logs begin and end now, in one statement of their own; unknown users are left out. */
  findAll(userIds: readonly string[]): Promise<FoundLog[]> {
    return this.#sql.findLogs(this.database.reader, userIds);
  }

  /** All events of all ranges with the index of each, in no order. */
  ranges(ranges: readonly RangeOfLog[]): Promise<readonly PagedEvent[]> {
    const events = ranges.reduce((sum, { after, upTo }) => sum + upTo - after, 0);
    return events > SHARED_EVENTS ? this.#inPieces(ranges) : this.#few(ranges);
  }

  async #together(asked: readonly (readonly RangeOfLog[])[]): Promise<readonly PagedEvent[][]> {
    const [alone = []] = asked;
    if (asked.length === 1) return [await this.#read(alone)];
    const answers: PagedEvent[][] = asked.map(() => []);
    const places = asked.flatMap((ranges, at) => ranges.map((_, page) => ({ answer: answers[at], page })));
    for (const { event, page } of await this.#read(asked.flat())) {
      const place = places[page];
      place?.answer?.push({ event, page: place.page });
    }
    return answers;
  }

  async #inPieces(ranges: readonly RangeOfLog[]): Promise<PagedEvent[]> {
    const found: PagedEvent[] = [];
    for (let from = 0; from < ranges.length; ) {
      const some = ranges.slice(from, from + lengthOfPiece(ranges, from));
      for (const { event, page } of await this.#read(some)) found.push({ event, page: from + page });
      from += some.length;
    }
    return found;
  }

  #read(ranges: readonly RangeOfLog[]): Promise<PagedEvent[]> {
    return this.#sql.readRanges(this.database.reader, ranges);
  }
}
