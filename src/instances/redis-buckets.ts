import { Redis } from 'ioredis';
import { pauseAfter } from '../lib/retry.ts';

/** Pauses between attempts to connect. */
const RETRY_MS = { first: 100, longest: 2_000 } as const;
/** How long an answer, or a connection, may take. */
const ANSWER_MS = 3_000;

/**
 * Adds to buckets, each the time of Redis at which it will be full again, and answers how many milliseconds each lacks. One
 * that is full needs no key.
 */
const ADD = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local lacking = {}
for index, key in ipairs(KEYS) do
  local fullAt = math.max(tonumber(redis.call('GET', key) or now), now) + tonumber(ARGV[index])
  if fullAt > now then
    redis.call('SET', key, string.format('%.3f', fullAt), 'PX', math.ceil(fullAt - now) + 1)
  else
    redis.call('DEL', key)
    fullAt = now
  end
  lacking[index] = string.format('%.3f', fullAt - now)
end
return lacking
`;

/** What was taken out of one bucket: how many milliseconds it takes to come back; negative when more was told before than was kept. */
export interface Taken {
  readonly key: string;
  readonly ms: number;
}

/** Where the buckets of all instances are added up. */
export interface BucketStore {
  /** Adds what was taken, and answers how many milliseconds each bucket lacks in all, in the same order. */
  add(taken: readonly Taken[]): Promise<readonly number[]>;
  close(): void;
}

/** @param onError told of failures of the connection */
export function openRedisBuckets(url: string, onError: (error: unknown) => void): BucketStore {
  const redis = new Redis(url, {
    retryStrategy: (failures: number) => pauseAfter(failures, RETRY_MS),
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
    maxRetriesPerRequest: null,
    lazyConnect: true, // most servers are never asked for so much that there is anything to add up
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
  });
  redis.on('error', onError);
  return {
    async add(taken) {
      if (redis.status === 'wait') await redis.connect();
      const keys = taken.map(({ key }) => `{synclog:buckets}:${key}`);
      const answer: unknown = await redis.eval(ADD, keys.length, ...keys, ...taken.map(({ ms }) => ms));
      if (!Array.isArray(answer)) throw new Error('Redis has answered something else than a list');
      return answer.map(Number);
    },
    close: () => redis.disconnect(),
  };
}
