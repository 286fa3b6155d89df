import type { Services } from '../services.ts';
import type { OperationBounds } from './operation-bounds.ts';

/** A way to find many things at once. `keyOf` tells which keys are the same. */
export interface Batch<K, V> {
  /** Answers in the order of the keys. @param bounds of the operation that asks, if one does */
  readonly find: (keys: readonly K[], services: Services, bounds?: OperationBounds) => Promise<readonly V[]>;
  readonly keyOf: (key: K) => string;
  /**
   * What an answer rests on that was made of this. A function of the key: the row of the user that it names, with which
   * all of this changes. A function of the answer: itself, as it can be asked again; it holds the rows of these users.
   * Without either, the answer cannot be kept.
   */
  readonly restsOn?: { readonly owner: (key: K) => string } | { readonly users: (answer: V) => readonly string[] };
}
