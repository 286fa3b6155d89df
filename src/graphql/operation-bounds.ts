import type { FieldNode } from 'graphql';
import { AppError } from '../errors.ts';
import { Pace } from '../lib/pace.ts';
import type { Limits } from '../limits.ts';

/** One part of an operation's time it may wait for what takes little; the others are for what it does. */
const PARTS_OF_TIME = 5;

type TimeAndLength = Pick<Limits, 'operationMs' | 'answerLength'>;

/** Judges items that lists of an operation have beyond what is usual. */
export interface UnusualJudge {
  /** What one more costs in the list of a field, which a selection may ask for several times; 0 in what is charged by its usual items alone. */
  priceOf(fields: readonly FieldNode[]): number;
  /** What is to be done once all of them cost so much. */
  judge(cost: number): Judgement;
}

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
  readonly #begunAt: number | undefined;
  #limits: TimeAndLength | undefined;
  #deadline = Number.POSITIVE_INFINITY;
  #length = 0;
  #exceeded: AppError | undefined;
  #unusual = 0;
  #settled = 0;
  judge: UnusualJudge | undefined;
  #pace: Pace | undefined;
  /** Of an operation that goes before others: ends that. */
  calm: (() => void) | undefined;

  /** @param begunAt by `performance.now()`: the time of an operation that is one of several counts from the first of them */
  constructor(begunAt?: number) {
    this.#begunAt = begunAt;
  }

  /** Without such a beginning, time counts from the first call: a query that was written as text, and has errors, is run again. */
  begin(limits: TimeAndLength): void {
    this.#length = 0;
    this.#unusual = 0;
    if (this.#limits) return;
    this.#limits = limits;
    this.#deadline = (this.#begunAt ?? performance.now()) + limits.operationMs;
  }

  /** Of an operation that would hold up others. */
  get pace(): Pace | undefined {
    return this.#pace;
  }

  /** The operation would hold up others: it goes on in slices from now on. */
  slowDown(): void {
    this.calm?.();
    this.#pace ??= new Pace((this.#limits?.operationMs ?? 0) / PARTS_OF_TIME);
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

  /** The list of a field turns out to have so many items beyond what is usual; or fewer, if negative. @throws AppError LIMIT_EXCEEDED */
  foundUnusual(more: number, fields: readonly FieldNode[]): void {
    const cost = more > 0 && this.judge ? more * this.judge.priceOf(fields) : 0;
    if (cost === 0) return;
    this.#judgeUnusual(cost);
    this.#unusual += cost;
  }

  /** So many are about to be read, and {@link foundUnusual} is told of them where they are shown. @throws AppError LIMIT_EXCEEDED */
  expectUnusual(more: number): void {
    if (more > 0) this.#judgeUnusual(more); // each costs 1 at least
  }

  #judgeUnusual(more: number): void {
    const judged = this.judge?.judge(this.#unusual + more);
    if (judged?.isHeavy) this.slowDown();
    if (!judged?.refused) return;
    this.#exceeded ??= judged.refused;
    throw this.#exceeded;
  }

  /** What the items cost that lists had beyond what is usual. */
  get unusual(): number {
    return this.#unusual;
  }

  /** @returns what of {@link unusual} was not yet settled: a query that was written as text, and has errors, is run again */
  settleUnusual(): number {
    const due = Math.max(0, this.#unusual - this.#settled);
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
