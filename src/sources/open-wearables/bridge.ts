import { setTimeout as wait } from 'node:timers/promises';
import { holdSource } from '../../instances/hold.ts';
import { groupBy } from '../../lib/group-by.ts';
import type { Outage } from '../../lib/outages.ts';
import type { Limits } from '../../limits.ts';
import type { Services } from '../../services.ts';
import { type Entry, EntryRecorder } from '../record-entries.ts';
import type { Source } from '../source.ts';
import { LiveBuffer } from './live-buffer.ts';
import { outlineOf, readEntry } from './read-entry.ts';
import { answerInTime, connectRedis, type RedisConnection } from './redis-connection.ts';
import { findChangedLists, readAllUsers, readUsers, type StoredEntries } from './stored-entries.ts';

const BRIDGE_NAME = 'open-wearables-redis';

const nothing: StoredEntries = { users: 0, entries: [], unreadable: [] };

/** Every event of all users is published here, once its list and its run hold it. */
const CHANNEL = 'sync:status:all';
const FIRST_RETRY_MS = 100;
/** What has been read of Redis is recorded once it has so many characters, if not before. */
const STORED_LENGTH = 4_194_304;

export interface BridgeOptions {
  readonly url: string;
  readonly services: Services;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Told when Redis goes, and when everything that it holds is in the log again. */
  readonly outage: Outage;
  /** Told of whatever else goes wrong; everything is tried again. */
  readonly onError: (error: unknown) => void;
}

/**
 * Copies the sync events of an Open Wearables installation out of its Redis into the log, each once, and only reads
 * there. Of several instances one does it. It subscribes first and then reads what is stored, so that nothing falls
 * between; that again after each reconnect, as pub/sub repeats nothing. What has fallen off a list before it is read is
 * lost, but for the newest event of each run.
 */
export async function startBridge(options: BridgeOptions): Promise<{ close(): Promise<void> }> {
  const { services, onError } = options;
  const source = await services.sources.open(BRIDGE_NAME, { exclusive: true });
  return holdSource(source, (signal) => new Bridge(options, source).run(signal), { limits: services.limits, onError });
}

class Bridge {
  readonly #url: string;
  readonly #limits: Limits;
  readonly #clock: () => number;
  readonly #outage: Outage;
  readonly #onError: (error: unknown) => void;
  readonly #source: Source;
  readonly #buffer: LiveBuffer;
  readonly #recorder: EntryRecorder;
  /** Arrival of the oldest message that is being recorded. */
  #recordingSince: number | undefined;
  #lastFailure = '';
  /** When to look whether anything was missed, by the process's clock. */
  #nextCheck = 0;

