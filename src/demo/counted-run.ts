import { between, hex, type Random, uuid } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { completed, type Run, type Scenario, type Step, started, underway } from './scenario.ts';

/** Of the whole run, the part that fetching and counting take; saving has the rest. */
const countedShare = 0.9;

/**
 * A run of a producer that counts what it does: it waits in a queue, names its stages and moves its progress. Open
 * Wearables does not report that much yet; a producer that uses this API directly can, and a live view should show it.
 */
export function countedRun(random: Random, { provider, person }: Account, source: 'backfill' | 'sdk'): Scenario {
  const isUpload = source === 'sdk';
  const runId = isUpload ? uuid(random) : `pull_${hex(random, 16)}`;
  const run: Run = { userId: person.id, provider, source, runId };
  const parts = between(random, 4, 7);
  const itemsTotal = isUpload ? parts * between(random, 100, 250) : parts * 7;
  const items = isUpload ? 'records' : 'days';

  const opening: Step[] = [
    {
      afterMs: 0,
      draft: (at) => underway(run, at, 'queued', { message: `Waiting for a worker`, progress: 0 }),
    },
    {
      afterMs: between(random, 300, 3_000),
      draft: (at) =>
        started(run, at, {
          message: isUpload ? `Upload from ${provider} accepted` : `History from ${provider} started`,
        }),
    },
    {
      afterMs: between(random, 50, 800),
      draft: (at) =>
        underway(run, at, 'fetching', {
          message: isUpload ? 'Reading the upload' : `Asking ${provider} for ${itemsTotal} days`,
          progress: 0,
          itemsProcessed: 0,
          itemsTotal,
        }),
    },
  ];
  const counting: Step[] = Array.from({ length: parts }, (_, index) => {
    const itemsProcessed = ((index + 1) * itemsTotal) / parts;
    return {
      afterMs: between(random, 400, 2_500),
      draft: (at) =>
        underway(run, at, 'processing', {
          message: `${itemsProcessed} of ${itemsTotal} ${items}`,
          progress: (countedShare * (index + 1)) / parts,
          itemsProcessed,
          itemsTotal,
        }),
    };
  });
  return [
    ...opening,
    ...counting,
    {
      afterMs: between(random, 200, 1_000),
      draft: (at) =>
        underway(run, at, 'saving', {
          message: `Saving ${itemsTotal} ${items}`,
          progress: countedShare,
          itemsProcessed: itemsTotal,
          itemsTotal,
        }),
    },
    {
      afterMs: between(random, 500, 2_000),
      draft: (at) =>
        completed(run, at, { message: `${itemsTotal} ${items} from ${provider} saved`, itemsProcessed: itemsTotal }),
    },
  ];
}
