import type { Database } from '../db/database.ts';
import { isListed } from '../db/listed.ts';
import type { SyncRun, User } from '../db/rows.ts';
import { sql } from '../db/sql.ts';
import { AppError } from '../errors.ts';
import type { WakeUps } from '../instances/wake-ups.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';
import { runKey } from '../log/record/fold-run.ts';
import type { ChangedLog } from '../log/sql/log-sql.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';

/** Users whose changed runs one statement reads; the rows of many more would keep the process from everything else. */
const USERS_PER_STATEMENT = 1_000;
/** Recorded runs that one statement finds. */
const RUNS_PER_STATEMENT = 2_000;
/**
 * How long after its time of recording a change may appear in the database: until its transaction is committed, and as
 * far as the clocks of two instances differ. In milliseconds.
 */
const APPEARS_WITHIN_MS = 15_000;

interface Subscriber {
  readonly wants: (run: SyncRun) => boolean;
  readonly waiting: Map<string, SyncRun>;
  /** The one user whom its viewer may see: it ends with them. */
  readonly only: string | undefined;
  ended: boolean;
  wake: () => void;
  overflown: boolean;
}

/**
 * The summaries of all runs as they change. One read for each change serves all subscribers. A subscriber that reads
 * slowly misses states between, never the newest one. A wake-up can be lost, so while there are subscribers the runs
 * that were recorded lately are compared with what was read, every `slowPollMs`: it costs what has changed, however
 * many users and runs there are.
 */
export class RunChanges {
  readonly #database: Database;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #subscribers = new Set<Subscriber>();
  readonly #stopListening: () => void;
  /** Users whose runs have changed, with the sequence after which. */
  readonly #changedAfter = new Map<string, number>();
  #reading = false;
  #retry: NodeJS.Timeout | undefined;
  /** The states that were found lately; undefined while there are no subscribers, and until the first look. */
  #known: Map<string, KnownState> | undefined;
  /** What was recorded up to then has been looked at, but for what appeared later. Milliseconds since 1970. */
  #lookedUpTo = 0;
  #nextLook: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(options: {
    database: Database;
    wakeUps: WakeUps;
    limits: Limits;
    clock: Clock;
    onError: (error: unknown) => void;
  }) {
    this.#database = options.database;
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#onError = options.onError;
    this.#stopListening = options.wakeUps.listen((change) => {
      if (change.kind === 'deleted') return this.#end(change.userId);
      if (this.#subscribers.size === 0) return;
      this.#note(change.userId, change.previousHead);
      void this.#read();
    });
  }

  /**
   * Each wanted run whenever it has changed, until `signal` aborts: silently, or with its reason if that is an
   * `AppError`. With `only`, until that user is deleted.
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
    this.#known = undefined;
  }

  /** Looks for what was recorded lately and is not known; the first look only learns it. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const known = this.#known;
    const now = this.#clock();
    const since = new Date(Math.min(known ? this.#lookedUpTo : now, now) - APPEARS_WITHIN_MS);
    try {
      await this.#endGone();
      const found = await readRecorded(this.#database, since);
      if (known === this.#known) {
        this.#lookedUpTo = now;
        if (!known) this.#known = new Map(found.map((run) => [runKey(run), { ...run, handed: false }]));
        else this.#compare(known, found, since);
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

  /** Ends with those users of whose deletion no wake-up has told. */
  async #endGone(): Promise<void> {
    const ids = [...new Set([...this.#subscribers].flatMap(({ only }) => only ?? []))];
    if (ids.length === 0) return;
    const users = await this.#database.reader.$queryRaw<Pick<User, 'id'>[]>`
      SELECT id FROM "user" WHERE ${isListed(this.#database, sql`id`, ids)}`;
    const left = new Set(users.map(({ id }) => id));
    for (const id of ids) if (!left.has(id)) this.#end(id);
  }

  #end(userId: string): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.only !== userId) continue;
      subscriber.ended = true;
      subscriber.wake();
    }
  }

  #compare(known: Map<string, KnownState>, found: readonly RunState[], since: Date): void {
    for (const run of found) if (!isSame(known.get(runKey(run)), run)) this.#note(run.userId, run.lastSequence - 1);
    for (const [key, { recordedAt }] of known) if (recordedAt < since) known.delete(key);
    void this.#read();
  }

  #note(userId: string, after: number): void {
    this.#changedAfter.set(userId, Math.min(this.#changedAfter.get(userId) ?? after, after));
  }

  /** What could not be read is read again after a while, or with the next change. */
  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    let users: ChangedLog[] = [];
    try {
      while (this.#changedAfter.size > 0) {
        users = [...this.#changedAfter].slice(0, USERS_PER_STATEMENT).map(([userId, after]) => ({ userId, after }));
        for (const { userId } of users) this.#changedAfter.delete(userId);
        for (const run of await logSqlOf(this.#database).readChangedRuns(this.#database.reader, users)) this.#hand(run);
      }
    } catch (error) {
      this.#onError(error);
      if (this.#subscribers.size === 0) return;
      for (const { userId, after } of users) this.#note(userId, after);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => void this.#read(), this.#limits.slowPollMs).unref();
    } finally {
      this.#reading = false;
    }
  }

  /** What a look and a wake-up have both led to is handed on once. */
  #hand(run: SyncRun): void {
    const known = this.#known?.get(runKey(run));
    if (known?.handed && isSame(known, run)) return;
    const { userId, runId, lastSequence, recordedAt } = run;
    this.#known?.set(runKey(run), { userId, runId, lastSequence, recordedAt, handed: true });
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

/** As much of a run as tells one of its states from another. */
type RunState = Pick<SyncRun, 'userId' | 'runId' | 'lastSequence' | 'recordedAt'>;

/** `handed` is false for what the first look learned: should a wake-up lead there as well, it has changed since. */
type KnownState = RunState & { readonly handed: boolean };

/** Sequences begin anew in another log under the same id, so they alone do not tell. */
function isSame(one: RunState | undefined, other: RunState): boolean {
  return one?.lastSequence === other.lastSequence && one.recordedAt.getTime() === other.recordedAt.getTime();
}

/** The runs that were recorded at or after a time. */
async function readRecorded({ reader }: Database, since: Date): Promise<RunState[]> {
  const found: RunState[] = [];
  for (let last: RunState | undefined; ; ) {
    const after = last
      ? sql`(recorded_at, user_id, run_id) > (${last.recordedAt}, ${last.userId}, ${last.runId})`
      : sql`recorded_at >= ${since}`;
    const runs = await reader.$queryRaw<RunState[]>`
      SELECT user_id AS "userId", run_id AS "runId", last_sequence AS "lastSequence", recorded_at AS "recordedAt"
      FROM sync_run WHERE ${after} ORDER BY recorded_at, user_id, run_id LIMIT ${RUNS_PER_STATEMENT}`;
    found.push(...runs);
    last = runs.at(-1);
    if (runs.length < RUNS_PER_STATEMENT) return found;
  }
}
