import type { Json } from '../lib/json.ts';
import { between, hex, pick, type Random } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { completed, type Run, type Scenario } from './scenario.ts';

/** A kind of day-and-night data that Garmin pushes, by its own name for it. */
export type WellnessType = 'sleeps' | 'dailies' | 'hrv' | 'stressDetails' | 'pulseox' | 'activityDetails';

interface Activity {
  readonly name: string;
  readonly type: string;
}

const activities: readonly [Activity, ...Activity[]] = [
  { name: 'Morning Run', type: 'RUNNING' },
  { name: 'Lunch Ride', type: 'CYCLING' },
  { name: 'Pool Swim', type: 'LAP_SWIMMING' },
  { name: 'Strength', type: 'STRENGTH_TRAINING' },
  { name: 'Evening Walk', type: 'WALKING' },
];

/** Garmin pushes a summary: each profile of the account gets a run of one event, without a start. */
export function garminWellness(
  random: Random,
  account: Account,
  type: WellnessType,
  /** By profile, the trace of a running backfill: its data comes in like any other, and only this tells it apart. */
  traceIds: ReadonlyMap<string, string> = new Map(),
): Scenario {
  const items = between(random, 1, 3);
  return pushed(random, account, {
    runIdPrefix: `garmin_webhook_${type}`,
    message: `Garmin live data received: ${type}`,
    itemsProcessed: items * between(random, 1, 96),
    traceIds,
    metadata: { summary_type: type, items },
  });
}

/** Garmin pushes a finished activity. */
export function garminActivity(random: Random, account: Account): Scenario {
  const { name, type } = pick(random, activities);
  const activityId = 18_000_000_000 + between(random, 0, 999_999_999);
  return pushed(random, account, {
    runIdPrefix: `garmin_webhook_activity_${activityId}`,
    message: `Garmin activity received: ${name}`,
    itemsProcessed: 1,
    traceIds: new Map(),
    metadata: { activity_id: activityId, activity_type: type },
  });
}

interface Pushed {
  readonly runIdPrefix: string;
  readonly message: string;
  readonly itemsProcessed: number;
  readonly traceIds: ReadonlyMap<string, string>;
  /** Without the trace. */
  readonly metadata: { readonly [key: string]: Json };
}

function pushed(
  random: Random,
  { person, linkedUserIds }: Account,
  { runIdPrefix, traceIds, metadata, message, itemsProcessed }: Pushed,
): Scenario {
  const deliveryTrace = hex(random, 8);
  return [person.id, ...linkedUserIds].map((userId, position) => {
    const isLinked = position > 0;
    const run: Run = {
      userId,
      provider: 'garmin',
      source: isLinked ? 'linked_account' : 'webhook',
      runId: `${runIdPrefix}_${hex(random, 16)}`,
    };
    const linked = isLinked ? { primaryUserId: person.id } : {};
    return {
      afterMs: isLinked ? between(random, 200, 800) : 0,
      draft: (at) =>
        completed(run, at, {
          ...linked,
          message,
          itemsProcessed,
          metadata: { trace_id: traceIds.get(userId) ?? deliveryTrace, ...metadata },
        }),
    };
  });
}
