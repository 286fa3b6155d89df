import type { Database, Decision, Queryable, Write } from '../db/database.ts';
import { isHeldUp } from '../db/faults.ts';
import { SELECTS_PER_STATEMENT } from '../db/sql.ts';
import { groupBy } from '../lib/group-by.ts';
import { pause } from '../lib/pause.ts';
import { pauseAfter, retry } from '../lib/retry.ts';
import type { AnyProjection } from './projection.ts';
import { runKey } from './record/fold-run.ts';
import { LOCK_WAIT_MS } from './record/recording-commits.ts';
import { type Refolded, Refolding } from './record/refolding.ts';
import type { LogSql } from './sql/log-sql.ts';
import { logSqlOf } from './sql/log-sql-of.ts';
import { noteChange } from './sql/revision.ts';
import { batchRemoval, findRunsToFold, isAnyRunToFold, type RunToFold } from './sql/runs-to-fold.ts';

/** Runs that one transaction writes, if they have not too many events: those who record for their users wait some milliseconds. */
const RUNS_PER_TRANSACTION = SELECTS_PER_STATEMENT;
/** Events that are in memory at a time. */
const EVENTS_PER_READ = 500;
/** Between two transactions, for the others. */
const PAUSE_MS = 5;
/** Until the index is asked again for those that an earlier release has written since. */
const LOOK_MS = 600_000;
/** Until those are tried again whose users somebody has kept locked, too. */
const RETRY_MS = { first: 500, longest: 30_000 };

interface RefoldingOptions {
  readonly database: Pick<Database, 'kind' | 'reader' | 'change'>;
  /** Those of the log: what they keep of runs is folded with these. */
  readonly projections: readonly AnyProjection[];
  readonly onError: (error: unknown) => void;
}

/**
 * Folds the runs anew that an earlier release has written: before this one, or in another instance while both work. It runs
 * beside everything else, as there may be millions, and an index leads to them, so that a look that finds none costs nothing
 * much. Until then a run is as the earlier release has left it, and what is recorded goes on top of that.
 *
 * Events are read and folded without any lock. Then a transaction locks the users, folds what was recorded meanwhile, and
 * writes: how long others wait does not grow with the events of a run, but for its batches.
 * @returns what ends it, and resolves when nothing of it runs any more
 */
export function startRefoldingRuns({ database, projections, onError }: RefoldingOptions): () => Promise<void> {
  const work: Work = {
    ...{ database, sql: logSqlOf(database) },
    projections: projections.filter(({ removeOfRuns }) => removeOfRuns),
  };
  const stopping = new AbortController();
  const { signal } = stopping;
  const folding = retry(
    async (works) => {
      for (let incomplete = 0; !signal.aborted; ) {
        incomplete = (await refoldAll(work, signal)) ? 0 : incomplete + 1;
        works();
        await pause(incomplete === 0 ? LOOK_MS : pauseAfter(incomplete, RETRY_MS), signal);
      }
    },
    { signal, pauseMs: RETRY_MS, onFailure: onError },
  );
  return async () => {
    stopping.abort();
    await folding;
  };
}

interface Work extends Pick<RefoldingOptions, 'database' | 'projections'> {
  readonly sql: LogSql;
}

/** @returns false where somebody has kept a user locked */
async function refoldAll(work: Work, signal: AbortSignal): Promise<boolean> {
  const { reader } = work.database;
  if (!(await isAnyRunToFold(reader))) return true;
  let isComplete = true;
  for (let last: RunToFold | undefined; !signal.aborted; ) {
    const runs = withFewEvents(await findRunsToFold(reader, last, RUNS_PER_TRANSACTION));
    last = runs.at(-1);
    if (last === undefined) return isComplete;
    if (!(await refold(work, runs, signal))) isComplete = false;
    await pause(PAUSE_MS, signal);
  }
  return false;
}

/** The first of these runs that have no more events together than are read at a time; the first one always. */
function withFewEvents(runs: readonly RunToFold[]): readonly RunToFold[] {
  let events = 0;
  const end = runs.findIndex(({ eventCount }, index) => {
    events += eventCount;
    return index > 0 && events > EVENTS_PER_READ;
  });
  return end < 0 ? runs : runs.slice(0, end);
}

