import type { ProviderDataType } from '../db/rows.ts';

/** Runs of a type of a connection that are kept: those before them have had the time to count what verdicts told of them. */
const KEPT_RUNS = 20;

type Kept = ProviderDataType['runsAhead'];

/** How many items of a run verdicts have told of that no report has counted yet, as a connection keeps it. */
export function aheadOf(kept: Kept, runId: string): number {
  return readRuns(kept).find(([id]) => id === runId)?.[1] ?? 0;
}

/** The same with another number for a run; null where there is none any more. */
export function withAhead(kept: Kept, runId: string, ahead: number): Kept {
  if (ahead === aheadOf(kept, runId)) return kept;
  const others = readRuns(kept).filter(([id]) => id !== runId);
  const runs = ahead > 0 ? [...others, [runId, ahead] as const] : others;
  return runs.length > 0 ? (runs.slice(-KEPT_RUNS) as unknown as Kept) : null; // plain JSON
}

/** Only what `withAhead` returns is kept. */
function readRuns(kept: Kept): readonly (readonly [runId: string, ahead: number])[] {
  return Array.isArray(kept) ? (kept as unknown as readonly (readonly [string, number])[]) : [];
}
