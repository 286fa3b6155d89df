import type { SyncRun } from '../db/rows.ts';
import { joinSql, rawSql, type Sql, sql } from '../db/sql.ts';
import { meantByColumn } from '../log/sql/meant-by-column.ts';
import { toldLateMs } from '../log/told-late.ts';
import { type SourceWord, silentStatuses, wordOf } from '../log/words.ts';

/**
 * How a run is, by how long ago its newest event was recorded: heard of lately, silent for longer than it usually is, silent for so
 * long that it will hardly go on, or finished.
 */
export const runHealths = ['active', 'quiet', 'stalled', 'ended'] as const;
export type RunHealth = (typeof runHealths)[number];

/** For how long a run has been silent when it counts as quiet, and as stalled. In milliseconds. */
interface Patience {
  readonly quietAfterMs: number;
  readonly stalledAfterMs: number;
}

const minute = 60_000;

/** How long runs may be silent, by the word of their source. */
const patienceOf: ReadonlyMap<string, Patience> = new Map(
  Object.entries({
    // Takes seconds and says what it fetches; the worker that died in the middle is not replaced.
    pull: { quietAfterMs: 2 * minute, stalledAfterMs: 10 * minute },
    // A single event as a rule; one that reports its start has a task of seconds and up to three retries before it.
    webhook: { quietAfterMs: minute, stalledAfterMs: 10 * minute },
    // One batch, saved in seconds and never retried.
    sdk: { quietAfterMs: 2 * minute, stalledAfterMs: 10 * minute },
    // Garmin is waited for up to 300 s for each of five types, with pauses of 60 s and not a word between them; the
    // collector of stuck jobs acts after 10 minutes more. A historical pull takes minutes.
    backfill: { quietAfterMs: 6 * minute, stalledAfterMs: 40 * minute },
    // The pull or the backfill of another user, which cannot be told apart.
    linked_account: { quietAfterMs: 6 * minute, stalledAfterMs: 40 * minute },
    // A large file takes many minutes, without progress between start and end.
    xml_import: { quietAfterMs: 10 * minute, stalledAfterMs: 60 * minute },
  } satisfies Record<SourceWord, Patience>),
);

/** Of a source that this server does not know: as patient as with any. */
const unknownPatience: Patience = { quietAfterMs: 10 * minute, stalledAfterMs: 60 * minute };

/**
 * The health of a run at a moment, in milliseconds since 1970. Silence is measured by this server's clock, from when the
 * newest event was recorded: the clock of a producer may be hours behind, and its run would have stalled at once, or ahead,
 * and its run would never stall. What the producer itself calls silent is stalled at once, and so is what it says happened
 * longer ago than `toldLateMs`: no clock is so far behind, it is history.
 */
export function runHealth(run: HeardOfRun & Pick<SyncRun, 'finished'>, now: number): RunHealth {
  if (run.finished) return 'ended';
  if (now >= stallsAt(run)) return 'stalled';
  return now - run.recordedAt.getTime() >= patienceWith(run).quietAfterMs ? 'quiet' : 'active';
}

type HeardOfRun = Pick<SyncRun, 'source' | 'status' | 'recordedAt' | 'lastEventAt'>;

/** When a run that has not finished stalls, if nothing more is heard of it, or has stalled. In milliseconds since 1970. */
export function stallsAt(run: HeardOfRun): number {
  if (silentStatuses.includes(wordOf(run.status))) return Number.NEGATIVE_INFINITY;
  const silentAt = run.recordedAt.getTime() + patienceWith(run).stalledAfterMs;
  return Math.min(silentAt, run.lastEventAt.getTime() + toldLateMs);
}

function patienceWith({ source }: Pick<SyncRun, 'source'>): Patience {
  return patienceOf.get(wordOf(source)) ?? unknownPatience;
}

const sources = [...patienceOf.keys()];
const inText = (words: readonly string[]) => rawSql(`(${words.map((word) => `'${word}'`).join(', ')})`);
const isSilent = sql`${meantByColumn('r', 'status')} IN ${inText(silentStatuses)}`;

/**
 * The condition that an unfinished run `r` is in one of these states: the same as `runHealth`, in SQL. Without stalled
 * runs it begins with a bound on the time alone, so that an index leads past all that is older.
 */
export function healthCondition(states: readonly RunHealth[], now: number): Sql {
  const asked = new Set(states);
  if (asked.size === runHealths.length - 1) return sql`true`;
  const before = (ms: number) => new Date(now - ms);
  const silenceOf = ({ quietAfterMs, stalledAfterMs }: Patience): Sql => {
    const longer = sql`r.recorded_at <= ${before(asked.has('quiet') ? quietAfterMs : stalledAfterMs)}`;
    const shorter = sql`r.recorded_at > ${before(asked.has('quiet') ? stalledAfterMs : quietAfterMs)}`;
    if (asked.has('active') && asked.has('stalled')) return sql`(${shorter} OR ${longer})`;
    if (asked.has('active')) return shorter;
    return asked.has('stalled') ? longer : sql`${longer} AND ${shorter}`;
  };
  const bySource = [
    ...[...patienceOf].map(
      ([source, patience]) => sql`${meantByColumn('r', 'source')} = ${source} AND ${silenceOf(patience)}`,
    ),
    sql`${meantByColumn('r', 'source')} NOT IN ${inText(sources)} AND ${silenceOf(unknownPatience)}`,
  ];
  const silence = sql`(${joinSql(bySource, ' OR ')})`;
  const toldLate = before(toldLateMs);
  return asked.has('stalled')
    ? sql`(${isSilent} OR r.last_event_at <= ${toldLate} OR ${silence})`
    : sql`r.last_event_at > ${toldLate} AND NOT ${isSilent} AND ${silence}`;
}
