import { Redis } from 'ioredis';
import type { DoorbellEvents, DoorbellWire } from './doorbell.ts';

const CHANNEL = 'synclog:doorbell';
/** Longest pause between attempts to connect. */
const LONGEST_RETRY_MS = 2_000;

/** Redis pub/sub: for fleets where the lock that NOTIFY takes at commit gets in the way. It keeps nothing either. */
export function redisWire(url: string, { onMessage, onGap, onError: tell }: DoorbellEvents): DoorbellWire {
  // Redis' refusals carry the command that was refused, which for AUTH is the password.
  const onError = ({ message }: Error) => tell(new Error(`Redis: ${message}`));
  const options = {
    retryStrategy: (attempt: number) => Math.min(100 * 2 ** attempt, LONGEST_RETRY_MS),
    maxRetriesPerRequest: null,
    keepAlive: 5_000,
  };
  // A subscribed connection can do nothing else (RESP2).
  const subscriber = new Redis(url, options);
  const publisher = new Redis(url, { ...options, enableOfflineQueue: false });
  subscriber.on('error', onError).on('message', (_, message: string) => onMessage(message));
  publisher.on('error', onError);
  subscriber.on('ready', () => {
    subscriber.subscribe(CHANNEL).then(onGap, onError);
  });
  return {
    send(message) {
      publisher.publish(CHANNEL, message).catch(onError);
    },
    async close() {
      subscriber.disconnect();
      publisher.disconnect();
    },
  };
}
