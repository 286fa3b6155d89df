import type { ProviderLink } from '../db/rows.ts';
import { reasonOfFailure } from '../reasons/sync-reason.ts';
import { connectionHealth, UNJUDGED } from './connection-health.ts';
import { readUnderWay, underWayUntil } from './under-way.ts';

/**
 * A connection with its health as it is at a moment, in milliseconds since 1970, and with when it has to be judged again.
 * Whether a sync is under way is what the connection itself knows of it: where this is used up, it is to be judged at once.
 */
export function judged(link: ProviderLink, now: number): ProviderLink {
  const known = underWayUntil(readUnderWay(link.underWay));
  const { health, until } = connectionHealth(link, known && Math.max(known, now + 1), now);
  return {
    ...link,
    reasonClass: reasonClassOf(link),
    health,
    healthUntil: Number.isFinite(until) ? new Date(until) : null,
  };
}

/** Of what an earlier release has found wrong, its words tell the class. */
function reasonClassOf({ health, state, problem, problemSequence, reasonClass }: ProviderLink): string {
  if (health !== UNJUDGED || reasonClass !== '' || (problem === null && problemSequence === null)) return reasonClass;
  return state === 'needs_reconnect' ? 'RECONNECT_NEEDED' : reasonOfFailure(problem).class;
}
