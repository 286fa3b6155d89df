import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Limits } from '../../limits.ts';
import { answerInTime, openRedis, type RedisConnection } from './redis-connection.ts';

/** Two connections to one Redis, as a connection that has subscribed can do nothing else. */
interface RedisPair {
  readonly subscriber: Redis;
  readonly reader: Redis;
  /** Aborts when one of the two breaks or does not answer, or when `closing` aborts; the reason says why. */
  readonly broken: AbortSignal;
  close(): void;
}

/** @throws why Redis cannot be reached, or refuses to let us in */
export async function openRedisPair(
  url: string,
  limits: Pick<Limits, 'bridgePingMs' | 'bridgeAnswerMs'>,
  closing: AbortSignal,
): Promise<RedisPair> {
  const subscriber = await openRedis(url, limits, closing);
  let reader: RedisConnection;
  try {
    reader = await openRedis(url, limits, closing);
  } catch (error) {
    subscriber.close();
    throw subscriber.broken.reason ?? error;
  }
  const silent = new AbortController();
  const closed = new AbortController();
  const pair = [subscriber, reader];

  /** Cuts the connections when one does not answer: a half-open socket is as silent as an installation without syncs. */
  async function ping(): Promise<void> {
    while (!closed.signal.aborted) {
      await wait(limits.bridgePingMs, undefined, { signal: closed.signal, ref: false });
      await Promise.all(pair.map(({ redis }) => answerInTime(redis, limits.bridgeAnswerMs)));
    }
  }

  ping().catch((error: unknown) => {
    if (closed.signal.aborted) return;
    silent.abort(error);
    for (const { redis } of pair) redis.disconnect();
  });
  return {
    subscriber: subscriber.redis,
    reader: reader.redis,
    broken: AbortSignal.any([closing, silent.signal, subscriber.broken, reader.broken]),
    close() {
      closed.abort();
      for (const connection of pair) connection.close();
    },
  };
}
