import { Redis } from 'ioredis';
import { CHANNEL } from '../instances/redis-wire.ts';
import { reasonOf } from '../lib/outages.ts';
import { withoutSecrets } from '../lib/redis-url.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, problem } = findingsOf('redis');

/** How long a connection or an answer may take. */
const PATIENCE_MS = 3_000;

/**
 * Connects, and asks for what the server will need.
 * @param setting whose URL it is
 * @param rings whether it is for wake-ups; instances take what is sent for a heartbeat of somebody else
 */
export async function lookAtRedis(setting: string, url: string, rings: boolean): Promise<Finding> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: PATIENCE_MS,
    commandTimeout: PATIENCE_MS,
    enableReadyCheck: false,
    disableClientInfo: true,
  });
  let reason: unknown;
  redis.on('error', (error) => {
    reason ??= error;
  });
  try {
    await redis.connect();
    const asked = performance.now();
    await redis.ping();
    if (rings) await redis.publish(CHANNEL, 'heartbeat');
    if (rings) await redis.subscribe(CHANNEL);
    return ok(`${setting} answers in ${Math.round(performance.now() - asked)} ms and allows what is asked of it`);
  } catch (error) {
    const told = withoutSecrets(reasonOf(reason ?? error), url);
    return problem(`${setting}: ${told}`, 'see that Redis runs there, and that its user may do that');
  } finally {
    redis.disconnect();
  }
}
