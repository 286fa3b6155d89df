import type { ExecutionResult } from 'graphql';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Context, Payer } from '../graphql/context.ts';
import type { Limits } from '../limits.ts';
import { refuseCost, type ToldCost, toldCost } from './allowance.ts';
import { refuseDeepVariables } from './check-variables.ts';
import { type Cost, createCost } from './cost.ts';
import { introspectionItems, refuseIntrospection } from './introspection-cost.ts';
import type { ValidOperation, Variables } from './valid-operation.ts';

/** Who wrote a document, and with it the values of its variables. The bounds of what clients send are none of our own. */
export type Author = 'client' | 'server';

interface BillOptions extends ValidOperation {
  readonly limits: Limits;
  readonly author: Author;
}

/** Whether an operation is refused for what it asks for, and what a client is told of that. */
export interface Weighed {
  readonly refused: ExecutionResult | undefined;
  /** Undefined where the cost was not worked out. */
  readonly told: Told | undefined;
}

interface Told {
  readonly extensions: { readonly cost: ToldCost };
}

/** What one operation costs: whether it may be asked for, and that it is paid for, before any of it runs; and what is found to be more. */
export class Bill {
  readonly #options: BillOptions;
  #cost: Cost | undefined;
  /** What it asks for of the schema itself, once that is known. */
  #introspected = 0;

  constructor(options: BillOptions) {
    this.#options = options;
  }

  /** Reads the operation's cost, if it was not read yet: that of a client's operation is when it first runs. */
  prepare(): Cost {
    this.#cost ??= this.#read();
    return this.#cost;
  }

  #read(): Cost {
    const { limits } = this.#options;
    const cost = createCost(this.#options, limits);
    const introspected = introspectionItems(this.#options, limits);
    this.#introspected = introspected;
    return introspected === 0 ? cost : { ...cost, asked: (variables) => cost.asked(variables) + introspected };
  }

  /** Does it ask for so little that it need not wait for others? */
  isLight(variables: Variables): boolean {
    return this.prepare().asked(variables) <= this.#options.limits.lightItems;
  }

  weigh(variables: Variables, viewer: Viewer): Weighed {
    const { author, limits, operation } = this.#options;
    const tooDeep = author === 'client' ? refuseDeepVariables(variables, limits) : undefined;
    if (tooDeep) return { refused: { errors: [tooDeep] }, told: undefined };
    const cost = this.#costWith(0, variables, viewer);
    // A document of ours asks for a page at once.
    const isOurs = author === 'server';
    const tooMuch = isOurs
      ? undefined
      : (refuseCost(cost, operation) ?? refuseIntrospection(this.#introspected, limits, operation));
    return { refused: tooMuch && { errors: [tooMuch] }, told: { extensions: { cost } } };
  }

  /** Charges for what the operation may list, unless it has been run before. @throws AppError RATE_LIMITED, UNAVAILABLE */
  pay({ spending, bounds }: Payer, variables: Variables): void {
    if (!bounds?.hasBegun) spending.items(this.prepare().asked(variables));
  }

  /**
   * Has an operation that is about to run told of what lists have beyond what is usual.
   * @param isBound whether it is refused when that is too much: a payload of a subscription is not. Nor is a document of ours,
   * and a mutation, which has been done by then: without its answer, its client would do it again
   */
  watch({ bounds, viewer }: Context, variables: Variables, isBound: boolean): void {
    const { author, limits, operation } = this.#options;
    const isRefused = isBound && author === 'client' && operation.operation !== 'mutation';
    bounds.judgeUnusual = (found) => {
      const cost = this.#costWith(found, variables, viewer);
      // What a stream was charged for is a whole page, and most payloads are small: they are made at once, for all who follow.
      const paidBefore = isBound ? 0 : this.prepare().asked(variables);
      return {
        isHeavy: cost.items - paidBefore > limits.lightItems,
        refused: isRefused ? refuseCost(cost, operation, 'as it runs') : undefined,
      };
    };
  }

  /** Charges for what was found beyond what is usual, however much that is. @returns what a client is told of the cost */
  settle({ bounds, spending, viewer }: Context, variables: Variables): Told {
    const cost = this.#costWith(bounds.unusual, variables, viewer);
    const due = bounds.settle(cost.items - this.prepare().asked(variables));
    if (due > 0) spending.found(due);
    return { extensions: { cost } };
  }

  #costWith(unusual: number, variables: Variables, viewer: Viewer): ToldCost {
    const { asked, ofOneMore } = this.prepare();
    const more = unusual > 0 ? unusual * ofOneMore(variables) : 0;
    return toldCost(asked(variables) + more, viewer, this.#options.limits);
  }

  /** The same for who answers with a result: undefined once it is paid. */
  unpaid(payer: Payer, variables: Variables, isStream = false): ExecutionResult | undefined {
    try {
      if (isStream) payer.spending.stream();
      this.pay(payer, variables);
      return undefined;
    } catch (error) {
      if (error instanceof AppError) return { errors: [error] };
      throw error;
    }
  }
}
