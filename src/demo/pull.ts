import type { Json } from '../lib/json.ts';
import { between, hex, pick, type Random } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { pulledCounts, timeSeriesRows } from './pulled-counts.ts';
import { completed, delayed, failed, type Run, type Scenario, type Step, started, underway } from './scenario.ts';

/** How a pull ends. `crashed` is an unexpected exception; `lost` a worker that died and never reported again. */
export type PullOutcome = 'data' | 'empty' | 'partial' | 'unreachable' | 'token_rejected' | 'crashed' | 'lost';

interface PullPlan {
  readonly outcome: PullOutcome;
  /** Days to look back, for the historical sync after connecting. Without it the pull covers the last hour. */
  readonly historicalDays?: number;
  /** Shared by the pulls that one worker task makes for a person; a linked profile's pull is a task of its own. */
  readonly traceId?: string;
}

type Metadata = { readonly [key: string]: Json };

/** A pull from a provider's REST API; once it has finished, one more for each profile that shares the account. */
export function pull(random: Random, account: Account, plan: PullPlan): Scenario {
  const source = plan.historicalDays === undefined ? 'pull' : 'backfill';
  const { person, provider } = account;
  const primary = pullRun(random, { userId: person.id, provider, source }, plan);
  // The pull of a shared account is repeated only for a winner that finished.
  if (plan.outcome === 'lost') return primary;
  const linked = account.linkedUserIds.flatMap((userId) => {
    const about = { userId, provider, source: 'linked_account' };
    const ownTask = { ...plan, traceId: hex(random, 8) };
    return delayed(between(random, 300, 900), pullRun(random, about, ownTask, person.id));
  });
  return [...primary, ...linked];
}

function pullRun(random: Random, about: Omit<Run, 'runId'>, plan: PullPlan, primaryUserId?: string): Scenario {
  const run: Run = { ...about, runId: `pull_${hex(random, 16)}` };
  const { provider } = run;
  const linked = primaryUserId === undefined ? {} : { primaryUserId };
  const historical = plan.historicalDays !== undefined;
  const traceId = plan.traceId ?? hex(random, 8);
  // A historical pull pages through months of data.
  const workMs = between(random, 900, 5_000) * (historical ? 20 : 1);

  const begins: Step = {
    afterMs: 0,
    draft: (at) =>
      started(run, at, {
        ...linked,
        message: `${historical ? 'Historical' : 'Live'} sync from ${provider} started`,
        metadata: { trace_id: traceId, is_historical: historical, ...requestedDates(plan, at) },
      }),
  };
  // The fetching events of linked profiles do not name the primary user either.
  const fetchesWorkouts: Step = {
    afterMs: between(random, 10, 40),
    draft: (at) => underway(run, at, 'fetching', { message: `Fetching workouts from ${provider}` }),
  };
  const fetchesDailyData: Step = {
    afterMs: between(random, 400, 1_600),
    draft: (at) =>
      underway(run, at, 'fetching', {
        message: `Fetching 24/7 data (sleep / recovery / activity) from ${provider}`,
      }),
  };
  if (plan.outcome === 'lost') return [begins, fetchesWorkouts];
  if (plan.outcome === 'crashed') {
    const message = `Sync from ${provider} failed`;
    const metadata = { is_historical: historical };
    const error = pick(random, ['connection to database lost', 'server closed the connection unexpectedly']);
    return [begins, fetchesWorkouts, { afterMs: workMs, draft: (at) => failed(run, at, { message, error, metadata }) }];
  }
  return [begins, fetchesWorkouts, fetchesDailyData, ending(random, run, plan, { linked, workMs })];
}

function ending(
  random: Random,
  run: Run,
  { outcome, historicalDays }: PullPlan,
  { linked, workMs }: { linked: { primaryUserId?: string }; workMs: number },
): Step {
  const { provider } = run;
  const isHistorical = historicalDays !== undefined;
  const counts = pulledCounts(random, provider, outcome === 'data' ? (historicalDays ?? 1) : 0);
  const rows = timeSeriesRows(counts);
  const updated = Math.floor(rows * random() * 0.2);
  const workouts = outcome === 'empty' ? 0 : between(random, 0, 2);
  const failure = { success: false, error: errorText(random, outcome) };

  const reported = (at: Date, dailyData: Json, workoutData: Json = workoutsSince(at, workouts, historicalDays)) => ({
    is_historical: isHistorical,
    params: { workouts: workoutData, data_247: dailyData },
  });
  return {
    afterMs: workMs,
    draft: (at) => {
      if (outcome === 'token_rejected' || outcome === 'unreachable') {
        const metadata = reported(at, failure, failure);
        const error = 'All sync sub-tasks failed';
        return failed(run, at, { ...linked, message: `Sync from ${provider} failed`, error, metadata });
      }
      if (outcome === 'partial') {
        const message = `Sync from ${provider} completed with errors`;
        const metadata = reported(at, failure);
        return completed(run, at, { ...linked, status: 'partial', message, itemsProcessed: 0, metadata });
      }
      const metadata: Metadata = reported(at, { success: true, saved: true, ...counts });
      const message = `Sync from ${provider} completed`;
      if (rows === 0) return completed(run, at, { ...linked, message, itemsProcessed: 0, metadata });
      return completed(run, at, {
        ...linked,
        message: `${message} · ${rows - updated} new, ${updated} updated`,
        itemsProcessed: rows,
        metadata: { ...metadata, inserted: rows - updated, updated },
      });
    },
  };
}

function errorText(random: Random, outcome: PullOutcome): string {
  if (outcome === 'token_rejected') return '401: token refresh rejected';
  return pick(random, ['502: upstream gateway error', '503: service unavailable', 'connection reset by peer']);
}

function requestedDates({ historicalDays }: PullPlan, at: Date): Metadata {
  if (historicalDays === undefined) return { start_date: null, end_date: null };
  return { start_date: pythonTime(daysBefore(at, historicalDays)), end_date: pythonTime(at) };
}

function workoutsSince(at: Date, success: number, historicalDays = 1 / 24): Metadata {
  return { success, start_date: pythonTime(daysBefore(at, historicalDays)), end_date: null };
}

function daysBefore(at: Date, days: number): Date {
  return new Date(at.getTime() - days * 86_400_000);
}

/** As Python's `isoformat()` prints a time of UTC: six digits of a second, and an offset in place of `Z`. */
function pythonTime(at: Date): string {
  return at.toISOString().replace('Z', '000+00:00');
}
