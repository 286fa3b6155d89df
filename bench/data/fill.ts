/** How many users to write, each with how many events. */
export interface Population {
  /** Number of the first user. Users of several populations must not share numbers. */
  readonly from: number;
  readonly users: number;
  /** A multiple of {@link EVENTS_PER_RUN}. */
  readonly eventsPerUser: number;
  /** Types of data of each run; none if it is left out. No event tells of them. */
  readonly dataTypesPerRun?: number;
}

/** What the two databases write differently. */
export interface Dialect {
  /** An expression as lower-case hexadecimal of so many digits. */
  hex(expression: string, digits: number): string;
  /** Milliseconds since 1970 as a time. */
  time(milliseconds: string): string;
  /** A text as JSON. */
  json(text: string): string;
  /** A table `name(n)` of whole numbers, both ends included. */
  numbers(name: string, first: number, last: number): string;
  /** A text as a value of an id's column. */
  id(text: string): string;
  /** A number cut to a whole one. */
  whole(expression: string): string;
}

/** Each run reports as many events: queued, started, fetching four times, saving, completed. */
export const EVENTS_PER_RUN = 8;

/** When the first event of everybody happened: 2026-01-01T00:00:00Z. Each next one follows a second later. */
const START = 1_767_225_600_000;

/** The id of the user with this number; `fillStatements` writes the same. */
export function userId(number: number): string {
  return `${hexOf(number, 8)}-0000-4000-8000-${hexOf(number, 12)}`;
}

const hexOf = (number: number, digits: number) => number.toString(16).padStart(digits, '0');

/**
 * Statements that write whole logs: users, their events, and the runs and connections that these fold to. It is SQL over
 * numbers and not `recordSyncEvents`, since millions of events are wanted in a minute. No run is left to be folded anew: servers
 * would do that beside what is measured.
 */
export function fillStatements(
  { from, users, eventsPerUser, dataTypesPerRun = 0 }: Population,
  dialect: Dialect,
): string[] {
  const { hex, time, json, numbers, id, whole } = dialect;
  const user = numbers('u', from, from + users - 1);
  const userText = (n: string) => id(`${hex(n, 8)} || '-0000-4000-8000-' || ${hex(n, 12)}`);
  const run = (sequence: string) => whole(`(${sequence} - 1) / ${EVENTS_PER_RUN}`);
  const step = `(s.n - 1) % ${EVENTS_PER_RUN}`;
  const provider = (n: string, r: string) =>
    `CASE (${n} + ${r}) % 4 WHEN 0 THEN 'garmin' WHEN 1 THEN 'oura' WHEN 2 THEN 'whoop' ELSE 'apple' END`;
  const at = (sequence: string) => time(`${START} + (${sequence}) * 1000`);
  const runs = eventsPerUser / EVENTS_PER_RUN;
  const firstOf = `r.n * ${EVENTS_PER_RUN} + 1`;
  const lastOf = `(r.n + 1) * ${EVENTS_PER_RUN}`;
  const began = at(`${firstOf} + 1`);
  return [
    `INSERT INTO "user" (id, external_user_id, email, first_name, last_name, created_at, head_sequence, tail_sequence)
     SELECT ${userText('u.n')}, 'external-' || u.n, 'person' || u.n || '@example.org', 'First' || u.n, 'Last' || u.n,
       ${time(`${START} + u.n`)}, ${eventsPerUser}, 1
     FROM ${user}`,
    `INSERT INTO sync_event (user_id, sequence, id, run_id, provider, source, stage, status, message, progress,
       items_processed, items_total, error, primary_user_id, metadata, started_at, ended_at, timestamp, recorded_at, late)
     SELECT ${userText('u.n')}, s.n,
       ${id(`${hex('u.n', 8)} || '-0000-4000-9000-' || ${hex('s.n', 12)}`)},
       'run_' || ${run('s.n')}, ${provider('u.n', run('s.n'))}, 'pull',
       CASE ${step} WHEN 0 THEN 'queued' WHEN 1 THEN 'started' WHEN 6 THEN 'saving' WHEN 7 THEN 'completed' ELSE 'fetching' END,
       CASE ${step} WHEN 7 THEN 'success' ELSE 'in_progress' END,
       'Step ' || (${step}) || ' of the daily pull', (${step}) / 8.0, (${step}) * 10, 70, NULL, NULL,
       ${json(`'{"page":' || (${step}) || '}'`)},
       CASE ${step} WHEN 1 THEN ${at('s.n')} END, CASE ${step} WHEN 7 THEN ${at('s.n')} END, ${at('s.n')}, ${at('s.n')}, ${dialect.whole('0')} = 1
     FROM ${user}, ${numbers('s', 1, eventsPerUser)}`,
    `INSERT INTO sync_run (user_id, run_id, provider, source, stage, status, message, progress, items_processed, items_total,
       error, primary_user_id, newest_primary_user_id, started_at, newest_started_at, ended_at, last_event_at, last_sequence,
       event_count, finished, recorded_at, newest_at, scope, opened_at, milestone_at, milestone_status, last_ended_at, attempts,
       folded_sequence)
     SELECT ${userText('u.n')}, 'run_' || r.n, ${provider('u.n', 'r.n')}, 'pull', 'completed', 'success',
       'Step 7 of the daily pull', 7 / 8.0, 70, 70, NULL, NULL, NULL, ${began}, ${began}, ${at(lastOf)}, ${at(lastOf)},
       ${lastOf}, ${EVENTS_PER_RUN}, ${dialect.whole('1')} = 1, ${at(lastOf)}, ${at(lastOf)}, 'live', ${began}, ${at(lastOf)},
       'success', ${at(lastOf)}, 1, ${lastOf}
     FROM ${user}, ${numbers('r', 0, runs - 1)}`,
    ...(dataTypesPerRun > 0
      ? [
          `INSERT INTO sync_run_data_type (user_id, run_id, data_type, kind, status, items_inserted, items_updated, attempts)
     SELECT ${userText('u.n')}, 'run_' || r.n, 'type_' || d.n, 'series', 'success', d.n, 0, 1
     FROM ${user}, ${numbers('r', 0, runs - 1)}, ${numbers('d', 1, dataTypesPerRun)}`,
        ]
      : []),
  ];
}
