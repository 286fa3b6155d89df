import { pick } from '../../../src/lib/random.ts';
import { clockApart } from '../../support/clock-apart.ts';
import { campaignOf, runCampaign } from './campaign.ts';
import type { Line, Parts } from './promises.ts';

const MINUTE = 60_000;
/** No credential of the proof ends, or begins to be good, within these. */
const CLOCKS = [
  [30 * MINUTE],
  [-3 * 24 * 60 * MINUTE],
  [-20 * MINUTE, 25 * MINUTE, 0, -40 * MINUTE],
  [0, -1_000, 900],
] as const;

/**
 * Instances whose clocks are apart, or jump: by turns each starts again with another clock, and keeps it until it starts
 * again for another proof. The checker compares the times of each log with its order, and the witness watches runs.
 */
export async function proveClocksApart(parts: Parts): Promise<Line> {
  const { fleet, random, sizes } = parts;
  const outcome = await runCampaign({
    ...campaignOf(parts, sizes.clocks, 400 * sizes.clocks),
    async inject(fault) {
      const instance = fleet.instances[fault % 3] ?? fleet.instances[0];
      await instance.end('SIGTERM');
      await instance.start(clockApart(...pick(random, CLOCKS)));
    },
  });
  return { promise: 'clocks of instances that are apart and jump', outcome };
}
