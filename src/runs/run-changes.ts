import type { WakeUps } from '../instances/wake-ups.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';
import { runSqlOf } from './run-sql.ts';
import { type RunChange, RunSubscriber, type RunWish } from './run-subscriber.ts';
import { RunWatch, type RunWatchOptions } from './run-watch.ts';

interface RunChangesOptions extends RunWatchOptions {
  readonly wakeUps: WakeUps;
  readonly limits: Limits;
  readonly clock: Clock;
}

/**
 * The summaries of all runs as they change, for any number of subscribers. One read for each change serves them all. A
 * subscriber that reads slowly misses states between, never the newest one.
 *
 *     idle --the first subscriber comes--> watching --the last one leaves, or close()--> idle
 *
 * Idle, it listens to wake-ups and reads nothing. Watching, a `RunWatch` owns the timers and what is known of the runs,
 * and each `RunSubscriber` what waits for its reader; both are gone when the state is left.
 */
export class RunChanges {
  readonly #options: RunChangesOptions;
  readonly #subscribers = new Set<RunSubscriber>();
  readonly #stopListening: () => void;
  /** Undefined while idle. */
  #watch: RunWatch | undefined;

  constructor(options: RunChangesOptions) {
    this.#options = options;
    this.#stopListening = options.wakeUps.listen(
      (change) => {
        if (change.kind === 'grown') this.#watch?.note(change.userId, change.previousHead);
        else this.#endGone([change.userId]).catch(options.onError); // the next look asks again
      },
      () => this.#watch?.lookNow(),
    );
  }

  /**
   * That it began, once every change that is committed later is certain to be told, on whichever instance; then each
   * wanted run whenever it has changed. It goes on until `signal` aborts: silently, or with its reason if that is an
   * `AppError`. With `only`, until that user is deleted.
   * @throws AppError SLOW_CONSUMER for a reader that more than `waitingRuns` runs wait for.
   */
  async *follow(wish: RunWish, signal: AbortSignal): AsyncGenerator<RunChange, void, undefined> {
    const subscriber = new RunSubscriber(wish, this.#options.limits.waitingRuns);
    this.#subscribers.add(subscriber);
    this.#watch ??= this.#startWatch();
    if (this.#watch.isComplete) subscriber.begin();
    try {
      yield* subscriber.read(signal);
    } finally {
      this.#subscribers.delete(subscriber);
      if (this.#subscribers.size === 0) this.#stopWatch();
    }
  }

  close(): void {
    this.#stopListening();
    this.#stopWatch();
  }

  #startWatch(): RunWatch {
    const watch = new RunWatch(this.#options, {
      beforeLook: () => this.#endGone(this.#watchedAlone()),
      onLook: () => {
        for (const subscriber of this.#subscribers) subscriber.begin();
      },
      onRun: (run) => {
        const change = { kind: 'changed', run, judgedAt: this.#options.clock() } as const;
        for (const subscriber of this.#subscribers) subscriber.push(change);
      },
    });
    watch.start();
    return watch;
  }

  #stopWatch(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  /** The users whose runs somebody watches who may see no other user's. */
  #watchedAlone(): Set<string> {
    return new Set([...this.#subscribers].flatMap(({ wish }) => wish.only ?? []));
  }

  /** Ends with those of these users who are gone, whatever a wake-up has said of them. */
  async #endGone(userIds: Iterable<string>): Promise<void> {
    const watched = this.#watchedAlone();
    const ids = [...userIds].filter((id) => watched.has(id));
    if (ids.length === 0) return;
    const { database, sql = runSqlOf(database) } = this.#options;
    const logs = await sql.findLogs(database.reader, ids);
    const left = new Set(logs.map(({ userId }) => userId));
    const gone = new Set(ids.filter((id) => !left.has(id)));
    for (const subscriber of this.#subscribers)
      if (subscriber.wish.only !== undefined && gone.has(subscriber.wish.only)) subscriber.end();
  }
}
