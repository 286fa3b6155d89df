import type { Spending } from '../../src/graphql/context.ts';

/** An account that nothing is taken from. */
export const freeOfCharge: Spending = {
  request() {},
  items() {},
  found() {},
  spareIn: () => 0,
  stream() {},
  record: (_, store) => store(),
};
