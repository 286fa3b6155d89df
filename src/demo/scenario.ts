import type { Json } from '../lib/json.ts';
import type { EventDraft } from '../log/event.ts';

/** Something that happens in the demo: one sync run, or a few that belong together, told event by event. */
export type Scenario = readonly Step[];

/** One event of a scenario. Asking for its draft twice gives the same event: all chance is spent when it is built. */
export interface Step {
  /** Milliseconds since the step before; of the first step, since the scenario's start. */
  readonly afterMs: number;
  /** The event, told at this moment. It has no id yet. */
  readonly draft: (at: Date) => EventDraft;
}

/** What all events of a run have in common. */
export interface Run {
  readonly userId: string;
  readonly runId: string;
  readonly provider: string;
  readonly source: string;
}

/** The part of an event in which events of one kind differ. */
interface Details {
  readonly message: string;
  readonly itemsProcessed?: number;
  readonly primaryUserId?: string;
  readonly metadata?: { readonly [key: string]: Json };
}

interface Progress {
  readonly progress?: number;
  readonly itemsTotal?: number;
}

/** The only event of a run that says when the run began. */
export function started(run: Run, at: Date, details: Details): EventDraft {
  return { ...run, stage: 'started', status: 'in_progress', metadata: {}, ...details, startedAt: at, timestamp: at };
}

/** An event between the first and the last. */
export function underway(
  run: Run,
  at: Date,
  stage: 'queued' | 'fetching' | 'processing' | 'saving',
  details: Details & Progress,
): EventDraft {
  return { ...run, stage, status: 'in_progress', metadata: {}, ...details, timestamp: at };
}

export function completed(run: Run, at: Date, details: Details & { status?: 'success' | 'partial' }): EventDraft {
  return { ...run, stage: 'completed', status: 'success', progress: 1, metadata: {}, ...details, ...endingAt(at) };
}

export function failed(run: Run, at: Date, details: Details & { error: string }): EventDraft {
  return { ...run, stage: 'failed', status: 'failed', metadata: {}, ...details, ...endingAt(at) };
}

export function cancelled(run: Run, at: Date, details: Details): EventDraft {
  return { ...run, stage: 'cancelled', status: 'cancelled', metadata: {}, ...details, ...endingAt(at) };
}

function endingAt(at: Date): Pick<EventDraft, 'endedAt' | 'timestamp'> {
  return { endedAt: at, timestamp: at };
}

/** The scenario, begun that much later. */
export function delayed(ms: number, [first, ...others]: Scenario): Scenario {
  return first ? [{ ...first, afterMs: first.afterMs + ms }, ...others] : [];
}

/** The scenario's events when it starts at this moment and keeps its own pace. */
export function performedAt(startsAt: Date, scenario: Scenario): EventDraft[] {
  let time = startsAt.getTime();
  return scenario.map((step) => {
    time += step.afterMs;
    return step.draft(new Date(time));
  });
}
