import { isUnavailable } from '../../db/faults.ts';
import { AppError, noSuchUser } from '../../errors.ts';
import { retry } from '../../lib/retry.ts';
import type { Limits } from '../../limits.ts';
import { cursorOf, type SyncEvent } from '../event.ts';
import { matches, type SyncEventFilter } from '../filter.ts';
import type { FollowedLogs } from './followed-logs.ts';
import type { LogTail } from './log-tail.ts';

/** Where a follower begins: after a sequence, `replayLast` events before the head, or (with neither) at the head. */
export interface FollowRequest {
  readonly userId: string;
  readonly after?: number | undefined;
  readonly replayLast?: number | undefined;
  readonly filter?: SyncEventFilter | null | undefined;
}

/** Why a follower could not continue where it was asked to. */
export interface FollowReset {
  readonly reason: 'CURSOR_EXPIRED' | 'CURSOR_AHEAD';
  /** Sequence of the oldest event kept. */
  readonly oldest: number;
  readonly head: number;
}

/** One step of a follower. */
export interface FollowedEvents {
  /** Oldest first; empty in a checkpoint. */
  readonly events: readonly SyncEvent[];
  /** Everything up to this sequence has been seen: resume after it. */
  readonly cursor: number;
  readonly head: number;
  readonly caughtUp: boolean;
  readonly reset: FollowReset | null;
}

interface Position {
  readonly cursor: number;
  readonly reset: FollowReset | null;
}

/**
 * Follows one user's log: what the request asks to replay, then whatever comes, each event once and in order. It is
 * pulled: nothing is read before the reader wants more, and at most one page is held. The first step comes at once;
 * after that a step has events, or tells that the log's head was reached, or is a checkpoint (every `checkpointMs`).
 * It ends when the user is deleted, and when `signal` aborts: silently, or if the reason is an `AppError` with that
 * error and the cursor to resume from. While the database is away it waits.
 * @throws AppError NOT_FOUND for an unknown user.
 */
export async function* follow(
  logs: FollowedLogs,
  limits: Limits,
  request: FollowRequest,
  signal: AbortSignal,
): AsyncGenerator<FollowedEvents, void, undefined> {
  using acquired = await whileAway(() => logs.acquire(request.userId), limits, signal);
  if (!acquired && signal.aborted) return endOf(signal, request.after);
  if (!acquired) throw noSuchUser(request.userId);
  const { log } = acquired;
  const { tail } = log;
  // Another instance may have shown this reader more than this one has heard of yet.
  if ((request.after ?? 0) > tail.head) {
    await whileAway(() => log.catchUp(), limits, signal);
    if (signal.aborted) return endOf(signal, request.after);
  }
  let { cursor, reset } = startPosition(tail, request);
  let told = { anything: false, caughtUp: false, at: 0 };
  while (!tail.gone) {
    if (signal.aborted) return endOf(signal, cursor);
    if (cursor < tail.oldest - 1) ({ cursor, reset } = expired(tail));
    const from = cursor;
    const page = from < tail.head ? await whileAway(() => log.read(from, limits.pageSize), limits, signal) : [];
    if (!page || (page.length === 0 && cursor < tail.head)) continue; // aborted, or cut by retention, or the user is gone
    cursor = page.at(-1)?.sequence ?? cursor;
    const events = page.filter((event) => matches(event, request.filter));
    const caughtUp = cursor >= tail.head;
    const checkpointInMs = told.at + limits.checkpointMs - performance.now();
    const isNews = !told.anything || reset || events.length > 0 || (caughtUp && !told.caughtUp);
    if (isNews || checkpointInMs <= 0) {
      yield { events, cursor, head: tail.head, caughtUp, reset };
      reset = null;
      told = { anything: true, caughtUp, at: performance.now() };
    } else if (caughtUp) await change(tail, cursor, signal, checkpointInMs);
  }
}

function startPosition(tail: LogTail, { after, replayLast }: FollowRequest): Position {
  if (after === undefined) return { cursor: Math.max(tail.head - (replayLast ?? 0), tail.oldest - 1), reset: null };
  if (after > tail.head)
    return { cursor: tail.head, reset: { reason: 'CURSOR_AHEAD', oldest: tail.oldest, head: tail.head } };
  return after < tail.oldest - 1 ? expired(tail) : { cursor: after, reset: null };
}

/** Retention took the next event: go on with the oldest that is left, and say so. */
function expired(tail: LogTail): Position {
  return {
    cursor: tail.oldest - 1,
    reset: { reason: 'CURSOR_EXPIRED', oldest: tail.oldest, head: tail.head },
  };
}

/** Reads, and reads again while the database is away. Nothing once the signal has aborted meanwhile. */
function whileAway<T>(read: () => Promise<T>, limits: Limits, signal: AbortSignal): Promise<T | undefined> {
  return retry(read, { signal, pauseMs: limits.databaseRetryMs, isTemporary: isUnavailable });
}

function endOf(signal: AbortSignal, cursor: number | undefined): void {
  const reason: unknown = signal.reason;
  if (!(reason instanceof AppError)) return;
  const details = cursor === undefined ? {} : { cursor: cursorOf(cursor) };
  throw new AppError(reason.code, reason.message, { ...reason.extensions, ...details });
}

/** Resolves when the log moves past the cursor or ends, when the signal aborts, or when the time is up. */
function change(tail: LogTail, cursor: number, signal: AbortSignal, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      clearTimeout(timer);
      stopListening();
      signal.removeEventListener('abort', settle);
      resolve();
    };
    const timer = setTimeout(settle, timeoutMs).unref();
    const stopListening = tail.onChange(settle);
    signal.addEventListener('abort', settle);
    if (signal.aborted || tail.gone || tail.head > cursor) settle();
  });
}
