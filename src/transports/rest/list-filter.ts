import { scopeWords } from '../../log/words.ts';
import { text, time, type ValuesOf, wordFilter } from './parameters.ts';

/**
 * Filters that lists of events and of runs have alike. Open Wearables has no such parameters.
 * @param what is filtered, after the word "only"
 */
export const listFilterParameters = (what: 'events' | 'runs') => {
  const that = what === 'events' ? 'events that' : 'runs whose newest event';
  const was = what === 'events' ? 'were' : 'was';
  const unknown = what === 'events' ? 'is refused' : 'matches nothing';
  return {
    scope: wordFilter(scopeWords, unknown, `Only ${what} of this scope; \`live\` where none was told. Empty for all.`),
    since: time(`Only ${that} happened at this time or later, by the producer's clock.`),
    until: time(`Only ${that} happened before this time, by the producer's clock.`),
    recorded_since: time(`Only ${that} ${was} recorded at this time or later, by the server's clock.`),
    recorded_until: time(`Only ${that} ${was} recorded before this time, by the server's clock.`),
    search: text('query', `Only ${what} with this text in \`message\`, \`error\` or \`run_id\`; empty for all.`),
  };
};

/** The same parts of a filter of GraphQL. */
export function toListFilter(values: ValuesOf<ReturnType<typeof listFilterParameters>>) {
  const { scope, since, until, recorded_since: recordedSince, recorded_until: recordedUntil, search } = values;
  return { scopes: scope, since, until, recordedSince, recordedUntil, search };
}
