import type { SyncEvent } from '../log/event.ts';
import { endsRun } from '../log/words.ts';
import { stallsAt } from '../runs/run-health.ts';

/**
 * The runs of a connection that are under way, each with when it stalls if no more is heard of it, in milliseconds since
 * 1970. What is heard of a run later does not move that time: it says when the run has to be looked at.
 */
export type UnderWay = readonly (readonly [runId: string, stallsAt: number])[];

/** Runs of one connection that are under way at once, and counted; of more, the newest. */
const MOST = 16;

/** Those that a connection keeps, or none where an earlier release has made the row. */
export function readUnderWay(kept: unknown): UnderWay {
  return Array.isArray(kept) ? (kept as UnderWay) : [];
}

/** The runs after one more event that is not late; the same list where nothing changes. */
export function foldUnderWay(underWay: UnderWay, event: SyncEvent): UnderWay {
  const { runId, source, status, timestamp, recordedAt } = event;
  const isKept = underWay.some(([id]) => id === runId);
  const lastEventAt = timestamp < recordedAt ? timestamp : recordedAt;
  const stalls = endsRun(event) ? Number.NEGATIVE_INFINITY : stallsAt({ source, status, recordedAt, lastEventAt });
  if (stalls > recordedAt.getTime()) return isKept ? underWay : [...underWay, [runId, stalls] as const].slice(-MOST);
  return isKept ? underWay.filter(([id]) => id !== runId) : underWay;
}

/** Until when a sync is under way, as far as the connection itself knows; undefined where none is. */
export function underWayUntil(underWay: UnderWay): number | undefined {
  return underWay.length > 0 ? Math.max(...underWay.map(([, stalls]) => stalls)) : undefined;
}
