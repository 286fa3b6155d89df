import { Bill } from '../../src/operations/bill.ts';

/** Synclog as it is, but that no operation is weighed, charged or watched for what it costs. What is told of the cost is nothing. */
const told = { extensions: { cost: { items: 0, limit: 0 } } };
const free: Pick<Bill, 'isLight' | 'weigh' | 'pay' | 'unpaid' | 'watch' | 'settle'> = {
  isLight: () => true,
  weigh: () => ({ refused: undefined, told }),
  pay() {},
  unpaid: () => undefined,
  watch() {},
  settle: () => told,
};
Object.assign(Bill.prototype, free);

// Whoever makes an operation has the prototype by then.
await import('../../src/main.ts');
