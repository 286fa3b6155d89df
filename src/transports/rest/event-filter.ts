import { sourceWords, statusWords } from '../../log/words.ts';
import { listFilterParameters, toListFilter } from './list-filter.ts';
import { text, type ValuesOf, wordFilter } from './parameters.ts';

/** Which events are wanted. Open Wearables has no such parameters, so that these need not be read leniently. */
export const eventFilterParameters = {
  provider: text('query', 'Only events of this provider. Exact; empty for all.'),
  source: wordFilter(sourceWords, 'is refused', 'Only events of this source.'),
  status: wordFilter(statusWords, 'is refused', 'Only events with this status.'),
  run_id: text('query', 'Only events of this run.'),
  ...listFilterParameters('events'),
};

/** A `SyncEventFilter` of GraphQL. */
export function toEventFilter(values: ValuesOf<typeof eventFilterParameters>) {
  const { provider, source, status, run_id: runId } = values;
  const providers = provider === undefined ? null : [provider];
  return { providers, sources: source, statuses: status, runId, ...toListFilter(values) };
}