/** @returns false where a user is left for another time */
async function refold(work: Work, runs: readonly RunToFold[], signal: AbortSignal): Promise<boolean> {
  let folding: readonly Refolding[] = runs.map((run) => new Refolding(run, work.projections));
  let isComplete = true;
  while (folding.length > 0) {
    for (let open = folding; open.length > 0 && !signal.aborted; )
      open = await readOn(work.database.reader, work.sql, open);
    if (signal.aborted) return false;
    const written = await write(work, folding);
    folding = written.grown;
    isComplete &&= written.isComplete;
  }
  return isComplete;
}

interface Written {
  /** Those to which too much was added meanwhile to fold it under the lock. */
  readonly grown: readonly Refolding[];
  readonly isComplete: boolean;
}

async function write(work: Work, folding: readonly Refolding[]): Promise<Written> {
  try {
    return await work.database.change((reading) => decide(reading, work, folding), { lockWaitMs: LOCK_WAIT_MS });
  } catch (error) {
    if (isHeldUp(error)) return { grown: [], isComplete: false };
    throw error;
  }
}

/** May run again: what it adds to runs then is what the log has of them. */
async function decide(reading: Queryable, work: Work, folding: readonly Refolding[]): Promise<Decision<Written>> {
  const { sql } = work;
  const [logs, stored] = await Promise.all([
    sql.lockUsers(reading, [...new Set(folding.map(({ userId }) => userId))].sort(), 'skip'),
    sql.readRuns(reading, folding),
  ]);
  // Another instance may have folded a run meanwhile.
  const toFold = stored.filter((run) => logs.heads.has(run.userId) && run.foldedSequence !== run.lastSequence);
  const rows = new Map(toFold.map((run) => [runKey(run), run]));
  const locked = folding.filter((each) => rows.has(runKey(each)));
  for (const each of locked) each.upTo = Math.max(each.upTo, rows.get(runKey(each))?.lastSequence ?? 0);
  const grown = await readOn(reading, sql, locked);
  const refolded = locked.flatMap((each) => {
    const row = rows.get(runKey(each));
    return row && each.reached === row.lastSequence ? [each.replace(row, logs.change)] : [];
  });
  return {
    answer: { grown, isComplete: logs.lockedByOthers.size === 0 },
    writes: refolded.length > 0 ? writesOf(work, refolded, logs.change) : [],
  };
}

function writesOf(
  { database: { kind }, sql, projections }: Work,
  refolded: readonly Refolded[],
  change: bigint,
): Write[] {
  const anew = refolded.filter(({ parts }) => parts);
  const keys = anew.map(({ run }) => run);
  const batches = anew.flatMap(({ parts }) => parts?.batches ?? []);
  const writes = [sql.upsertRuns(refolded.map(({ run }) => run))];
  if (keys.length > 0) writes.push(batchRemoval[kind](keys));
  if (batches.length > 0) writes.push(sql.upsertBatches(batches));
  for (const [at, { removeOfRuns, write: writeStates }] of projections.entries()) {
    const states = anew.flatMap(({ parts }) => parts?.states[at] ?? []);
    if (removeOfRuns && keys.length > 0) writes.push(removeOfRuns(keys));
    if (states.length > 0) writes.push(writeStates(states, change));
  }
  return [...writes, ...noteChange[kind]([...new Set(refolded.map(({ run }) => run.userId))], change)];
}

/**
 * Adds the next events to those that have not all of theirs, about `EVENTS_PER_READ` to all together.
 * @returns those that still have not
 */
async function readOn(queryable: Queryable, sql: LogSql, folding: readonly Refolding[]): Promise<readonly Refolding[]> {
  const open = folding.filter(({ reached, upTo }) => reached < upTo);
  if (open.length === 0) return open;
  const limit = Math.ceil(EVENTS_PER_READ / open.length);
  const pages = open.map(({ userId, runId, reached: after, upTo }) => {
    return { userId, after, upTo, filter: { runId }, limit, fromEnd: false };
  });
  const found = groupBy(await sql.readFilteredPages(queryable, pages), ({ page }) => page);
  for (const [page, each] of open.entries()) {
    const events = (found.get(page) ?? []).map(({ event }) => event);
    for (const event of events.sort((a, b) => a.sequence - b.sequence)) each.add(event);
    // Where there are fewer than were asked for, the others are gone.
    if (events.length < limit) each.reached = each.upTo;
  }
  return open.filter(({ reached, upTo }) => reached < upTo);
}
