import { Bill } from '../../src/operations/bill.ts';

/** Synclog as it is, but that no operation is weighed, charged or judged for what it costs. What is told of the cost is nothing. */
const told = { extensions: { cost: { items: 0, limit: 0 } } };
const free: Pick<Bill, 'isLight' | 'weigh' | 'pay' | 'unpaid' | 'judgeOf' | 'settle'> = {
  isLight: () => true,
  weigh: () => ({ refused: undefined, told }),
  pay() {},
  unpaid: () => undefined,
  judgeOf: () => ({ priceOf: () => 0, judge: () => ({ isHeavy: false, refused: undefined }) }),
  settle: () => told,
};
Object.assign(Bill.prototype, free);

// Whoever makes an operation has the prototype by then. The path is not for the compiler: what Synclog declares of Pothos for all would
// bind the peer that builds a schema without it.
const synclog: string = '../../src/main.ts';
await import(synclog);
