import type { Database } from '../db/database.ts';
import type { SyncRun } from '../db/generated/sqlite/client.ts';
import { AppError } from '../errors.ts';
import { runKey } from '../events/fold-run.ts';
import type { WakeUps } from '../events/wake-ups.ts';
import type { Limits } from '../limits.ts';

/** Users whose changed runs one statement reads. */
const USERS_PER_STATEMENT = 100;
/** Users whose heads one statement reads. */
const HEADS_PER_STATEMENT = 2_000;

interface Subscriber {
  readonly wants: (run: SyncRun) => boolean;
  readonly waiting: Map<string, SyncRun>;
  /** The user whom it is about, if it is one: it ends with them. */
  readonly only: string | undefined;
  ended: boolean;
  wake: () => void;
  overflown: boolean;
}

/**
 * The summaries of all runs as they change. One read for each change serves all subscribers. A subscriber that reads
 * slowly misses states between, never the newest one. A wake-up can be lost, so while there are subscribers the heads
 * of all logs are compared with what was heard, every `slowPollMs`.
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
  /** How long each log is known to be; undefined while there are no subscribers, and until the first look. */
  #heads: Map<string, number> | undefined;
  #nextLook: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(options: { database: Database; wakeUps: WakeUps; limits: Limits; onError: (error: unknown) => void }) {
    this.#database = options.database;
    this.#limits = options.limits;
    this.#onError = options.onError;
    this.#stopListening = options.wakeUps.listen((change) => {
      if (change.kind === 'deleted') return this.#end(change.userId);
      if (this.#subscribers.size === 0) return;
      const known = this.#heads?.get(change.userId);
      if (known !== undefined && known >= change.head) return; // a look was quicker
      this.#heads?.set(change.userId, change.head);
      // What is known may be less than the change begins with: then the wake-up before is lost, or late.
      this.#note(change.userId, Math.min(change.previousHead, known ?? change.previousHead));
      void this.#read();
    });
  }

  /**
   * Each wanted run whenever it has changed, until `signal` aborts: silently, or with its reason if that is an
   * `AppError`. With `only`, the runs of one user, until the user is deleted.
   * @throws AppError SLOW_CONSUMER for a reader that more than `waitingRuns` runs wait for.
   */
  async *follow(
    { wants, only }: { readonly wants: (run: SyncRun) => boolean; readonly only?: string | undefined },
    signal: AbortSignal,
  ): AsyncGenerator<SyncRun, void, undefined> {
    const subscriber: Subscriber = { wants, only, waiting: new Map(), wake: () => {}, overflown: false, ended: false };
    const wake = () => subscriber.wake();
    this.#subscribers.add(subscriber);
    if (!this.#nextLook) void this.#look();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted && !subscriber.ended) {
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
      if (signal.aborted && signal.reason instanceof AppError) throw signal.reason;
    } finally {
      this.#subscribers.delete(subscriber);
      if (this.#subscribers.size === 0) this.#rest();
      signal.removeEventListener('abort', wake);
    }
  }

  close(): void {
    this.#stopListening();
    clearTimeout(this.#retry);
    this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#nextLook);
    this.#nextLook = undefined;
    this.#heads = undefined;
  }

  /** Compares the heads of all logs with what is known of them; the first look only learns them. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const heads = this.#heads;
    try {
      const before = new Map(heads);
      const found = await readHeads(this.#database);
      if (!heads) this.#heads ??= found;
      else {
        for (const [userId, head] of found) {
          const known = before.get(userId) ?? 0;
          if (head === known || heads.get(userId) !== before.get(userId)) continue;
          heads.set(userId, head);
          this.#note(userId, head > known ? known : 0); // shorter than before: another log under the same id
        }
        for (const userId of before.keys()) if (!found.has(userId)) this.#end(userId);
        void this.#read();
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#looking = false;
      clearTimeout(this.#nextLook);
      if (this.#subscribers.size > 0)
        this.#nextLook = setTimeout(() => void this.#look(), this.#limits.slowPollMs).unref();
      else this.#rest();
    }
  }

  #end(userId: string): void {
    this.#heads?.delete(userId);
    for (const subscriber of this.#subscribers) {
      if (subscriber.only !== userId) continue;
      subscriber.ended = true;
      subscriber.wake();
    }
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

async function readHeads({ reader }: Database): Promise<Map<string, number>> {
  const heads = new Map<string, number>();
  for (let after = ''; ; ) {
    const users = await reader.user.findMany({
      where: after ? { id: { gt: after } } : {},
      orderBy: { id: 'asc' },
      take: HEADS_PER_STATEMENT,
      select: { id: true, headSequence: true },
    });
    for (const { id, headSequence } of users) heads.set(id, headSequence);
    const last = users.at(-1);
    if (!last || users.length < HEADS_PER_STATEMENT) return heads;
    after = last.id;
  }
}
