import type { Outcome } from '../measure/rounds.ts';
import { ratios, type Spread, spreadOf } from '../measure/statistics.ts';

/** One contestant of a workload. The names of its figures head the columns, and say the units. */
export interface Line {
  readonly who: string;
  readonly figures: Readonly<Record<string, Spread>>;
}

/** What Synclog came to, and what it is to reach. */
export interface Result {
  /** Such as `CPU against mercurius`. */
  readonly of: string;
  readonly reached: Spread;
  readonly unit: 'x' | ' ms' | ' s' | ' kB' | ' MB' | ' ms/s';
  /** Undefined where the figure is only watched. */
  readonly goal?: { readonly bound: number; readonly better: 'lower' | 'higher' };
}

/** A workload on one database. */
export interface Comparison {
  /** Such as `R1`. */
  readonly id: string;
  readonly database: string;
  readonly title: string;
  readonly lines: readonly Line[];
  readonly results: readonly Result[];
}

/** The columns of a workload whose cost is the CPU of a request. */
export function requestLines(outcomes: readonly Outcome[]): Line[] {
  return outcomes.map(({ name, cpuMicros, perSecond, p99Ms, residentBytes }) => ({
    who: name,
    figures: {
      'CPU µs/request': spreadOf(cpuMicros),
      'requests/s': spreadOf(perSecond),
      'p99 ms': spreadOf(p99Ms),
      'RSS MB': spreadOf(residentBytes.map((bytes) => bytes / 1e6)),
    },
  }));
}

/** CPU of Synclog for a request as a multiple of that of a peer, compared round by round. */
export function cpuAgainst(peer: string, outcomes: readonly Outcome[], bound: number): Result {
  const cpuOf = (wanted: string) => outcomes.find(({ name }) => name === wanted)?.cpuMicros ?? [];
  return {
    of: `CPU against ${peer}`,
    reached: ratios(cpuOf('Synclog'), cpuOf(peer)),
    unit: 'x',
    goal: { bound, better: 'lower' },
  };
}
