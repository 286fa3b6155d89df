import type { Database } from '../db/database.ts';
import { inPieces } from '../lib/in-pieces.ts';
import { boundRange, type EventPageRequest } from './event-pages.ts';
import { boundsRecording, withoutRecording } from './filter.ts';
import { logSqlOf } from './sql/log-sql-of.ts';

/** Times that one statement looks up: SQLite keeps the process for 5 ms with them, in logs of a hundred thousand events. */
const TIMES_PER_STATEMENT = 200;

const bounds = ['recordedSince', 'recordedUntil'] as const;

/**
 * The same pages with sequences in the place of times of recording. Nothing is recorded in a log before what is in it
 * already, so that such a time parts the sequences; where, is found by halving, along the primary key.
 */
export async function withinRecording(
  database: Database,
  requests: readonly EventPageRequest[],
): Promise<readonly EventPageRequest[]> {
  const times = requests.flatMap((request, at) =>
    bounds.flatMap((bound) => {
      const time = request.filter?.[bound];
      const range = boundRange(request);
      return time == null || range.after >= range.upTo ? [] : [{ ...range, time, place: `${at} ${bound}` }];
    }),
  );
  const lastBefore = new Map<string, number>();
  for (const some of inPieces(times, TIMES_PER_STATEMENT))
    for (const { page, sequence } of await logSqlOf(database).findRecordedBefore(database.reader, some))
      lastBefore.set(some[page]?.place ?? '', sequence);

  return requests.map((request, at) => {
    const { filter } = request;
    if (!filter || !boundsRecording(filter)) return request;
    const end = lastBefore.get(`${at} recordedUntil`);
    return {
      ...request,
      after: lastBefore.get(`${at} recordedSince`) ?? request.after,
      before: end === undefined ? request.before : end + 1,
      filter: withoutRecording(filter),
    };
  });
}

/** How many events of a log were recorded at the times that a filter names, whatever else it asks for. */
export type RecordedCountRequest = Pick<EventPageRequest, 'log' | 'filter'>;

export async function countRecorded(
  database: Database,
  requests: readonly RecordedCountRequest[],
): Promise<readonly number[]> {
  const pages = requests.map(({ log, filter }) => ({ log, filter, limit: 0, fromEnd: false }));
  return (await withinRecording(database, pages)).map((request) => {
    const { after, upTo } = boundRange(request);
    return Math.max(0, upTo - after);
  });
}
