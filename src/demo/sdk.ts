import { between, pick, type Random, uuid } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { completed, failed, type Run, type Scenario, type Step, started } from './scenario.ts';

export const sdkProviders: readonly string[] = ['apple', 'samsung'];

/** A batch that a phone uploads. The batch id serves as the run id. */
export function sdkBatch(random: Random, { provider, person }: Account, outcome: 'saved' | 'rejected'): Scenario {
  const batchId = uuid(random);
  const run: Run = { userId: person.id, provider, source: 'sdk', runId: batchId };
  const named = `${provider.charAt(0).toUpperCase()}${provider.slice(1)} batch`;
  const begins: Step = {
    afterMs: 0,
    draft: (at) => started(run, at, { message: `Processing ${provider} SDK batch`, metadata: { batch_id: batchId } }),
  };
  if (outcome === 'rejected') {
    const error = pick(random, [
      'Validation failed: Field required',
      'Import failed: unit ft_us is not known',
      'No valid data found',
    ]);
    const metadata = { batch_id: batchId, status_code: 400 };
    return [
      begins,
      {
        afterMs: between(random, 100, 500),
        draft: (at) => failed(run, at, { message: `${named} failed`, error, metadata }),
      },
    ];
  }
  const saved = {
    records_saved: between(random, 40, 1_800),
    workouts_saved: between(random, 0, 3),
    sleep_saved: between(random, 0, 1),
  };
  // Records that validation drops are mentioned, and the batch still counts as saved.
  const dropped = random() < 0.2 ? between(random, 1, 5) : 0;
  return [
    begins,
    {
      afterMs: between(random, 600, 5_000),
      draft: (at) =>
        completed(run, at, {
          message: `${named} saved${dropped > 0 ? ` (${dropped} record(s) dropped by validation)` : ''}`,
          itemsProcessed: saved.records_saved + saved.workouts_saved + saved.sleep_saved,
          metadata: { batch_id: batchId, ...saved, dropped_count: dropped },
        }),
    },
  ];
}
