import type { ProviderLink } from '../db/rows.ts';
import { connectionHealth } from './connection-health.ts';
import { readUnderWay, underWayUntil } from './under-way.ts';

/**
 * A connection with its health as it is at a moment, in milliseconds since 1970, and with when it has to be judged again.
 * Whether a sync is under way is what the connection itself knows of it: where this is used up, it is to be judged at once.
 */
export function judged(link: ProviderLink, now: number): ProviderLink {
  const known = underWayUntil(readUnderWay(link.underWay));
  const { health, until } = connectionHealth(link, known && Math.max(known, now + 1), now);
  return { ...link, health, healthUntil: Number.isFinite(until) ? new Date(until) : null };
}
