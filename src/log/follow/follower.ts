import { isUnavailable } from '../../db/faults.ts';
import { AppError, noSuchUser } from '../../errors.ts';
import type { Alarmed } from '../../lib/alarms.ts';
import { retry } from '../../lib/retry.ts';
import type { Limits } from '../../limits.ts';
import { cursorOf } from '../event.ts';
import type { SyncEventFilter } from '../filter.ts';
import type { FollowedLog } from './followed-log.ts';
import type { AcquiredLog, FollowedLogs } from './followed-logs.ts';
import type { LogTail, TailListener } from './log-tail.ts';
import { type FollowedEvents, type FollowReset, stepWith } from './steps.ts';

/** Where a follower begins: after a sequence, `replayLast` events before the head, or (with neither) at the head. */
export interface FollowRequest {
  readonly userId: string;
  readonly after?: number | undefined;
  readonly replayLast?: number | undefined;
  readonly filter?: SyncEventFilter | null | undefined;
}

type NextStep = IteratorResult<FollowedEvents, void>;

/** Whoever waits for the next step. */
interface Waiting {
  readonly resolve: (step: NextStep | Promise<NextStep>) => void;
  readonly reject: (error: unknown) => void;
}

const over: NextStep = { done: true, value: undefined };

/**
 * Follows one user's log: what the request asks to replay, then whatever comes, each event once and in order. It is
 * pulled: nothing is read before the reader wants more, and at most one page is held. The first step comes at once;
 * after that a step has events, or tells that the log's head was reached, or is a checkpoint (every `checkpointMs`).
 * It ends when the user is deleted, and when `signal` aborts: silently, or if the reason is an `AppError` with that
 * error and the cursor to resume from. While the database is away it waits. `next()` is called by one reader, and not
 * again before it has answered.
 *
 *     new --next()--> stepping --nothing to tell--> waiting
 *                              <--change, alarm----            (an end or `return()` leads to `over` from everywhere)
 *
 * While it waits it owns no timer and no promise but the reader's. Followers at the same place are handed the same step.
 */
export class Follower implements AsyncGenerator<FollowedEvents, void, undefined>, TailListener, Alarmed {
  readonly #logs: FollowedLogs;
  readonly #limits: Limits;
  readonly #request: FollowRequest;
  readonly #signal: AbortSignal;
  #acquired: AcquiredLog | undefined;
  #isOver = false;
  #cursor = 0;
  #reset: FollowReset | null = null;
  /** Whether anything was told, and if so whether that was at the head. */
  #told: 'nothing' | 'behind' | 'caughtUp' = 'nothing';
  #toldAt = 0;
  #waiting: Waiting | undefined;
  /** The slot of the alarm for the next checkpoint, if it is set. */
  #alarm: number | undefined;

  constructor(logs: FollowedLogs, limits: Limits, request: FollowRequest, signal: AbortSignal) {
    this.#logs = logs;
    this.#limits = limits;
    this.#request = request;
    this.#signal = signal;
  }

