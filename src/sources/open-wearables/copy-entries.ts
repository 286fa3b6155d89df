import type { Redis } from 'ioredis';
import { groupBy } from '../../lib/group-by.ts';
import type { SourceTools } from '../define-source.ts';
import { type Entry, EntryRecorder } from '../record-entries.ts';
import { LiveBuffer } from './live-buffer.ts';
import { outlineOf, readEntry } from './read-entry.ts';
import { findChangedLists, readAllUsers, readUsers, type StoredEntries } from './stored-entries.ts';

const nothing: StoredEntries = { users: 0, entries: [], unreadable: [] };

/** Stored entries are recorded once so many characters of them have been read, if not before. */
const STORED_LENGTH = 4_194_304;

/**
 * Copies entries into the log: those that Redis has stored, and the messages that arrive meanwhile and later. The
 * copier outlives connections, and so do the messages that wait in it.
 */
export class EntryCopier {
  readonly #tools: SourceTools;
  readonly #buffer: LiveBuffer;
  readonly #recorder: EntryRecorder;
  /** Arrival of the oldest message that is being recorded. */
  #recordingSince: number | undefined;
  #lastFailure = '';
  /** When to look whether anything was missed, by `performance.now()`. */
  #nextCheck = 0;

  constructor(tools: SourceTools) {
    const { source, limits, clock, onError } = tools;
    this.#tools = tools;
    this.#buffer = new LiveBuffer(limits, clock);
    this.#recorder = new EntryRecorder(tools, {
      readEntry: (entry) => readEntry(entry, limits),
      onDelay: (error) => this.#fail('The log could not take what has come; it is tried again', error),
      onRefused: (error) => {
        source.fail('The database refuses an event; it is in quarantine');
        onError(error);
      },
    });
  }

  /** For how long the oldest message that is not recorded has waited, in milliseconds; 0 when none waits. */
  get lagMs(): number {
    const since = this.#recordingSince ?? this.#buffer.oldestAt;
    return since === undefined ? 0 : Math.max(0, this.#tools.clock() - since);
  }

  /** Takes a message that has arrived. */
  push(message: Entry): void {
    this.#buffer.push(message);
  }

  /**
   * Records everything that is stored, and then the messages that came in meanwhile. False if so many came that some
   * were dropped, or the signal has aborted: then all has to be read once more.
   */
  async backfill(redis: Redis, signal: AbortSignal): Promise<boolean> {
    const { source, limits, clock } = this.#tools;
    this.#buffer.restart();
    let users = 0;
    let entries = 0;
    source.report({
      state: 'backfilling',
      backfillStartedAt: new Date(clock()),
      backfillEndedAt: null,
      backfillUsers: users,
      backfillEntries: entries,
    });
    // Messages left over from a connection that broke: some of them may have fallen off their lists since.
    const messages = groupBy([...this.#buffer.waiting], ({ text }) => outlineOf(text).userId);
    for await (const stored of this.#gather(readAllUsers(redis, messages), signal)) {
      users += stored.users;
      entries += stored.entries.length;
      source.report({ backfillUsers: users, backfillEntries: entries });
    }
    if (!(await this.#drain(signal))) return false;
    await this.#retryNotStored(signal);
    source.report({ backfillEndedAt: new Date(clock()) });
    this.#nextCheck = performance.now() + limits.bridgeCheckMs;
    return true;
  }

  /**
   * Records messages as they arrive. Ends when so many came that some were dropped, when the signal aborts, or when the
   * connections are broken and no message is left.
   */
  async follow(redis: Redis, signal: AbortSignal, broken: AbortSignal): Promise<void> {
    while (await this.#drain(signal)) {
      const isTime = await this.#nextMessage(broken);
      if (broken.aborted && this.#buffer.isEmpty) return;
      if (isTime)
        await this.#check(redis, signal).catch((error: unknown) =>
          this.#fail('It could not be checked whether anything was missed; it is tried again', error),
        );
      if (isTime) await this.#retryNotStored(signal);
    }
  }

  async #retryNotStored(signal: AbortSignal): Promise<void> {
    await this.#recorder
      .retryNotStored(signal)
      .catch((error: unknown) => this.#fail('The log could not take what is in quarantine; it is tried again', error));
  }

  /** Records stored entries in batches that are worth a transaction. Yields each batch once it is recorded. */
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
      if (count < this.#tools.limits.eventsPerRecording && length < STORED_LENGTH) continue;
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

  /** Waits for a message, or until it is time to look whether one was missed: then it resolves to true. */
  async #nextMessage(broken: AbortSignal): Promise<boolean> {
    const left = this.#nextCheck - performance.now();
    if (left > 0) await this.#buffer.next(broken, Math.ceil(left));
    if (this.#nextCheck > performance.now()) return false;
    this.#nextCheck = performance.now() + this.#tools.limits.bridgeCheckMs;
    return true;
  }

  /** Reads the lists whose newest entry is not in the log: pub/sub does not promise that every message arrives. */
  async #check(redis: Redis, signal: AbortSignal): Promise<void> {
    for await (const keys of findChangedLists(redis, (entries) => this.#recorder.areSettled(entries)))
      for await (const stored of readUsers(redis, keys)) await this.#store(stored, signal);
  }

  /** Records the messages that have arrived. False when some were dropped, or the signal has aborted. */
  async #drain(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted && !this.#buffer.overflowed) {
      const messages = this.#buffer.take(this.#tools.limits.eventsPerRecording);
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
    const { source, onError } = this.#tools;
    source.fail(text);
    if (text !== this.#lastFailure) onError(error);
    this.#lastFailure = text;
  }
}
