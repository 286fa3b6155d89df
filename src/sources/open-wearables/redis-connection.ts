import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Limits } from '../../limits.ts';

/** A connection to Redis that is good, or broken for ever. */
export interface RedisConnection {
  readonly redis: Redis;
  /** Aborts when the connection breaks or Redis refuses something that belongs to connecting; the reason says why. */
  readonly broken: AbortSignal;
  close(): void;
}

/**
 * Opens a connection with nothing but what a user needs who may only read: no INFO and no CLIENT. A refused password or database
 * is an error; ioredis alone would go on as the default user, or with the data of database 0.
 */
export async function openRedis(
  url: string,
  { bridgeAnswerMs }: Pick<Limits, 'bridgeAnswerMs'>,
  closing: AbortSignal,
): Promise<RedisConnection> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    autoResubscribe: false,
    enableReadyCheck: false,
    disableClientInfo: true,
    connectTimeout: bridgeAnswerMs,
    keepAlive: 5_000,
  });
  const breaking = new AbortController();
  const broken = breaking.signal;
  redis.on('error', (error) => breaking.abort(error));
  redis.on('end', () => breaking.abort(new Error('Redis has closed the connection')));
  const stop = () => redis.disconnect();
  closing.addEventListener('abort', stop);
  const close = () => {
    closing.removeEventListener('abort', stop);
    redis.disconnect();
  };
  try {
    await redis.connect();
    await answerInTime(redis, bridgeAnswerMs); // comes after the answers to AUTH and SELECT
    broken.throwIfAborted();
    return { redis, broken, close };
  } catch (error) {
    close();
    throw broken.reason ?? error;
  }
}

/**
 * @throws Error when Redis sends nothing for so long: the socket may be open at this end only. A long answer to another
 * question, behind which this one waits, is a sign of life.
 */
export async function answerInTime(redis: Redis, ms: number): Promise<void> {
  const answered = new AbortController();
  const tooLate = async () => {
    for (let read = -1; redis.stream.bytesRead > read; ) {
      read = redis.stream.bytesRead;
      await wait(ms, undefined, { signal: answered.signal, ref: false });
    }
    throw new Error(`Redis has not answered for ${ms} ms`);
  };
  try {
    await Promise.race([redis.ping(), tooLate()]);
  } finally {
    answered.abort();
  }
}