  /** @throws AppError NOT_FOUND for an unknown user who is not awaited; the signal's reason, see above; what the database throws. */
  next(): Promise<NextStep> {
    const { log } = this.#acquired ?? {};
    if (!log || this.#isOver) return this.#nextOf(log);
    try {
      const step = this.#fromMemory(log);
      if (step === 'unknown') return this.#nextOf(log);
      if (step) return Promise.resolve(step);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => this.#wait({ resolve, reject }));
  }

  /** The steps that need the database. */
  async #nextOf(acquired: FollowedLog | undefined): Promise<NextStep> {
    if (this.#isOver) return over;
    try {
      const log = acquired ?? (await this.#begin());
      if (!log) return over;
      for (;;) {
        const step = this.#fromMemory(log);
        if (step === undefined) break;
        if (step !== 'unknown') return step;
        const from = this.#cursor;
        const page = await this.#whileAway(() => log.read(from, this.#limits.pageSize));
        // Without a page it has aborted, the log was cut by retention, or the user is gone: what follows tells.
        if (page?.length) {
          const told = this.#tell(stepWith(page, log.tail, this.#request.filter));
          if (told) return told;
        }
      }
    } catch (error) {
      this.#end();
      throw error;
    }
    return new Promise((resolve, reject) => this.#wait({ resolve, reject }));
  }

  /** Takes the log, and finds the place to begin at. Undefined when it has ended meanwhile. */
  async #begin(): Promise<FollowedLog | undefined> {
    const { userId, after } = this.#request;
    const acquired = await this.#whileAway(() => this.#logs.acquire(userId));
    if (this.#isOver || (!acquired && this.#signal.aborted)) {
      acquired?.[Symbol.dispose]();
      if (!this.#isOver) this.#endBy(after);
      return undefined;
    }
    if (!acquired) throw noSuchUser(userId);
    this.#acquired = acquired;
    const { log } = acquired;
    // Another instance may have shown this reader more than this one has heard of yet.
    if ((after ?? 0) > log.tail.head) {
      await this.#whileAway(() => log.catchUp());
      if (this.#isOver) return undefined;
      if (this.#signal.aborted) {
        this.#endBy(after);
        return undefined;
      }
    }
    this.#startAt(log.tail);
    log.tail.listen(this);
    this.#signal.addEventListener('abort', this);
    return log;
  }

  #startAt(tail: LogTail): void {
    const { after, replayLast } = this.#request;
    this.#cursor = after ?? Math.max(tail.head - (replayLast ?? 0), tail.oldest - 1);
    if (this.#cursor <= tail.head) return; // a place that is no longer there is noticed with each step
    this.#cursor = tail.head;
    this.#reset = { reason: 'CURSOR_AHEAD', oldest: tail.oldest, head: tail.head };
  }

  /**
   * The next step as far as memory has it: undefined when there is nothing to tell, `unknown` when the log has to be read.
   * @throws as `next`
   */
  #fromMemory(log: FollowedLog): NextStep | undefined | 'unknown' {
    const { tail } = log;
    for (;;) {
      if (this.#isOver) return over;
      if (this.#signal.aborted || tail.gone) return this.#endBy(this.#cursor);
      if (this.#cursor < tail.oldest - 1) this.#skipTo(tail);
      const step = log.stepAfter(this.#cursor, this.#request.filter, this.#limits.pageSize);
      if (!step) return 'unknown';
      const told = this.#tell(step);
      if (told || step.caughtUp) return told;
    }
  }

  /** Retention took the next event: go on with the oldest that is left, and say so. */
  #skipTo({ oldest, head }: LogTail): void {
    this.#cursor = oldest - 1;
    this.#reset = { reason: 'CURSOR_EXPIRED', oldest, head };
  }

  /** Goes on to where the step leads. Undefined when the reader need not be told of it. */
  #tell(step: FollowedEvents): NextStep | undefined {
    this.#cursor = step.cursor;
    const now = performance.now();
    const isNews =
      this.#told === 'nothing' ||
      this.#reset !== null ||
      step.events.length > 0 ||
      (step.caughtUp && this.#told === 'behind');
    if (!isNews && now < this.#toldAt + this.#limits.checkpointMs - this.#logs.checkpoints.slotMs) return undefined;
    const value = this.#reset ? { ...step, reset: this.#reset } : step;
    this.#reset = null;
    this.#told = step.caughtUp ? 'caughtUp' : 'behind';
    this.#toldAt = now;
    return { done: false, value };
  }

  #wait(waiting: Waiting): void {
    this.#waiting = waiting;
    this.#alarm ??= this.#logs.checkpoints.set(this, this.#toldAt + this.#limits.checkpointMs);
  }

  /** What it waited for may be there. */
  changed(): void {
    const waiting = this.#waiting;
    const { log } = this.#acquired ?? {};
    if (!waiting || !log) return;
    try {
      const step = this.#fromMemory(log);
      if (step === undefined) return;
      this.#waiting = undefined;
      waiting.resolve(step === 'unknown' ? this.#nextOf(log) : step);
    } catch (error) {
      this.#waiting = undefined;
      waiting.reject(error);
    }
  }

  /** A checkpoint is due, unless something was told since the alarm was set. */
  ring(): void {
    this.#alarm = undefined;
    this.changed();
    if (this.#waiting) this.#wait(this.#waiting);
  }

  /** The signal has aborted. */
  handleEvent(): void {
    this.changed();
  }

  /** @throws the reason of the signal, with the cursor to resume from, unless it ends silently */
  #endBy(cursor: number | undefined): NextStep {
    this.#end();
    const reason: unknown = this.#signal.aborted ? this.#signal.reason : undefined;
    if (!(reason instanceof AppError)) return over;
    const details = cursor === undefined ? {} : { cursor: cursorOf(cursor) };
    throw new AppError(reason.code, reason.message, { ...reason.extensions, ...details });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#alarm !== undefined) this.#logs.checkpoints.cancel(this, this.#alarm);
    this.#signal.removeEventListener('abort', this);
    this.#acquired?.log.tail.leave(this);
    this.#acquired?.[Symbol.dispose]();
    this.#acquired = undefined;
  }

  /** Ends it. Whoever waits is told so. */
  return(): Promise<NextStep> {
    this.#end();
    this.#waiting?.resolve(over);
    this.#waiting = undefined;
    return Promise.resolve(over);
  }

  throw(error: unknown): Promise<never> {
    void this.return();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Reads, and reads again while the database is away. Nothing once the signal has aborted meanwhile. */
  #whileAway<T>(read: () => Promise<T>): Promise<T | undefined> {
    const { databaseRetryMs } = this.#limits;
    return retry(read, { signal: this.#signal, pauseMs: databaseRetryMs, isTemporary: isUnavailable });
  }
}
