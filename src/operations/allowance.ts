import type { OperationDefinitionNode } from 'graphql';
import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { labelOf } from './operation-label.ts';

/** What a client is told of the cost of its operation, in `extensions.cost`. */
export interface ToldCost {
  /** The items that the operation asks for, as they are counted before it runs, and those that lists had beyond what is usual. */
  readonly items: number;
  /** How many an operation of this viewer may ask for. */
  readonly limit: number;
}

/** Those who see all users may ask for more at once than a person, and than who has not said who is asking. */
export function toldCost(
  items: number,
  { kind }: Viewer,
  { operationItems }: Pick<Limits, 'operationItems'>,
): ToldCost {
  const sees = kind === 'service' || kind === 'developer' ? 'service' : 'user';
  return { items, limit: operationItems[sees] };
}

/** The refusal of an operation that asks for too much, or turns out to find it; undefined for one that does not. */
export function refuseCost(
  { items, limit }: ToldCost,
  operation: OperationDefinitionNode,
  when: 'before it runs' | 'as it runs' = 'before it runs',
): AppError | undefined {
  if (items <= limit) return undefined;
  const much = when === 'before it runs' ? `asks for ${items}` : `finds ${items} or more: ask for less at once`;
  const message = `An operation may ask for at most ${limit} items in all, and ${labelOf(operation)} ${much}`;
  return new AppError('LIMIT_EXCEEDED', message, {}, { nodes: operation });
}
