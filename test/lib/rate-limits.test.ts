import { expect, test } from 'vitest';
import { RateLimits } from '../../src/gate/rate-limits.ts';
import { defaultLimits } from '../../src/limits.ts';

test('50,000 accounts have a count, and with one more those that soonest would be full have none', () => {
  const rates = new RateLimits({
    limits: defaultLimits,
    pressure: undefined,
    clock: () => 0,
    factor: 1,
    userQuota: { events: 1, bytes: 1 },
  });
  const { burst } = defaultLimits.anonymousRate;
  const isCounted = () => {
    try {
      rates.check('anonymous', 'first', burst, 'rest');
      return false;
    } catch {
      return true;
    }
  };
  rates.take('anonymous', 'first', 1, 'rest');
  for (let index = 2; index <= 50_000; index += 1) rates.take('anonymous', `other ${index}`, 2, 'rest');
  expect(isCounted()).toBe(true);
  rates.take('anonymous', 'one more', 2, 'rest');
  expect(isCounted()).toBe(false);
});
