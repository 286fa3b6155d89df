import { setTimeout as wait } from 'node:timers/promises';
import { pick } from '../../../src/lib/random.ts';
import { clockApart } from '../../support/clock-apart.ts';
import { readLog } from '../../support/log-reader.ts';
import { graphql, newUser, startProcess } from '../../support/server-process.ts';
import { streamTransports } from '../../support/streams.ts';
import { startWitness } from '../../support/witness.ts';
import { outcomeOf } from './campaign.ts';
import type { Line, Parts } from './promises.ts';

/** How soon everything is found that no signal has told of. */
const LOOK_MS = 5_000;
/** How soon a stream ends whose key was revoked. */
const REVOKED_MS = 30_000;
const AN_HOUR = 3_600_000;
/** Nobody listens there: no signal of an instance that has this for its doorbell arrives. */
const NO_REDIS = 'redis://127.0.0.1:1';

/**
 * An instance whose doorbell never rings, and whose clock is an hour behind, records what is followed at the others. A key
 * is revoked meanwhile, of which nobody is told by a signal either.
 */
export async function proveDeafInstances({ fleet, random, sizes }: Parts): Promise<Line> {
  const { databaseUrl, urls } = fleet;
  const { headers } = fleet.instances[0];
  const settings = { DATABASE_URL: databaseUrl, REDIS_URL: NO_REDIS, LOG_LEVEL: 'silent', ...clockApart(-AN_HOUR) };
  const deaf = await startProcess(settings);
  const witness = await startWitness({ url: () => deaf.url, followUrl: () => pick(random, urls), headers, random });
  const isLong = sizes.deafMs >= REVOKED_MS; // otherwise nobody waits for it
  const [revokedMs] = await Promise.all([isLong ? timeRevocation(fleet) : 0, wait(sizes.deafMs)]);
  const testimony = await witness.stop();
  const { worstMs, medianMs } = testimony;
  await deaf.remove();
  const wrong: string[] = [];
  if (worstMs > LOOK_MS + sizes.busyMs) wrong.push('what no signal has told of is found too late');
  if (revokedMs > REVOKED_MS) wrong.push('a stream ends too late after its key was revoked');
  return {
    promise: 'an instance whose doorbell never rings, with a clock an hour behind',
    outcome: outcomeOf(testimony, { faults: 1, wrong }),
    more: {
      'median (ms)': medianMs.toFixed(0),
      ...(isLong && { 'a revoked key ended its stream after (ms)': revokedMs.toFixed(0) }),
    },
  };
}

/** From the revocation of a key at one instance to the end of its stream at another, in milliseconds. */
async function timeRevocation({ instances: [one, other] }: Parts['fleet']): Promise<number> {
  const userId = await newUser(one);
  const made = await graphql(
    one,
    'mutation { createApiKey(input: { name: "r", scopes: [READ] }) { apiKey { id } secret } }',
  );
  const { apiKey: key, secret } = made.createApiKey;
  const variables = { userId };
  const stream = await streamTransports.sse(other.url, { query: readLog, variables, headers: { 'x-api-key': secret } });
  await stream.next();
  await graphql(one, 'mutation ($id: ID!) { revokeApiKey(id: $id) { revokedAt } }', { id: key.id });
  const revoked = performance.now();
  while ((await stream.next().catch(() => undefined))?.data);
  await stream.close();
  return performance.now() - revoked;
}
