import type { GraphQLField } from 'graphql';
import type { Limits } from '../limits.ts';

/** The limits that are a number of items. */
type ItemLimit = { [K in keyof Limits]: Limits[K] extends number ? K : never }[keyof Limits];

/**
 * How many items a list field returns at most. Every field whose type is a list, or a page of a list, says so in its
 * `extensions.items`; `operations/cost.ts` adds an operation up from what its fields say, before any of it runs.
 */
export type Items =
  /** As many as the largest of these arguments says that is given; without any, a default page. Never more than `most`. */
  | { readonly by: readonly string[]; readonly most: ItemLimit }
  /** One for each value in the list at this path of input, such as `input.events`. Never more than `most`. */
  | { readonly each: string; readonly most: ItemLimit }
  /** As many as the limit says, whatever is asked. */
  | { readonly most: ItemLimit | number }
  /** So many as a rule, and few of a list of lists have more. Never more than `most`. */
  | { readonly usual: number; readonly most: ItemLimit }
  /** The field that returns the object around this list has counted the items already, as a page does for its edges. */
  | 'counted by parent';

/** The extensions of a field that returns this many items. */
export const withItems = (items: Items) => ({ extensions: { items } });

/**
 * Types of data that an event, a run or a connection has as a rule. With as many as there may be, ten times that, a person's
 * connections with their types of data would count ten thousand items. Those beyond count when they are found:
 * `OperationBounds.foundUnusual`.
 */
export const USUAL_DATA_TYPES = 20;

/** The items of a Relay page: `first` or `last` of them. */
export const pageOf = (most: ItemLimit = 'pageSize') => withItems({ by: ['first', 'last'], most });

/** What a field says of its items; undefined for one that says nothing. */
export function itemsOf(field: GraphQLField<unknown, unknown>): Items | undefined {
  return field.extensions.items as Items | undefined; // only `withItems` writes it
}

/** The extensions of a field that returns no list, and for which about so many rows are read beside what it shows. */
export const withReads = (reads: number) => ({ extensions: { reads } });

export function readsOf({ extensions: { reads } }: GraphQLField<unknown, unknown>): number {
  return typeof reads === 'number' ? reads : 0;
}
