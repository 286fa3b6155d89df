import type { ExecutionResult } from 'graphql';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Context, Payer } from '../graphql/context.ts';
import type { UnusualJudge } from '../graphql/operation-bounds.ts';
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

/** Whether an operation is refused for what it asks for, and what a client is told of that, where the cost was worked out. */
export type Weighed =
  | { readonly refused: ExecutionResult; readonly told: Told | undefined }
  | { readonly refused: undefined; readonly told: Told };

export interface Told {
  readonly extensions: { readonly cost: ToldCost };
}

/** What one operation costs: whether it may be asked for, and that it is paid for, before any of it runs; and what is found to be more. */
export class Bill {
  readonly #options: BillOptions;
  #cost: Cost | undefined;
  /** What it asks for of the schema itself, once that is known. */
  #introspected = 0;
  /**
   * Judges what lists of a payload have beyond what is usual. A stream is charged for what is usual, and what payloads show of
   * their events alone is made at once, for all who follow: it is judged only where much is about to be read.
   */
  readonly ofPayloads: UnusualJudge;

  constructor(options: BillOptions) {
    this.#options = options;
    const { lightItems } = options.limits;
    this.ofPayloads = { priceOf: () => 0, judge: (cost) => ({ isHeavy: cost > lightItems, refused: undefined }) };
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
    const cost = toldCost(this.prepare().asked(variables), viewer, limits);
    // A document of ours asks for a page at once.
    const isOurs = author === 'server';
    const tooMuch = isOurs
      ? undefined
      : (refuseCost(cost, operation) ?? refuseIntrospection(this.#introspected, limits, operation));
    const told = { extensions: { cost } };
    return tooMuch ? { refused: { errors: [tooMuch] }, told } : { refused: undefined, told };
  }

  /** Charges for what the operation may list, unless it has been run before. @throws AppError RATE_LIMITED, UNAVAILABLE */
  pay({ spending, bounds }: Payer, variables: Variables): void {
    if (!bounds?.hasBegun) spending.items(this.prepare().asked(variables));
  }

  /**
   * Judges what lists of a query or a mutation have beyond what is usual. A document of ours is not refused for that. Nor is
   * a mutation, which has been done by then: without its answer, its client would do it again.
   */
  judgeOf(variables: Variables, { extensions: { cost: asked } }: Told): UnusualJudge {
    const { author, limits, operation } = this.#options;
    const isRefused = author === 'client' && operation.operation !== 'mutation';
    const { ofOneMore } = this.prepare();
    return {
      priceOf: (fields) => fields.reduce((sum, field) => sum + ofOneMore(field, variables), 0),
      judge(more) {
        const cost = { ...asked, items: asked.items + more };
        return {
          isHeavy: cost.items > limits.lightItems,
          refused: isRefused ? refuseCost(cost, operation, 'as it runs') : undefined,
        };
      },
    };
  }

  /**
   * Charges for what was found beyond what is usual, however much that is.
   * @param asked what was told before the operation ran
   * @returns what a client is told of the cost
   */
  settle({ bounds, spending }: Context, asked: Told): Told {
    if (bounds.unusual === 0) return asked;
    const due = bounds.settleUnusual();
    if (due > 0) spending.found(due);
    const { items, limit } = asked.extensions.cost;
    return { extensions: { cost: { items: items + bounds.unusual, limit } } };
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
