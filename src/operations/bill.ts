import type { ExecutionResult } from 'graphql';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Payer } from '../graphql/context.ts';
import type { Limits } from '../limits.ts';
import { refuseCost, type ToldCost, toldCost } from './allowance.ts';
import { refuseDeepVariables } from './check-variables.ts';
import { type CostOf, createCost } from './cost.ts';
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
  readonly told: { readonly extensions: { readonly cost: ToldCost } } | undefined;
}

/** What one operation costs: whether it may be asked for, and that it is paid for, before any of it runs. */
export class Bill {
  readonly #options: BillOptions;
  #costOf: CostOf | undefined;
  /** What it asks for of the schema itself, once that is known. */
  #introspected = 0;

  constructor(options: BillOptions) {
    this.#options = options;
  }

  /** Reads the operation's cost, if it was not read yet: that of a client's operation is when it first runs. */
  prepare(): CostOf {
    this.#costOf ??= this.#read();
    return this.#costOf;
  }

  #read(): CostOf {
    const { limits } = this.#options;
    const costOf = createCost(this.#options, limits);
    const introspected = introspectionItems(this.#options, limits);
    this.#introspected = introspected;
    return introspected === 0 ? costOf : (variables) => costOf(variables) + introspected;
  }

  /** Does it ask for so little that it need not wait for others? */
  isLight(variables: Variables): boolean {
    return this.prepare()(variables) <= this.#options.limits.lightItems;
  }

  weigh(variables: Variables, viewer: Viewer): Weighed {
    const { author, limits, operation } = this.#options;
    const tooDeep = author === 'client' ? refuseDeepVariables(variables, limits) : undefined;
    if (tooDeep) return { refused: { errors: [tooDeep] }, told: undefined };
    const cost = toldCost(this.prepare()(variables), viewer, limits);
    // A document of ours asks for a page at once.
    const isOurs = author === 'server';
    const tooMuch = isOurs
      ? undefined
      : (refuseCost(cost, operation) ?? refuseIntrospection(this.#introspected, limits, operation));
    return { refused: tooMuch && { errors: [tooMuch] }, told: { extensions: { cost } } };
  }

  /** Charges for what the operation may list, unless it has been run before. @throws AppError RATE_LIMITED, UNAVAILABLE */
  pay({ spending, bounds }: Payer, variables: Variables): void {
    if (!bounds?.hasBegun) spending.items(this.prepare()(variables));
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
