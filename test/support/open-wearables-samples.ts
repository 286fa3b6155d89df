import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WireEvent } from './open-wearables-emitter.ts';

const linesOf = (name: string) =>
  readFileSync(join(import.meta.dirname, 'samples', name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** How a run stands after one of its events. */
type Step = readonly [
  eventId: string,
  status: string,
  inserted: number,
  updated: number,
  endedAt: string | null,
  error: string | null,
];

/** What is expected of one run of the samples. */
interface ExpectedRun {
  readonly run_key: string;
  /** What the history says of it, with its types of data by name. */
  readonly history: Readonly<Record<string, unknown>> & { readonly user_id: string };
  /** What `/sync/runs` says of it. */
  readonly redis_summary: Readonly<Record<string, unknown>>;
  /** What the history says after each event that starts or ends it. */
  readonly steps: readonly Step[];
}

/** Events of Open Wearables 0.9, in the order in which they are published. */
export const samples: readonly WireEvent[] = linesOf('open-wearables-newest.jsonl');
export const expectedRuns: readonly ExpectedRun[] = linesOf('open-wearables-newest-runs.jsonl');

const microseconds = /(\.\d{3})\d{3}Z$/;

/** The same with its times as they are kept: to the millisecond, and written with six digits. */
export function toKeptTimes<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_, each: unknown) => {
    if (typeof each !== 'string' || !microseconds.test(each)) return each;
    return each.replace(microseconds, (_, ms: string) => (ms === '.000' ? 'Z' : `${ms}000Z`));
  });
}
