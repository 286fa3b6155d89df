import { sourceWords, statusWords } from '../../log/words.ts';
import { text, type ValuesOf, wordFilter } from './parameters.ts';

/** Which events are wanted. Open Wearables has no such parameters, so that these need not be read leniently. */
export const eventFilterParameters = {
  provider: text('query', 'Only events of this provider. Exact; empty for all.'),
  source: wordFilter(sourceWords, 'is refused', 'Only events of this source.'),
  status: wordFilter(statusWords, 'is refused', 'Only events with this status.'),
  run_id: text('query', 'Only events of this run.'),
};

/** A `SyncEventFilter` of GraphQL. */
export function toEventFilter({ provider, source, status, run_id }: ValuesOf<typeof eventFilterParameters>) {
  return { providers: provider === undefined ? null : [provider], sources: source, statuses: status, runId: run_id };
}
