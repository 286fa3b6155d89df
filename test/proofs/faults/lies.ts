import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { between, pick, type Random } from '../../../src/lib/random.ts';
import { campaignOf, runCampaign } from './campaign.ts';
import type { Line, Parts } from './promises.ts';

/** Heads that no log has, or ever can have. */
const HEADS = [500, 2 ** 31 - 1, 2 ** 31, 3_000_000_000, 2 ** 53, 1e300, -1, 0, 1.5, null, 'many', [1], {}] as const;

/** A doorbell that lies all the time: heads that are not there, users who are not deleted, and what is no message. */
export async function proveLies(parts: Parts): Promise<Line> {
  const { fleet, random } = parts;
  let lies = 0;
  const outcome = await runCampaign({
    ...campaignOf(parts, 0, 4_000),
    async beside(userIds, signal) {
      const client = new pg.Client(fleet.databaseUrl);
      await client.connect();
      while (!signal.aborted) {
        await client.query('SELECT pg_notify($1, $2)', ['synclog', lieAbout(userIds, random)]);
        lies += 1;
        await wait(between(random, 0, 20));
      }
      await client.end();
    },
  });
  return { promise: 'a doorbell that lies', outcome: { ...outcome, faults: lies } };
}

function lieAbout(userIds: readonly string[], random: Random): string {
  const userId = pick(random, userIds as [string, ...string[]]);
  const [head, before] = [pick(random, HEADS), pick(random, HEADS)];
  const change = pick(random, [
    [userId],
    [userId],
    [userId, head, head],
    [userId, before, head],
    [userId, between(random, 0, 50), between(random, 1, 2_000)],
    [randomUUID()],
    [userId.toUpperCase(), 1, 2],
  ]);
  const message = JSON.stringify(['a liar', [change]]);
  return random() < 0.1 ? message.slice(0, between(random, 1, message.length)) : message;
}
