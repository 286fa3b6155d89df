import { between, type Random } from '../lib/random.ts';

/** The providers that are asked for data, and what each counts. Their names differ as the providers' data types do. */
const countersOf: Readonly<Record<string, readonly string[]>> = {
  oura: [
    'activity',
    'cardiovascular_age',
    'readiness',
    'sleep',
    'sleep_score',
    'spo2',
    'heart_rate',
    'personal_info',
    'vo2_max',
  ],
  whoop: [
    'sleep_sessions_synced',
    'recovery_samples_synced',
    'activity_samples_synced',
    'body_measurement_samples_synced',
  ],
  suunto: ['sleep_sessions_synced', 'recovery_samples_synced', 'activity_samples_synced'],
  polar: ['sleep', 'nightly_recharge', 'continuous_heart_rate', 'activity'],
  fitbit: ['sleep', 'heart_rate', 'steps', 'spo2'],
  ultrahuman: ['sleep', 'heart_rate', 'hrv', 'temperature'],
};

export const pulledProviders: readonly string[] = Object.keys(countersOf);

/** What a pull over so many days found, by the provider's own counters; over no days, nothing. */
export function pulledCounts(random: Random, provider: string, days: number): Record<string, number> {
  const names = countersOf[provider] ?? [];
  return Object.fromEntries(names.map((name) => [name, isSleep(name) ? days : between(random, 0, 24) * days]));
}

/** Sleep sessions and scores are not rows of a time series, and a pull's item count leaves them out. */
export function timeSeriesRows(counts: Readonly<Record<string, number>>): number {
  return Object.entries(counts).reduce((sum, [name, count]) => (isSleep(name) ? sum : sum + count), 0);
}

function isSleep(counter: string): boolean {
  return counter.startsWith('sleep');
}
