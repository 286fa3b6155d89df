import { setTimeout as wait } from 'node:timers/promises';
import { isUnavailable } from '../../db/faults.ts';
import { AppError } from '../../errors.ts';
import type { RecordedEvent } from '../../events/record/plan-recordings.ts';
import type { QuarantineReason, UnreadableEntry } from '../../intake/quarantine.ts';
import type { Source } from '../../intake/source.ts';
import type { Services } from '../../services.ts';
import { type Entry, type ReadableEntry, readEntry } from './read-entry.ts';

type Parts = Pick<Services, 'log' | 'users' | 'sources' | 'limits'>;

/**
 * Puts entries into the log, in their order and each of them once; what cannot be read or stored goes to the source's
 * quarantine. Users who are not known are made; what was said of a user before they were deleted is ignored. While the
 * database is away it waits.
 */
export class EntryRecorder {
  readonly #parts: Parts;
  readonly #source: Source;
  readonly #onError: (error: unknown) => void;

  /** @param onError told of each failure that is waited out, and of events that the database refuses */
  constructor(parts: Parts, source: Source, onError: (error: unknown) => void) {
    this.#parts = parts;
    this.#source = source;
    this.#onError = onError;
  }

  /** Resolves when all of them are durable, or the signal aborts. */
  async record(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const { limits } = this.#parts;
    const read = entries.map((entry) => readEntry(entry, limits));
    const events = read.filter((entry) => 'draft' in entry);
    for (let start = 0; start < events.length; start += limits.eventsPerRecording)
      await this.#store(
        await this.#withoutDeleted(events.slice(start, start + limits.eventsPerRecording), signal),
        signal,
      );
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

  async #withoutDeleted(events: readonly ReadableEntry[], signal: AbortSignal): Promise<readonly ReadableEntry[]> {
    let left = events;
    await this.#untilDone(signal, async () => {
      const deletions = await this.#parts.users.deletions(events.map(({ draft }) => draft.userId));
      left = events.filter(({ draft: { userId, timestamp } }) => {
        const deletedAt = deletions.get(userId);
        return !deletedAt || (timestamp && timestamp > deletedAt);
      });
    });
    this.#source.count({ ignored: events.length - left.length });
    return left;
  }

  async #store(events: readonly ReadableEntry[], signal: AbortSignal): Promise<void> {
    if (events.length === 0) return;
    let left = events;
    await this.#untilDone(signal, async () => {
      try {
        this.#count(await this.#recordForAnybody(left));
      } catch (error) {
        if (isForLater(error)) throw error;
        left = await this.#storeEach(left, signal);
        if (left.length > 0) throw error;
      }
    });
  }

  async #recordForAnybody(events: readonly ReadableEntry[]): Promise<readonly RecordedEvent[]> {
    const { log, users } = this.#parts;
    const drafts = events.map(({ draft }) => draft);
    return log.record(drafts).catch(async (error: unknown) => {
      if (!isNotFound(error)) throw error;
      await users.ensure(drafts.map(({ userId }) => userId));
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
    this.#onError(error);
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
        this.#onError(error);
        await wait(this.#parts.limits.databaseRetryMs, undefined, { signal, ref: false }).catch(() => {});
      }
  }
}

/** The database is away or busy, or the server is closing: the same may be stored later. */
function isForLater(error: unknown): boolean {
  return error instanceof AppError ? error.code === 'UNAVAILABLE' : isUnavailable(error);
}

function isNotFound(error: unknown): boolean {
  return error instanceof AppError && error.code === 'NOT_FOUND';
}