  constructor({ url, services, clock, outage, onError }: BridgeOptions, source: Source) {
    this.#url = url;
    this.#limits = services.limits;
    this.#clock = clock;
    this.#outage = outage;
    this.#onError = onError;
    this.#source = source;
    this.#buffer = new LiveBuffer(this.#limits, clock);
    const { log, users, limits } = services;
    this.#recorder = new EntryRecorder(
      { source, log, users, quarantine: services.sources.quarantine, limits },
      {
        readEntry: (entry) => readEntry(entry, limits),
        onDelay: (error) => this.#fail('The log could not take what has come; it is tried again', error),
        onRefused: (error) => {
          source.fail('The database refuses an event; it is in quarantine');
          onError(error);
        },
      },
    );
  }

  /** Bridges until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#source.measureLag = () => {
      const since = this.#recordingSince ?? this.#buffer.oldestAt;
      return since === undefined ? 0 : Math.max(0, this.#clock() - since);
    };
    await this.#connectAgainAndAgain(signal);
  }

  async #connectAgainAndAgain(signal: AbortSignal): Promise<void> {
    for (let pause = FIRST_RETRY_MS; !signal.aborted; ) {
      this.#source.report({ state: 'connecting' });
      try {
        await this.#session(signal, () => {
          pause = FIRST_RETRY_MS;
          this.#outage.works();
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#source.report({ state: 'disconnected' });
        const text = withoutSecrets(error, this.#url);
        this.#source.fail(text);
        this.#outage.failed(text);
      }
      await wait(pause, undefined, { signal, ref: false }).catch(() => {});
      pause = Math.min(2 * pause, this.#limits.bridgeRetryMs);
    }
  }

  /** One pair of connections, from its beginning to its end: a subscribed one can do nothing else. */
  async #session(signal: AbortSignal, onLive: () => void): Promise<void> {
    const connections: RedisConnection[] = [];
    const ended = new AbortController();
    try {
      for (let count = 0; count < 2; count += 1) connections.push(await connectRedis(this.#url, this.#limits, signal));
      const [subscriber, reader] = connections as [RedisConnection, RedisConnection]; // two were just made
      const broken = AbortSignal.any([signal, subscriber.broken, reader.broken, ended.signal]);
      this.#keepAlive(connections, ended);
      subscriber.redis.on('message', (place, text) => this.#buffer.push({ text, place }));
      await subscriber.redis.subscribe(CHANNEL);
      this.#source.report({ connectedAt: new Date(this.#clock()) });
      while (!broken.aborted) {
        if (await this.#backfill(reader, signal)) {
          this.#source.report({ state: 'live' });
          this.#nextCheck = performance.now() + this.#limits.bridgeCheckMs;
          onLive();
          await this.#follow(reader, signal, broken);
        }
      }
      broken.throwIfAborted();
    } catch (error) {
      throw ended.signal.reason ?? connections.find(({ broken }) => broken.aborted)?.broken.reason ?? error;
    } finally {
      ended.abort();
      for (const connection of connections) connection.close();
    }
  }

  /** Cuts connections that do not answer: a half-open socket is as silent as an installation without syncs. */
  #keepAlive(connections: readonly RedisConnection[], ended: AbortController): void {
    const { bridgePingMs, bridgeAnswerMs } = this.#limits;
    const run = async () => {
      while (!ended.signal.aborted) {
        await wait(bridgePingMs, undefined, { signal: ended.signal, ref: false });
        await Promise.all(connections.map(({ redis }) => answerInTime(redis, bridgeAnswerMs)));
      }
    };
    run().catch((error: unknown) => {
      ended.abort(error);
      for (const { redis } of connections) redis.disconnect();
    });
  }

  /** Reads everything that is stored, and then records what came in meanwhile. False if too much did: once more. */
  async #backfill({ redis }: RedisConnection, signal: AbortSignal): Promise<boolean> {
    this.#buffer.restart();
    let users = 0;
    let entries = 0;
    this.#source.report({
      state: 'backfilling',
      backfillStartedAt: new Date(this.#clock()),
      backfillEndedAt: null,
      backfillUsers: users,
      backfillEntries: entries,
    });
    // Left over from a connection that broke: some may have fallen off their lists since.
    const messages = groupBy([...this.#buffer.waiting], ({ text }) => outlineOf(text).userId);
    for await (const stored of this.#gather(readAllUsers(redis, messages), signal)) {
      users += stored.users;
      entries += stored.entries.length;
      this.#source.report({ backfillUsers: users, backfillEntries: entries });
    }
    if (!(await this.#drain(signal))) return false;
    this.#source.report({ backfillEndedAt: new Date(this.#clock()) });
    return true;
  }

  /** Records what is stored, in batches that are worth a transaction. Yields what has been recorded. */
  async *#gather(pieces: AsyncIterable<StoredEntries>, signal: AbortSignal): AsyncGenerator<StoredEntries> {
    let gathered = nothing;
    let length = 0;
    for await (const piece of pieces) {
      gathered = {
        users: gathered.users + piece.users,
        entries: [...gathered.entries, ...piece.entries],
        unreadable: [...gathered.unreadable, ...piece.unreadable],
      };
      length += piece.entries.reduce((sum, { text }) => sum + text.length, 0);
      const count = gathered.entries.length + gathered.unreadable.length;
      if (count < this.#limits.eventsPerRecording && length < STORED_LENGTH) continue;
      await this.#store(gathered, signal);
      yield gathered;
      gathered = nothing;
      length = 0;
      if (signal.aborted) return;
    }
    await this.#store(gathered, signal);
    yield gathered;
  }

  async #store({ entries, unreadable }: StoredEntries, signal: AbortSignal): Promise<void> {
    await this.#recorder.record(entries, signal);
    await this.#recorder.quarantine(unreadable, signal);
  }

  /** Records live messages until there are too many, or the connections are broken and nothing is left. */
  async #follow({ redis }: RedisConnection, signal: AbortSignal, broken: AbortSignal): Promise<void> {
    while (await this.#drain(signal)) {
      const isTime = await this.#nextMessage(broken);
      if (broken.aborted && this.#buffer.isEmpty) return;
      if (isTime)
        await this.#check(redis, signal).catch((error: unknown) =>
          this.#fail('It could not be checked whether anything was missed; it is tried again', error),
        );
    }
  }

  /** Resolves to true when it is time to look whether anything was missed. */
  async #nextMessage(broken: AbortSignal): Promise<boolean> {
    const left = this.#nextCheck - performance.now();
    if (left > 0) await this.#buffer.next(broken, Math.ceil(left));
    if (this.#nextCheck > performance.now()) return false;
    this.#nextCheck = performance.now() + this.#limits.bridgeCheckMs;
    return true;
  }

  /** Reads the lists whose newest entry is not in the log: pub/sub promises nothing. */
  async #check(redis: RedisConnection['redis'], signal: AbortSignal): Promise<void> {
    for await (const keys of findChangedLists(redis, (entries) => this.#recorder.areSettled(entries)))
      for await (const stored of readUsers(redis, keys)) await this.#store(stored, signal);
  }

  /** Records what has arrived. False when messages were dropped, or the signal has aborted. */
  async #drain(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted && !this.#buffer.overflowed) {
      const messages: readonly (Entry & { at: number })[] = this.#buffer.take(this.#limits.eventsPerRecording);
      if (messages.length === 0) return true;
      this.#recordingSince = messages[0]?.at;
      await this.#recorder.record(messages, signal);
      this.#recordingSince = undefined;
      this.#lastFailure = '';
    }
    return false;
  }

  /** Shows what went wrong, and tells of it once until something is recorded. */
  #fail(text: string, error: unknown): void {
    this.#source.fail(text);
    if (text !== this.#lastFailure) this.#onError(error);
    this.#lastFailure = text;
  }
}

/** An error's message. What ioredis attaches to its errors can hold the password, and so can the URL. */
function withoutSecrets(error: unknown, url: string): string {
  const text = error instanceof Error ? error.message : String(error);
  const { password } = new URL(url); // that it can be decoded was seen when the settings were read
  return [url, password, decodeURIComponent(password)]
    .filter(Boolean)
    .reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
}
