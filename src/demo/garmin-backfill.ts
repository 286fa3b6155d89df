import { between, hex, type Random } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { garminWellness, type WellnessType } from './garmin.ts';
import { cancelled, completed, delayed, type Run, type Scenario, type Step, started, underway } from './scenario.ts';

interface BackfillPlan {
  /** Slices of time that are asked for one after the other; with more than one, progress is reported. */
  readonly windows: number;
  /** `lost`: Garmin goes silent half-way, and no event ever says so. */
  readonly outcome: 'completed' | 'cancelled' | 'lost';
}

/** Data that a window brings in, in the order in which it is requested. */
const requestedTypes: readonly WellnessType[] = ['sleeps', 'dailies', 'activityDetails', 'hrv'];

/**
 * Garmin's 30-day history. The data arrives by itself, as ordinary pushes with runs of their own; the run of the
 * backfill only frames it. Profiles that share the account have a run beside it, without progress; only a completed
 * backfill ends these.
 */
export function garminBackfill(random: Random, account: Account, { windows, outcome }: BackfillPlan): Scenario {
  const primaryUserId = account.person.id;
  const run = backfillRun(random, primaryUserId, 'backfill');
  const linkedRuns = account.linkedUserIds.map((userId) => backfillRun(random, userId, 'linked_account'));
  const traceIds = new Map([run, ...linkedRuns].map(({ userId, traceId }) => [userId, traceId]));
  const windowsDone = outcome === 'completed' ? windows : Math.floor(windows / 2);

  const beginnings: Step[] = linkedRuns.map(({ traceId, ...linked }, position) => ({
    afterMs: position === 0 ? 0 : 50,
    draft: (at) =>
      started(linked, at, {
        message: 'Garmin backfill in progress via linked OW profile',
        primaryUserId,
        metadata: { trace_id: traceId, primary_user_id: primaryUserId },
      }),
  }));
  return [
    ...beginnings,
    ...framing(random, account, run, { windows, windowsDone, traceIds }),
    ...endings(random, outcome, run, linkedRuns, { windowsDone, primaryUserId }),
  ];
}

interface BackfillRun extends Run {
  readonly traceId: string;
}

function backfillRun(random: Random, userId: string, source: 'backfill' | 'linked_account'): BackfillRun {
  const traceId = hex(random, 8);
  return { userId, provider: 'garmin', source, runId: `garmin_backfill_${userId}_${traceId}`, traceId };
}

/** The start, the data of each window, and the news that a window is done while others are left. */
function framing(
  random: Random,
  account: Account,
  { traceId, ...run }: BackfillRun,
  { windows, windowsDone, traceIds }: { windows: number; windowsDone: number; traceIds: ReadonlyMap<string, string> },
): Step[] {
  const steps: Step[] = [
    {
      afterMs: 200,
      draft: (at) =>
        started(run, at, {
          message: 'Starting Garmin 30-day historical backfill',
          metadata: { trace_id: traceId, total_types: 5, total_windows: windows, target_days: 30 },
        }),
    },
  ];
  for (let done = 1; done <= windowsDone; done += 1) {
    // All types in a backfill of one window; one of them per window otherwise, lest the data drown the progress.
    const types = windows === 1 ? requestedTypes : requestedTypes.slice(done % 4, (done % 4) + 1);
    for (const type of types) {
      steps.push(...delayed(between(random, 4_000, 60_000), garminWellness(random, account, type, traceIds)));
    }
    if (done < windows) steps.push(windowDone({ traceId, ...run }, done, windows, between(random, 2_000, 9_000)));
  }
  return steps;
}

function windowDone({ traceId, ...run }: BackfillRun, done: number, windows: number, afterMs: number): Step {
  return {
    afterMs,
    draft: (at) =>
      underway(run, at, 'processing', {
        message: `Garmin backfill: window ${done + 1}/${windows}`,
        progress: done / windows,
        itemsProcessed: done,
        itemsTotal: windows,
        metadata: { trace_id: traceId, window: done, total_windows: windows },
      }),
  };
}

function endings(
  random: Random,
  outcome: BackfillPlan['outcome'],
  { traceId, ...run }: BackfillRun,
  linkedRuns: readonly BackfillRun[],
  { windowsDone, primaryUserId }: { windowsDone: number; primaryUserId: string },
): Step[] {
  const afterMs = between(random, 10_000, 80_000);
  if (outcome === 'lost') return [];
  if (outcome === 'cancelled') {
    const metadata = { trace_id: traceId, current_window: windowsDone };
    return [{ afterMs, draft: (at) => cancelled(run, at, { message: 'Garmin backfill cancelled', metadata }) }];
  }
  const message = 'Garmin backfill complete (data synced via linked profile)';
  const ofLinked: Step[] = linkedRuns.map(({ traceId: _, ...linked }, position) => ({
    afterMs: position === 0 ? afterMs : 50,
    draft: (at) => completed(linked, at, { message, primaryUserId }),
  }));
  return [
    ...ofLinked,
    {
      afterMs: ofLinked.length === 0 ? afterMs : 200,
      draft: (at) =>
        completed(run, at, {
          message: 'Garmin backfill complete',
          itemsProcessed: windowsDone,
          metadata: { trace_id: traceId, completed_windows: windowsDone },
        }),
    },
  ];
}
