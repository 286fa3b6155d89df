import { AppError } from '../errors.ts';
import { Pace } from '../lib/pace.ts';
import type { Limits } from '../limits.ts';

type TimeAndLength = Pick<Limits, 'operationMs' | 'answerLength'>;

/** What is to be done about items that lists have beyond what is usual. */
interface Judgement {
  /** The operation would hold up others. */
  readonly isHeavy: boolean;
  readonly refused: AppError | undefined;
}

/**
 * What bounds a query or a mutation while it runs: how long it may take, and how long its answer may become. Once it is past
 * one of these nothing is read for it any more. Without {@link begin}, as in a payload of a subscription, nothing is bounded.
 */
export class OperationBounds {
  #limits: TimeAndLength | undefined;
  #deadline = Number.POSITIVE_INFINITY;
  #length = 0;
  #exceeded: AppError | undefined;
  #unusual = 0;
  #settled = 0;
  /** Judges so many of them, in all. */
  judgeUnusual: ((found: number) => Judgement) | undefined;
  /** Of an operation that would hold up others. */
  pace: Pace | undefined;

  /** Time counts from the first call: a query that was written as text, and has errors, is run again. */
  begin(limits: TimeAndLength): void {
    this.#length = 0;
    this.#unusual = 0;
    if (this.#limits) return;
    this.#limits = limits;
    this.#deadline = performance.now() + limits.operationMs;
  }

  /** Whether it has been run before: then it is paid for. */
  get hasBegun(): boolean {
    return this.#limits !== undefined;
  }

  /** By `performance.now()`. */
  get deadline(): number {
    return this.#deadline;
  }

  /** The refusal of the whole operation, once it was found past one of its bounds. */
  get exceeded(): AppError | undefined {
    return this.#exceeded;
  }

  /** Called before anything is read. @throws AppError LIMIT_EXCEEDED */
  check(): void {
    if (performance.now() >= this.#deadline) this.endForTime();
    if (this.#exceeded) throw this.#exceeded;
  }

  /** Lists turn out to have so many items beyond what is usual; or fewer, if negative. @throws AppError LIMIT_EXCEEDED */
  foundUnusual(more: number): void {
    this.expectUnusual(more);
    this.#unusual += Math.max(0, more);
  }

  /** They are about to be read, and will be told of where they are shown. @throws AppError LIMIT_EXCEEDED */
  expectUnusual(more: number): void {
    const judged = more > 0 ? this.judgeUnusual?.(this.#unusual + more) : undefined;
    if (judged?.isHeavy) this.pace ??= new Pace();
    if (!judged?.refused) return;
    this.#exceeded ??= judged.refused;
    throw this.#exceeded;
  }

  /** Items that lists had beyond what is usual. */
  get unusual(): number {
    return this.#unusual;
  }

  /** So much was owed in all. @returns what of it was not yet settled */
  settle(owed: number): number {
    const due = Math.max(0, owed - this.#settled);
    this.#settled += due;
    return due;
  }

  /** So much more of the answer is written. @throws AppError LIMIT_EXCEEDED */
  written(length: number): void {
    this.#length += length;
    this.checkLength(0);
  }

  /** So much more of the answer is about to be written. @throws AppError LIMIT_EXCEEDED */
  checkLength(more: number): void {
    if (!this.#limits || this.#length + more <= this.#limits.answerLength) return;
    this.#exceeded ??= new AppError(
      'LIMIT_EXCEEDED',
      `An answer may have at most ${this.#limits.answerLength} characters of data: ask for less at once. What a mutation was to do has been done`,
    );
    throw this.#exceeded;
  }

  /** All of the answer's data is so long. @throws AppError LIMIT_EXCEEDED */
  total(length: number): void {
    this.#length = 0;
    this.written(length);
  }

  endForTime(): void {
    this.#exceeded ??= new AppError(
      'LIMIT_EXCEEDED',
      `An operation may take at most ${(this.#limits?.operationMs ?? 0) / 1_000} s: ask for less at once. What a mutation had begun may have been done`,
    );
  }
}
