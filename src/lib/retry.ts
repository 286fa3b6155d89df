import { pause } from './pause.ts';

/** Pauses between attempts, in milliseconds: `first` after the first failure, twice as long after each further one. */
export interface Pauses {
  readonly first: number;
  readonly longest: number;
}

interface RetryOptions {
  /** One number is a pause that never grows. After 0 the next attempt comes at once. */
  readonly pauseMs: number | Pauses;
  /** Failures in a row, of which the last one is thrown; without an end if not given. */
  readonly attempts?: number;
  /** Which errors are worth another attempt; all of them if not given. The others are thrown. */
  readonly isTemporary?: (error: unknown) => boolean;
  /**
   * Told of each failure that is followed by another attempt, and waited for before the pause. What `onFailure` throws
   * ends the retrying, so that a deadline is a line in it.
   */
  readonly onFailure?: (error: unknown) => void | Promise<void>;
}

/**
 * Attempts something again and again until it succeeds. An attempt that goes on for long, such as a session on a
 * connection, calls `works` once it has what it needs: the failures before are forgotten, and the pauses start anew.
 *
 * The first attempt is always made. With a `signal`, its abort ends a pause at once and lets no further attempt begin;
 * an attempt that is under way has to end by itself, and its result is never dropped. Without a signal somebody waits
 * for the result, so pauses keep the process alive.
 * @returns undefined when the signal has aborted and the last attempt has failed.
 */
export function retry<T>(
  attempt: (works: () => void) => Promise<T>,
  options: RetryOptions & { readonly signal: AbortSignal },
): Promise<T | undefined>;
export function retry<T>(attempt: (works: () => void) => Promise<T>, options: RetryOptions): Promise<T>;
export async function retry<T>(
  attempt: (works: () => void) => Promise<T>,
  options: RetryOptions & { readonly signal?: AbortSignal },
): Promise<T | undefined> {
  const { signal, pauseMs, attempts = Number.POSITIVE_INFINITY, isTemporary = () => true, onFailure } = options;
  let failures = 0;
  const works = () => {
    failures = 0;
  };
  for (;;) {
    try {
      return await attempt(works);
    } catch (error) {
      failures += 1;
      if (!isTemporary(error)) throw error;
      if (signal?.aborted) return undefined;
      if (failures >= attempts) throw error;
      await onFailure?.(error);
    }
    const ms = typeof pauseMs === 'number' ? pauseMs : pauseAfter(failures, pauseMs);
    if (ms > 0) await pause(ms, signal);
    if (signal?.aborted) return undefined;
  }
}

/** How long to pause after so many failures in a row, of which there is at least one. In milliseconds. */
export function pauseAfter(failures: number, { first, longest }: Pauses): number {
  return Math.min(first * 2 ** (failures - 1), longest);
}
