import { type Outage, reasonOf } from '../../lib/outages.ts';
import { redisUrl, withoutSecrets } from '../../lib/redis-url.ts';
import { retry } from '../../lib/retry.ts';
import { defineSource, type SourceTools } from '../define-source.ts';
import { EntryCopier } from './copy-entries.ts';

/** Every event of all users is published here, once its list and its run hold it. */
const CHANNEL = 'sync:status:all';
const FIRST_RETRY_MS = 100;

/** The sync events that an Open Wearables installation keeps in its Redis and publishes there. */
export const openWearablesRedis = defineSource({
  name: 'open-wearables-redis',
  settings: { OPEN_WEARABLES_REDIS_URL: redisUrl },
  bringsUsers: true,
  createWorker({ OPEN_WEARABLES_REDIS_URL: url }, tools) {
    const outage = tools.outages.watch(tools.source.name, {
      away: "Open Wearables' Redis is away: what it holds is recorded when it is back",
      back: "Open Wearables' Redis is back, and what it held is recorded",
      hide: (reason) => withoutSecrets(reason, url),
    });
    return (signal) => new Bridge(url, outage, tools).run(signal);
  },
});

/**
 * Copies the sync events of an Open Wearables installation out of its Redis into the log, each once, and only reads
 * there. The bridge subscribes first and reads what is stored then, so that nothing falls between; and so again after
 * each reconnect, as pub/sub repeats nothing. What has fallen off a list before it is read is lost, but for the newest
 * event of each run.
 *
 * The way of a message: `EntryCopier.push`, its `LiveBuffer`, `EntryRecorder.record`, `readEntry` (which calls `fitDraft`),
 * `log.record`.
 *
 * Its states are those of its source's row:
 *
 * - `connecting`: no connection, or one that is being made. Entered when `run` begins, and after each pause that follows
 *   `disconnected`. Left for `backfilling` once both connections answer and the channel is subscribed.
 * - `backfilling`: what is stored is being read, while messages wait in the copier's buffer. Left for `live` when all
 *   that was stored and all that waited is recorded; begun again when the buffer has overflowed.
 * - `live`: each message is recorded as it arrives, and every `bridgeCheckMs` the bridge looks whether one was missed.
 *   Left for `backfilling` when the buffer overflows, for `disconnected` when a connection breaks and all that had
 *   arrived is recorded.
 * - `disconnected`: a connection was refused, has broken or does not answer. Left for `connecting` after a pause, which
 *   doubles from 100 ms to `bridgeRetryMs` and begins anew with each `live`.
 *
 * The end of `run`, when its signal aborts, can come in each of them. `startHolding` owns the lease, and its signal tells
 * the bridge that the lease is lost. A bridge lives as long as one hold of the lease; it owns the pause between two
 * attempts, and for each attempt a pair of connections, which owns the timer of their pings. The copier owns the
 * messages that wait.
 */
class Bridge {
  readonly #url: string;
  readonly #outage: Outage;
  readonly #tools: SourceTools;
  readonly #copier: EntryCopier;

  constructor(url: string, outage: Outage, tools: SourceTools) {
    this.#url = url;
    this.#outage = outage;
    this.#tools = tools;
    this.#copier = new EntryCopier(tools);
  }

  /** Bridges until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, limits } = this.#tools;
    source.measureLag = () => this.#copier.lagMs;
    const attempt = async (works: () => void) => {
      source.report({ state: 'connecting' });
      await this.#session(signal, () => {
        works();
        this.#outage.works();
      });
    };
    await retry(attempt, {
      signal,
      pauseMs: { first: FIRST_RETRY_MS, longest: limits.bridgeRetryMs },
      onFailure: (error) => {
        source.report({ state: 'disconnected' });
        source.fail(withoutSecrets(reasonOf(error), this.#url));
        this.#outage.failed(error);
      },
    });
  }

  /** One pair of connections, from its beginning to its end. @throws why the pair has ended */
  async #session(signal: AbortSignal, onLive: () => void): Promise<void> {
    const { source, limits, clock } = this.#tools;
    const { openRedisPair } = await import('./redis-pair.ts'); // a client for who has a Redis
    const { subscriber, reader, broken, close } = await openRedisPair(this.#url, limits, signal);
    try {
      subscriber.on('message', (place, text) => this.#copier.push({ text, place }));
      await subscriber.subscribe(CHANNEL);
      source.report({ connectedAt: new Date(clock()) });
      while (!broken.aborted) {
        if (await this.#copier.backfill(reader, signal)) {
          source.report({ state: 'live' });
          onLive();
          await this.#copier.follow(reader, signal, broken);
        }
      }
      broken.throwIfAborted();
    } catch (error) {
      throw broken.reason ?? error;
    } finally {
      close();
    }
  }
}
