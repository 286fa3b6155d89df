import type { Provider } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import { toBound } from '../../db/within.ts';
import type { LogSql, RecordingTime } from './log-sql.ts';

/** The table `t` of the times that are looked for, each with the length of the first step from the beginning of its range. */
const listed: Readonly<Record<Provider, (times: readonly RecordingTime[]) => Sql>> = {
  sqlite: (times) => sql`
    SELECT t.key, t.value->>0, t.value->>1, t.value->>2, t.value->>3, t.value->>4
    FROM json_each(${JSON.stringify(
      times.map((each) => [each.userId, toBound(each.time).getTime(), each.after, each.upTo, firstStep(each)]),
    )}) t`,
  postgresql: (times) => sql`
    SELECT (t.page - 1)::int, t.user_id, t.time, t.after, t.up_to, t.step FROM unnest(
      ${times.map(({ userId }) => userId)}::uuid[],
      ${times.map(({ time }) => toBound(time).toISOString())}::timestamptz[],
      ${times.map(({ after }) => after)}::int[],
      ${times.map(({ upTo }) => upTo)}::int[],
      ${times.map(firstStep)}::int[]
    ) WITH ORDINALITY t(user_id, time, after, up_to, step, page)`,
};

/** The largest power of two that is not beyond the range. */
function firstStep({ after, upTo }: RecordingTime): number {
  return 2 ** Math.floor(Math.log2(upTo - after));
}

/** Where times of recording part logs, in the SQL of both databases: by steps of which each is half as long as the one before. */
export const recordedBefore = (kind: Provider): Pick<LogSql, 'findRecordedBefore'> => ({
  findRecordedBefore: (database, times) =>
    database.$queryRaw`
      WITH RECURSIVE place (page, user_id, time, sequence, up_to, step) AS (
        ${listed[kind](times)}
        UNION ALL
        SELECT p.page, p.user_id, p.time,
          CASE WHEN p.step <= p.up_to - p.sequence AND coalesce((
            SELECT e.recorded_at < p.time FROM sync_event e
            WHERE e.user_id = p.user_id AND e.sequence = p.sequence + p.step), true)
          THEN p.sequence + p.step ELSE p.sequence END,
          p.up_to, p.step / 2
        FROM place p WHERE p.step > 0)
      SELECT page, sequence FROM place WHERE step = 0`,
});
