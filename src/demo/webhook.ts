import { between, hex, pick, type Random } from '../lib/random.ts';
import type { EventDraft } from '../log/event.ts';
import type { Account } from './accounts.ts';
import type { Run, Scenario } from './scenario.ts';

type Outcome = 'data' | 'skipped' | 'failed';
type Report = Pick<EventDraft, 'stage' | 'status' | 'message' | 'itemsProcessed' | 'error' | 'metadata'>;

/** What each provider names in its notifications; Strava's say nothing about their type. */
const typesOf: Readonly<Record<string, readonly [string, ...string[]]>> = {
  oura: ['daily_sleep', 'daily_readiness', 'workout'],
  polar: ['EXERCISE', 'SLEEP'],
  whoop: ['workout.updated', 'sleep.updated', 'recovery.updated'],
  suunto: ['SUUNTO_247_SLEEP_CREATED', 'WORKOUT_CREATED'],
  strava: [''],
};

export const webhookProviders: readonly string[] = Object.keys(typesOf);

/** Providers whose data goes into time series, so that the saved rows can be told apart as new and updated. */
const countsNewAndUpdated: readonly string[] = ['oura', 'polar'];

/** A notification from a provider: a run of a single event, which begins and ends at the same moment. */
export function webhook(random: Random, { provider, person }: Account, outcome: Outcome): Scenario {
  const run: Run = { userId: person.id, provider, source: 'webhook', runId: `wh_${hex(random, 16)}` };
  const report = reportOf(random, provider, outcome);
  return [
    { afterMs: 0, draft: (at) => ({ metadata: {}, ...run, ...report, startedAt: at, endedAt: at, timestamp: at }) },
  ];
}

function reportOf(random: Random, provider: string, outcome: Outcome): Report {
  const message = `webhook ${pick(random, typesOf[provider] ?? [''])}`.trim();
  if (outcome === 'failed') {
    const error = pick(random, ['404: exercise not found', '429: too many requests', 'connection reset by peer']);
    return { stage: 'failed', status: 'failed', message, error };
  }
  if (outcome === 'skipped') {
    return { stage: 'completed', status: 'skipped', message: `skipped: ${skipReason(random, provider)}` };
  }
  if (countsNewAndUpdated.includes(provider) && random() < 0.7) {
    const inserted = between(random, 0, 40);
    const updated = between(random, inserted === 0 ? 1 : 0, 8);
    return {
      stage: 'completed',
      status: 'success',
      message: `webhook ${inserted} new, ${updated} updated`,
      itemsProcessed: inserted + updated,
      metadata: { inserted, updated },
    };
  }
  return { stage: 'completed', status: 'success', message, itemsProcessed: 1 };
}

function skipReason(random: Random, provider: string): string {
  if (provider === 'strava') return pick(random, ['duplicate_activity', 'aspect_type:update']);
  if (provider === 'whoop') return pick(random, ['sleep.deleted', 'record_not_found']);
  return pick(random, ['duplicate_workout', 'no_activity_data', 'unhandled_data_type: tag']);
}
