import { setTimeout as wait } from 'node:timers/promises';
import { isUnavailable } from '../../db/faults.ts';
import { AppError } from '../../errors.ts';
import type { EventDraft } from '../../log/event.ts';
import type { RecordedEvent } from '../../log/record/plan-recordings.ts';
import type { Services } from '../../services.ts';
import { isOlder } from '../../users/users.ts';
import type { QuarantineReason, UnreadableEntry } from '../quarantine.ts';
import type { Source } from '../source.ts';
import { type Entry, type ReadableEntry, readEntry } from './read-entry.ts';

type Parts = Pick<Services, 'log' | 'users' | 'sources' | 'limits'>;

interface Listeners {
  /** Told of each failure that is waited out. */
  readonly onDelay: (error: unknown) => void;
  /** Told of each event that the database refuses. */
  readonly onRefused: (error: unknown) => void;
}

/**
 * Puts entries into the log, in their order and each of them once; what cannot be read or stored goes to the source's
 * quarantine. Users who are not known are made; what was said of a user before they were deleted is ignored. While the
 * database is away it waits.
 */
export class EntryRecorder {
  readonly #parts: Parts;
  readonly #source: Source;
  readonly #listeners: Listeners;

  constructor(parts: Parts, source: Source, listeners: Listeners) {
    this.#parts = parts;
    this.#source = source;
    this.#listeners = listeners;
  }

  /** Resolves when all of them are durable, or the signal aborts. */
  async record(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const { limits } = this.#parts;
    const read = entries.map((entry) => readEntry(entry, limits));
    const events = read.filter((entry) => 'draft' in entry);
    for (let start = 0; start < events.length; start += limits.eventsPerRecording)
      await this.#store(events.slice(start, start + limits.eventsPerRecording), signal);
    await this.quarantine(
      read.filter((entry) => 'reason' in entry),
      signal,
    );
  }

  async quarantine(entries: readonly UnreadableEntry[], signal: AbortSignal): Promise<void> {
    if (entries.length === 0) return;
    await this.#untilDone(signal, async () => {
      this.#source.count({ quarantined: await this.#parts.sources.quarantine.add(this.#source.name, entries) });
    });
  }

  /** For each entry: is it in the log or in quarantine, or of a user who was deleted, so that it would change nothing? */
  async areSettled(entries: readonly Entry[]): Promise<readonly boolean[]> {
    const { limits, log, sources } = this.#parts;
    const read = entries.map((entry) => readEntry(entry, limits));
    const left = await this.#withoutDeleted(read.filter((entry) => 'draft' in entry));
    const known = await log.eventsById(left.map(({ draft }) => draft.id));
    const ids = new Set(known.map(({ id }) => id));
    const open = new Set<Entry>(left.filter(({ draft }) => !ids.has(draft.id)));
    for (const entry of read) if ('reason' in entry) open.add(entry);
    const held = await sources.quarantine.holds(
      this.#source.name,
      [...open].map(({ text }) => text),
    );
    return read.map((entry) => !open.has(entry) || held.has(entry.text));
  }

  async #store(events: readonly ReadableEntry[], signal: AbortSignal): Promise<void> {
    let left = events;
    await this.#untilDone(signal, async () => {
      const heard = await this.#withoutDeleted(left);
      this.#source.count({ ignored: left.length - heard.length });
      left = heard;
      if (left.length === 0) return;
      try {
        this.#count(await this.#recordForAnybody(left));
      } catch (error) {
        if (isForLater(error)) throw error;
        left = await this.#storeEach(left, signal);
        if (left.length > 0) throw error;
      }
    });
  }

  async #withoutDeleted(events: readonly ReadableEntry[]): Promise<readonly ReadableEntry[]> {
    const deletions = await this.#parts.users.deletions(events.map(({ draft }) => draft.userId));
    return events.filter(({ draft: { userId, timestamp } }) => {
      const deletedAt = deletions.get(userId);
      return !deletedAt || !isOlder(timestamp, deletedAt);
    });
  }

  /** Makes users who are not known. One who has been deleted since is not found; it is looked at again. */
  async #recordForAnybody(events: readonly ReadableEntry[]): Promise<readonly RecordedEvent[]> {
    const { log, users } = this.#parts;
    const drafts = events.map(({ draft }) => draft);
    return log.record(drafts).catch(async (error: unknown) => {
      if (!isNotFound(error)) throw error;
      await users.ensure(oldestOf(drafts));
      return log.record(drafts);
    });
  }

  /** Each for itself, and still in one transaction: a batch is all or nothing. Resolves to those to be tried again. */
  async #storeEach(events: readonly ReadableEntry[], signal: AbortSignal): Promise<ReadableEntry[]> {
    const outcomes = await Promise.allSettled(events.map(({ draft }) => this.#parts.log.record([draft])));
    const left: ReadableEntry[] = [];
    const refused: UnreadableEntry[] = [];
    for (const [index, entry] of events.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === 'fulfilled') this.#count(outcome.value);
      else if (isForLater(outcome?.reason) || isNotFound(outcome?.reason)) left.push(entry);
      else refused.push({ ...entry, ...this.#explain(outcome?.reason) });
    }
    await this.quarantine(refused, signal);
    return left;
  }

  #explain(error: unknown): { reason: QuarantineReason; detail: string } {
    if (error instanceof AppError)
      return {
        reason: error.code === 'EVENT_ID_CONFLICT' ? 'event_id_conflict' : 'bad_event',
        detail: error.message.replace(/^events\[0\]\./, ''),
      };
    this.#listeners.onRefused(error);
    return { reason: 'not_stored', detail: 'the database refuses it' };
  }

  #count(recorded: readonly RecordedEvent[]): void {
    const duplicates = recorded.filter(({ duplicate }) => duplicate).length;
    this.#source.count({ recorded: recorded.length - duplicates, duplicates });
  }

  /** Tries again and again. */
  async #untilDone(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    while (!signal.aborted)
      try {
        return await work();
      } catch (error) {
        if (!isNotFound(error)) this.#listeners.onDelay(error); // a user who was deleted just now
        await wait(this.#parts.limits.databaseRetryMs, undefined, { signal, ref: false }).catch(() => {});
      }
  }
}

/** Each user with the time of the oldest draft, or none if one has none. */
function oldestOf(drafts: readonly EventDraft[]): Map<string, Date | undefined> {
  const oldest = new Map<string, Date | undefined>();
  for (const { userId, timestamp } of drafts) {
    const other = oldest.has(userId) ? oldest.get(userId) : timestamp;
    oldest.set(userId, timestamp && other ? (timestamp < other ? timestamp : other) : undefined);
  }
  return oldest;
}

/** The database is away or busy, or the server is closing: the same may be stored later. */
function isForLater(error: unknown): boolean {
  return error instanceof AppError ? error.code === 'UNAVAILABLE' : isUnavailable(error);
}

function isNotFound(error: unknown): boolean {
  return error instanceof AppError && error.code === 'NOT_FOUND';
}
