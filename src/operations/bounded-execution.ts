import type { ExecutionResult } from 'graphql';
import type { OperationBounds } from '../graphql/operation-bounds.ts';
import { Alarms } from '../lib/alarms.ts';
import { hurry } from '../lib/pace.ts';
import { Turns } from '../lib/turns.ts';
import type { Limits } from '../limits.ts';

type Execution = () => ExecutionResult | PromiseLike<ExecutionResult>;

/** Executes queries and mutations within their bounds. What asks for much waits for others like it. */
export class BoundedExecution {
  readonly #limits: Limits;
  readonly #deadlines: Alarms;
  readonly #turns = new Turns();

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#deadlines = new Alarms(limits.operationMs);
  }

  /** @param isLight it asks for so little that it need not wait. @returns no data for what is past its bounds, which say why */
  async run(execute: Execution, bounds: OperationBounds, isLight: boolean): Promise<ExecutionResult> {
    bounds.begin(this.#limits);
    const calm = isLight ? hurry() : undefined;
    bounds.calm = calm;
    try {
      const executing = isLight ? execute() : this.#inTurn(execute, bounds);
      const result = 'then' in executing ? await this.#unlessLate(executing, bounds) : executing;
      return bounds.exceeded ? { data: null } : result;
    } finally {
      calm?.();
    }
  }

  /** One after another, each in slices. One that never ends is left behind. */
  #inTurn(execute: Execution, bounds: OperationBounds): Promise<ExecutionResult> {
    bounds.slowDown();
    return this.#turns.run(async () => {
      const executing = execute();
      return 'then' in executing ? this.#unlessLate(executing, bounds) : executing;
    });
  }

  /** The result, or what there is of it when its time is over: nothing. */
  #unlessLate(executing: PromiseLike<ExecutionResult>, bounds: OperationBounds): Promise<ExecutionResult> {
    return new Promise((resolve, reject) => {
      const late = {
        ring() {
          bounds.endForTime();
          resolve({ data: null });
        },
      };
      const slot = this.#deadlines.set(late, bounds.deadline);
      executing.then(resolve, reject);
      const cancel = () => this.#deadlines.cancel(late, slot);
      executing.then(cancel, cancel);
    });
  }
}

/** Whether data of this length may be answered; if not, the bounds are exceeded from now on. */
export function isWithin(bounds: OperationBounds, length: number): boolean {
  try {
    bounds.total(length);
    return true;
  } catch {
    return false;
  }
}
