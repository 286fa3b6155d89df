import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** An event on Open Wearables' wire. */
// biome-ignore lint/suspicious/noExplicitAny: tests put anything into it
export type WireEvent = Record<string, any>;

/** How a version keeps the ids of a user's runs: 0.6.3 in a set, 0.9 in a set that is sorted by time. */
export const layouts = ['0.6.3', '0.9'] as const;
export type Layout = (typeof layouts)[number];

/** Writes to a Redis what Open Wearables' sync-status service writes, in the same order. */
export interface Emitter {
  readonly redis: Redis;
  /** One emission. Without `publish`, nobody is told. */
  emit(event: WireEvent, options?: { publish?: boolean; layout?: Layout }): Promise<void>;
  /** An entry of a user's list that need not be an event. */
  emitText(userId: string, text: string, options?: { publish?: boolean }): Promise<void>;
  /** What a user's list holds, oldest first. */
  stored(userId: string): Promise<string[]>;
  close(): void;
}

const DAY_SECONDS = 86_400;
/** What docs/open-wearables.md grants to a bridge, and nothing else. */
const GRANTS = ['+subscribe', '+scan', '+lrange', '+get', '+ping'];

export function createEmitter(url: string): Emitter {
  const redis = new Redis(url);
  redis.on('error', () => {});
  return {
    redis,
    async emit(event, { publish = true, layout = '0.6.3' } = {}) {
      const text = JSON.stringify(event);
      const { user_id: userId, run_id: runId, timestamp } = event;
      const pipeline = redis
        .pipeline()
        .lpush(`sync:status:user:${userId}:recent`, text)
        .ltrim(`sync:status:user:${userId}:recent`, 0, 199)
        .expire(`sync:status:user:${userId}:recent`, DAY_SECONDS);
      if (layout === '0.6.3')
        pipeline.sadd(`sync:status:user:${userId}:runs`, runId).expire(`sync:status:user:${userId}:runs`, DAY_SECONDS);
      else {
        const seconds = Date.parse(timestamp) / 1000;
        pipeline
          .zadd(`sync:status:user:${userId}:runs_by_time`, seconds, runId)
          .zremrangebyscore(`sync:status:user:${userId}:runs_by_time`, '-inf', seconds - DAY_SECONDS)
          .expire(`sync:status:user:${userId}:runs_by_time`, DAY_SECONDS);
      }
      pipeline.set(`sync:status:run:${runId}`, text, 'EX', DAY_SECONDS);
      if (publish) pipeline.publish(`sync:status:user:${userId}`, text).publish('sync:status:all', text);
      await pipeline.exec();
    },
    async emitText(userId, text, { publish = true } = {}) {
      await redis.lpush(`sync:status:user:${userId}:recent`, text);
      if (publish) await redis.publish('sync:status:all', text);
    },
    stored: async (userId) => (await redis.lrange(`sync:status:user:${userId}:recent`, 0, -1)).reverse(),
    close: () => redis.disconnect(),
  };
}

/** Makes a user who may only do what a bridge has to, and returns the URL to connect as that user. */
export async function addBridgeUser({ redis }: Emitter, url: string): Promise<string> {
  await redis.call('ACL', 'SETUSER', 'bridge', 'on', '>s3cret-word', '~sync:status:*', '&sync:status:*', ...GRANTS);
  return url.replace('redis://', 'redis://bridge:s3cret-word@');
}

/** A complete event, given by what is special about it. */
export function wireEvent(event: WireEvent = {}): WireEvent {
  return {
    event_id: randomUUID(),
    run_id: 'pull_65c5cdc32d1940b8',
    user_id: randomUUID(),
    provider: 'oura',
    source: 'pull',
    stage: 'fetching',
    status: 'in_progress',
    message: null,
    progress: null,
    items_processed: null,
    items_total: null,
    error: null,
    primary_user_id: null,
    metadata: {},
    started_at: null,
    ended_at: null,
    timestamp: '2026-03-14T07:00:00.412873Z',
    ...event,
  };
}

const readSamples = (name: string): readonly WireEvent[] =>
  readFileSync(join(import.meta.dirname, 'samples', name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const samples = { '0.6.3': readSamples('open-wearables.jsonl'), '0.9': readSamples('open-wearables-newest.jsonl') };

/** The sample sequences of a version, in the order in which they were published, with ids of their own. */
export function sampleEvents(version: Layout = '0.6.3'): WireEvent[] {
  const renamed = new Map<string, string>();
  const rename = (text: string, make: (text: string) => string) => {
    const name = renamed.get(text) ?? make(text);
    renamed.set(text, name);
    return name;
  };
  const suffix = randomUUID().slice(0, 8);
  return samples[version].map((event) => ({
    ...event,
    event_id: randomUUID(),
    run_id: rename(event.run_id, (id) => `${id}_${suffix}`),
    user_id: rename(event.user_id, () => randomUUID()),
    primary_user_id: event.primary_user_id && rename(event.primary_user_id, () => randomUUID()),
  }));
}
