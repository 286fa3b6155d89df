import { isRefusal, isUnavailable } from '../db/faults.ts';
import { AppError } from '../errors.ts';
import { inPieces } from '../lib/in-pieces.ts';
import { retry } from '../lib/retry.ts';
import type { Limits } from '../limits.ts';
import type { EventDraft } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { RecordedEvent } from '../log/record/plan-recordings.ts';
import { isOlder, type Users } from '../users/users.ts';
import type { Quarantine, QuarantineReason, UnreadableEntry } from './quarantine.ts';
import type { Source } from './source.ts';

/** What a source holds for the log, as a text, and where it was found. */
export interface Entry {
  readonly text: string;
  /** Such as a key or a channel. */
  readonly place: string;
}

/** An entry that is an event. */
export interface ReadableEntry extends Entry {
  readonly draft: EventDraft & { readonly id: string };
}

interface Parts {
  readonly source: Source;
  readonly log: Pick<EventLog, 'record' | 'eventsById'>;
  readonly users: Pick<Users, 'ensure' | 'deletions'>;
  readonly quarantine: Pick<Quarantine, 'add' | 'holds' | 'notStored' | 'remove'>;
  readonly limits: Pick<Limits, 'eventsPerRecording' | 'databaseRetryMs'>;
}

interface Options {
  /** Reads an entry in the source's format: the event that it is, or why it is none. */
  readonly readEntry: (entry: Entry) => ReadableEntry | UnreadableEntry;
  /** Told of each failure that is waited out. */
  readonly onDelay: (error: unknown) => void;
  /** Told of each event that the database refuses. */
  readonly onRefused: (error: unknown) => void;
}

/**
 * Attempts to store an event before it goes to quarantine although nothing shows that the event is at fault: others would
 * wait behind it for good.
 */
const UNEXPLAINED_ATTEMPTS = 20;

/**
 * Puts entries of a source into the log, in their order and each of them once; entries that cannot be read or stored go
 * to the source's quarantine. Users who are not known are made; what was said of a user before they were deleted is
 * ignored. While the database is away or cannot be written, the recorder waits for it: an event leaves its hands once it is
 * stored or provably cannot be. What was not stored for another reason is tried again, see `retryNotStored`.
 */
export class EntryRecorder {
  readonly #parts: Parts;
  readonly #options: Options;

