import type { Database } from '../db/database.ts';
import type { SyncRun } from '../db/generated/sqlite/client.ts';
import { AppError } from '../errors.ts';
import { runKey } from '../events/fold-run.ts';
import type { WakeUps } from '../events/wake-ups.ts';
import type { Limits } from '../limits.ts';

/** Users whose changed runs one statement reads. */
const USERS_PER_STATEMENT = 100;

interface Subscriber {
  readonly wants: (run: SyncRun) => boolean;
  readonly waiting: Map<string, SyncRun>;
  wake: () => void;
  overflown: boolean;
}

/**
 * The summaries of all runs as they change. One read for each change serves all subscribers. A subscriber that reads
 * slowly misses states between, never the newest one.
 */
export class RunChanges {
  readonly #database: Database;
  readonly #limits: Limits;
  readonly #onError: (error: unknown) => void;
  readonly #subscribers = new Set<Subscriber>();
  readonly #stopListening: () => void;
  /** Users whose runs have changed, with the sequence after which. */
  readonly #changedAfter = new Map<string, number>();
  #reading = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: { database: Database; wakeUps: WakeUps; limits: Limits; onError: (error: unknown) => void }) {
    this.#database = options.database;
    this.#limits = options.limits;
    this.#onError = options.onError;
    this.#stopListening = options.wakeUps.listen((change) => {
      if (change.kind !== 'grown' || this.#subscribers.size === 0) return;
      this.#note(change.userId, change.previousHead);
      void this.#read();
    });
  }

  /**
   * Each wanted run whenever it has changed, until `signal` aborts: silently, or with its reason if that is an
   * `AppError`.
   * @throws AppError SLOW_CONSUMER for a reader that more than `waitingRuns` runs wait for.
   */
  async *follow(wants: (run: SyncRun) => boolean, signal: AbortSignal): AsyncGenerator<SyncRun, void, undefined> {
    const subscriber: Subscriber = { wants, waiting: new Map(), wake: () => {}, overflown: false };
    const wake = () => subscriber.wake();
    this.#subscribers.add(subscriber);
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        if (subscriber.overflown) throw new AppError('SLOW_CONSUMER', 'Too many changed runs wait to be read');
        const [next] = subscriber.waiting;
        if (next) {
          subscriber.waiting.delete(next[0]);
          yield next[1];
        } else {
          await new Promise<void>((resolve) => {
            subscriber.wake = resolve;
          });
        }
      }
      if (signal.reason instanceof AppError) throw signal.reason;
    } finally {
      this.#subscribers.delete(subscriber);
      signal.removeEventListener('abort', wake);
    }
  }

  close(): void {
    this.#stopListening();
    clearTimeout(this.#retry);
  }

  #note(userId: string, after: number): void {
    this.#changedAfter.set(userId, Math.min(this.#changedAfter.get(userId) ?? after, after));
  }

  /** What could not be read is read again after a while, or with the next change. */
  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    let users: [userId: string, after: number][] = [];
    try {
      while (this.#changedAfter.size > 0) {
        users = [...this.#changedAfter].slice(0, USERS_PER_STATEMENT);
        for (const [userId] of users) this.#changedAfter.delete(userId);
        for (const run of await this.#readChanged(users)) this.#hand(run);
      }
    } catch (error) {
      this.#onError(error);
      if (this.#subscribers.size === 0) return;
      for (const [userId, after] of users) this.#note(userId, after);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => void this.#read(), this.#limits.slowPollMs).unref();
    } finally {
      this.#reading = false;
    }
  }

  #readChanged(users: readonly (readonly [userId: string, after: number])[]): Promise<SyncRun[]> {
    return this.#database.reader.syncRun.findMany({
      where: { OR: users.map(([userId, after]) => ({ userId, lastSequence: { gt: after } })) },
      orderBy: { lastSequence: 'asc' },
    });
  }

  #hand(run: SyncRun): void {
    for (const subscriber of this.#subscribers) {
      if (!subscriber.wants(run)) continue;
      const key = runKey(run);
      subscriber.waiting.delete(key); // to the end of the queue: its newest state is the newest news
      subscriber.waiting.set(key, run);
      subscriber.overflown ||= subscriber.waiting.size > this.#limits.waitingRuns;
      subscriber.wake();
    }
  }
}
