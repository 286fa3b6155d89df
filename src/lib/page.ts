/** Which part of a list is wanted. A key says where an item stands in the list. */
export interface Page<Key> {
  /** Only what comes after this place; from the beginning if not given. */
  readonly after?: Key | undefined;
  /** Only what comes before this place; up to the end if not given. */
  readonly before?: Key | undefined;
  /** How many items at most. */
  readonly limit: number;
  /** True for the last `limit` items instead of the first; the answer is in list order all the same. */
  readonly fromEnd: boolean;
}
