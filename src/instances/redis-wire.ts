import { once } from 'node:events';
import { Redis } from 'ioredis';
import { pauseAfter } from '../lib/retry.ts';
import type { DoorbellEvents, DoorbellWire } from './doorbell.ts';

export const CHANNEL = 'synclog:doorbell';
/** Pauses between attempts to connect. */
const RETRY_MS = { first: 100, longest: 2_000 } as const;
/** How often the wire is tested by a message to oneself. */
const HEARTBEAT_MS = 5_000;
/** How long that message, or a connection, may take before the wire counts as cut. */
const ANSWER_MS = 3_000;

/**
 * Redis pub/sub: for fleets where the lock that NOTIFY takes at commit gets in the way. It keeps nothing either. A
 * half-open socket is silent; it is found by a heartbeat that has to come back.
 */
export function redisWire(url: string, { onMessage, onGap, onError }: DoorbellEvents): DoorbellWire {
  const options = {
    retryStrategy: (failures: number) => pauseAfter(failures, RETRY_MS),
    connectTimeout: ANSWER_MS,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
  };
  // A subscribed connection can do nothing else (RESP2).
  const subscriber = new Redis(url, { ...options, autoResubscribe: false });
  const publisher = new Redis(url, { ...options, commandTimeout: ANSWER_MS });
  let isSubscribed = false;
  /** Has a message come back since both halves were connected? */
  let isProven = false;
  subscriber.on('error', onError).on('message', (_, message: string) => onMessage(message));
  subscriber.on('close', () => {
    isSubscribed = false;
  });
  subscriber.on('ready', () => {
    subscriber.subscribe(CHANNEL).then(() => {
      isSubscribed = true;
      return connected();
    }, onError);
  });
  publisher.on('error', onError).on('ready', () => void connected());
  const heart = setInterval(() => void beat(), HEARTBEAT_MS).unref();

  async function publish(message: string): Promise<void> {
    if (publisher.status === 'ready') await publisher.publish(CHANNEL, message); // else it has been told that it is not
  }

  /**
   * Only a message that comes back shows that both halves work: to be connected is not to be allowed. What others have
   * sent before the first one may have been lost.
   */
  async function prove(): Promise<void> {
    const heard = once(subscriber, 'message', { signal: AbortSignal.timeout(ANSWER_MS) });
    try {
      await Promise.all([heard, publish('heartbeat')]);
      if (!isProven) onGap();
      isProven = true;
    } catch (error) {
      isProven = false;
      onError(error);
    }
  }

  async function connected(): Promise<void> {
    isProven = false;
    if (publisher.status === 'ready' && isSubscribed) await prove();
  }

  async function beat(): Promise<void> {
    if (publisher.status !== 'ready' || subscriber.status !== 'ready') return;
    await prove();
    if (!isProven) for (const half of [subscriber, publisher]) half.disconnect(true);
  }

  return {
    send: (message) => void publish(message).catch(onError),
    async close() {
      clearInterval(heart);
      subscriber.disconnect();
      publisher.disconnect();
    },
  };
}