  constructor(parts: Parts, options: Options) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Resolves when all entries are durable, or the signal aborts. */
  async record(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const { limits } = this.#parts;
    const read = entries.map(this.#options.readEntry);
    const events = read.filter((entry) => 'draft' in entry);
    for (const some of inPieces(events, limits.eventsPerRecording)) await this.#store(some, signal);
    await this.quarantine(
      read.filter((entry) => 'reason' in entry),
      signal,
    );
  }

  /** Resolves when all entries are in the source's quarantine, or the signal aborts. */
  async quarantine(entries: readonly UnreadableEntry[], signal: AbortSignal): Promise<void> {
    if (entries.length === 0) return;
    const { source, quarantine } = this.#parts;
    await this.#untilDone(signal, async () => {
      source.count({ quarantined: await quarantine.add(source.name, entries) });
    });
  }

  /**
   * For each entry, in their order: would recording it change nothing? So it is with an entry whose event is in the log,
   * one that is in quarantine, and one that is older than the deletion of its user.
   */
  async areSettled(entries: readonly Entry[]): Promise<readonly boolean[]> {
    const { source, log, quarantine } = this.#parts;
    const read = entries.map(this.#options.readEntry);
    const events = read.filter((entry) => 'draft' in entry);
    const known = await log.eventsById(events.map(({ draft }) => draft.id));
    const ids = new Set(known.map(({ id }) => id));
    // Deletions are asked for last: an event that a deletion has taken from the log just now is settled by it.
    const open = new Set<Entry>(await this.#withoutDeleted(events.filter(({ draft }) => !ids.has(draft.id))));
    for (const entry of read) if ('reason' in entry) open.add(entry);
    const held = await quarantine.holds(
      source.name,
      [...open].map(({ text }) => text),
    );
    return read.map((entry) => !open.has(entry) || held.has(entry.text));
  }

  /** Tries again what is in quarantine because it was not stored. Ends early when the signal aborts. */
  async retryNotStored(signal: AbortSignal): Promise<void> {
    const { source, quarantine } = this.#parts;
    for (let after: string | undefined = ''; after !== undefined; ) {
      const { last, entries }: Awaited<ReturnType<Quarantine['notStored']>> = await quarantine.notStored(
        source.name,
        after,
      );
      for (const { fingerprint, ...entry } of entries) {
        if (signal.aborted) return;
        if (await this.#isStoredNow(entry)) await quarantine.remove(fingerprint);
      }
      after = last;
    }
  }

  /** @throws what says nothing of the entry */
  async #isStoredNow(entry: Entry): Promise<boolean> {
    const read = this.#options.readEntry(entry);
    if ('reason' in read) return false;
    const heard = await this.#withoutDeleted([read]);
    try {
      if (heard.length > 0) this.#count(await this.#recordForAnybody(heard));
      return true;
    } catch (error) {
      if (isForLater(error)) throw error;
      return false;
    }
  }

  async #store(events: readonly ReadableEntry[], signal: AbortSignal): Promise<void> {
    let left = events;
    let attempts = 0;
    await this.#untilDone(signal, async () => {
      const heard = await this.#withoutDeleted(left);
      this.#parts.source.ignore({ ignored: 'deleted_user', type: null }, left.length - heard.length);
      left = heard;
      if (left.length === 0) return;
      try {
        this.#count(await this.#recordForAnybody(left));
      } catch (error) {
        if (isForLater(error) && !namesSome(error)) throw error;
        attempts += 1;
        left = await this.#storeEach(left, signal, attempts < UNEXPLAINED_ATTEMPTS);
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

  /**
   * Makes users who are not known. @throws AppError NOT_FOUND where a user was deleted meanwhile: the caller looks at
   * the deletions again.
   */
  async #recordForAnybody(events: readonly ReadableEntry[]): Promise<readonly RecordedEvent[]> {
    const { log, users } = this.#parts;
    const drafts = events.map(({ draft }) => draft);
    return log.record(drafts).catch(async (error: unknown) => {
      if (!isNotFound(error)) throw error;
      await users.ensure(oldestOf(drafts));
      return log.record(drafts);
    });
  }

  /**
   * Records each event by itself, as a recording of several is all or nothing; the log groups them into a transaction
   * again. Resolves to the events that are to be tried again.
   * @param isPatient also those are that failed for no reason that is known
   */
  async #storeEach(
    events: readonly ReadableEntry[],
    signal: AbortSignal,
    isPatient: boolean,
  ): Promise<ReadableEntry[]> {
    const outcomes = await Promise.allSettled(events.map(({ draft }) => this.#recordAlone(draft)));
    const left: ReadableEntry[] = [];
    const refused: UnreadableEntry[] = [];
    for (const [index, entry] of events.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === 'fulfilled') this.#count(outcome.value);
      else if (isForLater(outcome?.reason) || isNotFound(outcome?.reason)) left.push(entry);
      else if (isPatient && !isAtFault(outcome?.reason)) left.push(entry);
      else refused.push({ ...entry, ...this.#explain(outcome?.reason) });
    }
    await this.quarantine(refused, signal);
    return left;
  }

  /** An earlier release may have recorded the event, and kept nothing of what it did not know. */
  async #recordAlone(draft: EventDraft): Promise<readonly RecordedEvent[]> {
    const { log } = this.#parts;
    const known: EventDraft = { ...draft, scope: null, windowStart: null, windowEnd: null, extra: null };
    return log.record([draft]).catch((error: unknown) => {
      if (!isConflict(error)) throw error;
      return log.record([known]).catch(() => {
        throw error;
      });
    });
  }

  #explain(error: unknown): { reason: QuarantineReason; detail: string } {
    if (error instanceof AppError)
      return {
        reason: isConflict(error) ? 'event_id_conflict' : 'bad_event',
        detail: error.message.replace(/^events\[0\]\./, ''),
      };
    this.#options.onRefused(error);
    return { reason: 'not_stored', detail: 'the database refuses it' };
  }

  #count(recorded: readonly RecordedEvent[]): void {
    const duplicates = recorded.filter(({ duplicate }) => duplicate).length;
    this.#parts.source.count({ recorded: recorded.length - duplicates, duplicates });
  }

  /** Does the work, again and again until it succeeds or the signal aborts; nothing if it has. */
  async #untilDone(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    if (signal.aborted) return;
    await retry(work, {
      signal,
      pauseMs: this.#parts.limits.databaseRetryMs,
      onFailure: (error) => {
        if (!isNotFound(error)) this.#options.onDelay(error); // "not found" is a user who was deleted just now
      },
    });
  }
}

/** Each user with the time of the oldest of their drafts; with none where a draft has none. */
function oldestOf(drafts: readonly EventDraft[]): Map<string, Date | undefined> {
  const oldest = new Map<string, Date | undefined>();
  for (const { userId, timestamp } of drafts) {
    const other = oldest.has(userId) ? oldest.get(userId) : timestamp;
    oldest.set(userId, timestamp && other ? (timestamp < other ? timestamp : other) : undefined);
  }
  return oldest;
}

/** Is the database away or busy, or the server closing, so that the same event may be stored later? */
function isForLater(error: unknown): boolean {
  return error instanceof AppError ? error.code === 'UNAVAILABLE' : isUnavailable(error);
}

/** Does the error show that this event cannot be stored, whenever it is tried? */
function isAtFault(error: unknown): boolean {
  return error instanceof AppError || isRefusal(error);
}

function isConflict(error: unknown): boolean {
  return error instanceof AppError && error.code === 'EVENT_ID_CONFLICT';
}

function isNotFound(error: unknown): boolean {
  return error instanceof AppError && error.code === 'NOT_FOUND';
}

/** Does it say which of the events it concerns, such as those of users whom somebody keeps locked? The others can go on. */
function namesSome(error: unknown): boolean {
  return error instanceof AppError && error.extensions.problems !== undefined;
}
