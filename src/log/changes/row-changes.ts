import type { WakeUps } from '../../instances/wake-ups.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Limits } from '../../limits.ts';
import { type RowChange, RowSubscriber, type RowWish } from './row-subscriber.ts';
import { RowWatch, type RowWatchOptions } from './row-watch.ts';
import { keyOfRow, type WatchedRow } from './watched-rows.ts';

interface RowChangesOptions<Row extends WatchedRow> extends RowWatchOptions<Row> {
  readonly wakeUps: WakeUps;
  readonly limits: Limits;
  readonly clock: Clock;
}

/**
 * All rows of a kind as they change, for any number of subscribers. One read for each change serves them all. A
 * subscriber that reads slowly misses states between, never the newest one.
 *
 *     idle --the first subscriber comes--> watching --the last one leaves, or close()--> idle
 *
 * Idle, it listens to wake-ups and reads nothing. Watching, a `RowWatch` owns the timers and what is known of the rows,
 * and each `RowSubscriber` what waits for its reader; both are gone when the state is left.
 */
export class RowChanges<Row extends WatchedRow> {
  readonly #options: RowChangesOptions<Row>;
  readonly #subscribers = new Set<RowSubscriber<Row>>();
  readonly #stopListening: () => void;
  /** Undefined while idle. */
  #watch: RowWatch<Row> | undefined;

  constructor(options: RowChangesOptions<Row>) {
    this.#options = options;
    this.#stopListening = options.wakeUps.listen(
      (change) => {
        if (change.kind === 'grown') this.#watch?.note(change.userId, change.previousHead);
        else if (change.kind === 'deleted')
          this.#endGone([change.userId]).catch(options.onError); // the next look asks again
        else this.#watch?.lookForRows();
      },
      () => this.#watch?.lookNow(),
    );
  }

  /**
   * That it began, once every change that is committed later is certain to be told, on whichever instance; then each
   * wanted row whenever it has changed. It goes on until `signal` aborts: silently, or with its reason if that is an
   * `AppError`. With `only`, until that user is deleted.
   * @throws AppError SLOW_CONSUMER for a reader that more than `waitingRows` rows wait for.
   */
  async *follow(wish: RowWish<Row>, signal: AbortSignal): AsyncGenerator<RowChange<Row>, void, undefined> {
    const subscriber = new RowSubscriber(wish, this.#options.limits.waitingRows);
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

  #startWatch(): RowWatch<Row> {
    const { rows } = this.#options;
    const watch = new RowWatch(this.#options, {
      beforeLook: () => this.#endGone(this.#watchedAlone()),
      onLook: () => {
        for (const subscriber of this.#subscribers) subscriber.begin();
      },
      onRow: (row) => {
        const key = keyOfRow({ userId: row.userId, name: rows.nameOf(row) });
        const change = { kind: 'changed', row, judgedAt: this.#options.clock() } as const;
        for (const subscriber of this.#subscribers) subscriber.push(key, change);
      },
    });
    watch.start();
    return watch;
  }

  #stopWatch(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  /** The users whose rows somebody watches who may see no other user's. */
  #watchedAlone(): Set<string> {
    return new Set([...this.#subscribers].flatMap(({ wish }) => wish.only ?? []));
  }

  /** Ends with those of these users who are gone, whatever a wake-up has said of them. */
  async #endGone(userIds: Iterable<string>): Promise<void> {
    const watched = this.#watchedAlone();
    const ids = [...userIds].filter((id) => watched.has(id));
    if (ids.length === 0) return;
    const { database, rows } = this.#options;
    const logs = await rows.findLogs(database.reader, ids);
    const left = new Set(logs.map(({ userId }) => userId));
    const gone = new Set(ids.filter((id) => !left.has(id)));
    for (const subscriber of this.#subscribers)
      if (subscriber.wish.only !== undefined && gone.has(subscriber.wish.only)) subscriber.end();
  }
}
