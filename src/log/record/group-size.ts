import type { Limits } from '../../limits.ts';
import type { Recording } from './recording-commits.ts';

/** How many of these recordings fit into one transaction: at least the first, if there is one. */
export function groupSize(recordings: readonly Recording[], limits: Pick<Limits, 'eventsPerTransaction'>): number {
  let events = 0;
  let size = 0;
  for (const { drafts } of recordings) {
    events += drafts.length;
    if (size > 0 && events > limits.eventsPerTransaction) break;
    size += 1;
  }
  return size;
}
