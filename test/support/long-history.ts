import type { Database } from '../../src/db/database.ts';

/** A user whose log is written at once. */
interface History {
  /** Number of the user, from 1: `numberedUser` makes the id of it. */
  readonly user: number;
  readonly events: number;
}

/** Events of each run: the last of them says `success`, the others `in_progress`. */
const EVENTS_PER_RUN = 5;
/** Events that one statement writes. */
const BATCH = 20_000;
/** When the first event of each log happened. */
export const startOfHistories = Date.UTC(2026, 0);

export const numberedUser = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** What the two databases write differently. */
const dialects = {
  sqlite: {
    numbers: (first: number, last: number) =>
      `(WITH RECURSIVE i (n) AS (VALUES (${first}) UNION ALL SELECT n + 1 FROM i WHERE n < ${last}) SELECT n FROM i) s`,
    id: (prefix: string, number: string) => `printf('${prefix}%012d', ${number})`,
    time: (ms: string) => `(${ms})`,
  },
  postgresql: {
    numbers: (first: number, last: number) => `generate_series(${first}, ${last}) s (n)`,
    id: (prefix: string, number: string) => `('${prefix}' || lpad((${number})::text, 12, '0'))::uuid`,
    time: (ms: string) => `to_timestamp((${ms}) / 1000.0)`,
  },
};

/**
 * Writes users `first` to `last`, and whole logs with their runs, by SQL over numbers: recording would take minutes. The
 * providers are `garmin` and `oura`, run by run, and the source is `pull`; every seventh run has not finished, whatever its
 * events say. The database knows its statistics afterwards.
 */
export async function writeHistories(
  database: Database,
  { first, last }: { readonly first: number; readonly last: number },
  histories: readonly History[],
): Promise<void> {
  const { numbers, id, time } = dialects[database.kind];
  const run = (statement: string) => database.transaction((transaction) => transaction.$executeRawUnsafe(statement));
  await run(`INSERT INTO "user" (id, email, first_name, created_at, head_sequence)
    SELECT ${id('00000000-0000-4000-8000-', 's.n')}, 'person' || s.n || '@example.org', 'First' || s.n, ${time(`${startOfHistories} + s.n`)}, 0
    FROM ${numbers(first, last)}`);
  for (const { user, events } of histories) {
    const owner = id('00000000-0000-4000-8000-', String(user));
    const prefix = `${String(user).padStart(8, '0')}-0000-4000-9000-`;
    await run(`UPDATE "user" SET head_sequence = ${events} WHERE id = ${owner}`);
    for (let from = 1; from <= events; from += BATCH) {
      const upTo = Math.min(from + BATCH - 1, events);
      const words = (number: string) => `CASE (${number}) % 2 WHEN 0 THEN 'garmin' ELSE 'oura' END, 'pull'`;
      await run(`INSERT INTO sync_event (user_id, sequence, id, run_id, provider, source, stage, status, metadata, timestamp,
          recorded_at, late)
        SELECT ${owner}, s.n, ${id(prefix, 's.n')}, 'run_' || ((s.n - 1) / ${EVENTS_PER_RUN}),
          ${words(`(s.n - 1) / ${EVENTS_PER_RUN}`)}, CASE s.n % ${EVENTS_PER_RUN} WHEN 0 THEN 'completed' ELSE 'fetching' END,
          CASE s.n % ${EVENTS_PER_RUN} WHEN 0 THEN 'success' ELSE 'in_progress' END, '{}',
          ${time(`${startOfHistories} + s.n * 1000`)}, ${time(`${startOfHistories} + s.n * 1000`)}, 1 = 0
        FROM ${numbers(from, upTo)}`);
      await run(`INSERT INTO sync_run (user_id, run_id, provider, source, stage, status, last_event_at, last_sequence,
          event_count, finished, recorded_at)
        SELECT ${owner}, 'run_' || s.n, ${words('s.n')}, 'completed', CASE s.n % 7 WHEN 3 THEN 'in_progress' ELSE 'success' END,
          ${time(`${startOfHistories} + (s.n + 1) * ${EVENTS_PER_RUN}000`)}, (s.n + 1) * ${EVENTS_PER_RUN}, ${EVENTS_PER_RUN}, s.n % 7 <> 3,
          ${time(`${startOfHistories} + (s.n + 1) * ${EVENTS_PER_RUN}000`)}
        FROM ${numbers((from - 1) / EVENTS_PER_RUN, upTo / EVENTS_PER_RUN - 1)}`);
    }
  }
  await run('ANALYZE');
}

/** When an entry of `writeQuarantine` was first seen: a thousand of them in each second. */
export const seenAt = (number: number) => new Date(startOfHistories + Math.floor(number / 1_000) * 1_000);

/** Writes entries 1 to `count` of a source's quarantine, with fingerprints `f0000000001` and so on. */
export async function writeQuarantine(database: Database, source: string, count: number): Promise<void> {
  const { numbers, time } = dialects[database.kind];
  const digits = database.kind === 'sqlite' ? "printf('%010d', s.n)" : "lpad(s.n::text, 10, '0')";
  const write = `INSERT INTO quarantined_entry (fingerprint, source, reason, detail, place, payload_bytes, first_seen_at)
    SELECT 'f' || ${digits}, '${source}', 'not_json', 'no JSON', 'a list', 3, ${time(`${startOfHistories} + s.n / 1000 * 1000`)}
    FROM ${numbers(1, count)}`;
  await database.transaction((transaction) => transaction.$executeRawUnsafe(write));
  await database.transaction((transaction) => transaction.$executeRawUnsafe('ANALYZE'));
}
