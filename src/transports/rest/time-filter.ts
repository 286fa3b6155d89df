import { time, type ValuesOf } from './parameters.ts';

/**
 * When what is wanted happened, and when it was recorded. Open Wearables has no such parameters.
 * @param what whose times these are, after the word "only"
 */
export const timeFilterParameters = (what: 'events that' | 'runs whose newest event') => {
  const was = what === 'events that' ? 'were' : 'was';
  return {
    since: time(`Only ${what} happened at this time or later, by the producer's clock.`),
    until: time(`Only ${what} happened before this time, by the producer's clock.`),
    recorded_since: time(`Only ${what} ${was} recorded at this time or later, by the server's clock.`),
    recorded_until: time(`Only ${what} ${was} recorded before this time, by the server's clock.`),
  };
};

/** The same parts of a filter of GraphQL. */
export function toTimeFilter(values: ValuesOf<ReturnType<typeof timeFilterParameters>>) {
  const { since, until, recorded_since: recordedSince, recorded_until: recordedUntil } = values;
  return { since, until, recordedSince, recordedUntil };
}
