import { isObject } from '../lib/json.ts';
import { type StatusWord, wordOf } from './words.ts';

/** What is looked at of an event, to know whether and why something went wrong. */
export interface ToldOutcome {
  readonly stage: string;
  readonly status: string;
  readonly error: string | null;
  readonly metadata: unknown;
  /** What the producer states, see `StatedReason`. */
  readonly reason?: unknown;
}

/** What says by itself that a sync did not do all that it had to. */
const unsuccessful: readonly string[] = ['failed', 'partial', 'unfinished', 'stale'] satisfies StatusWord[];

/** Does an event say that something went wrong? By a stated reason, by its status or stage, or by an error, if it is no success. */
export function saysTrouble(event: ToldOutcome): boolean {
  const status = wordOf(event.status);
  if (isObject(event.reason) || unsuccessful.includes(status) || wordOf(event.stage) === 'failed') return true;
  return status !== 'success' && errorsOf(event).length > 0;
}

/** What an event says in words about what went wrong. */
export function errorsOf({ error, metadata }: Pick<ToldOutcome, 'error' | 'metadata'>): string[] {
  return [error, isObject(metadata) ? metadata.error : undefined].filter(isText);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}
