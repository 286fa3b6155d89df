import { AppError } from '../../src/errors.ts';
import { matches, type SyncEventFilter } from '../../src/log/filter.ts';
import type { FollowedEvents } from '../../src/log/follow/steps.ts';
import type { DoorbellBus } from './doorbell-bus.ts';
import { dueByLook, dueByNews } from './due.ts';
import type { Instance } from './instance.ts';
import type { StoredEvent, UserRow } from './model-server.ts';
import type { Fleet } from './producer.ts';
import { Party } from './virtual-time.ts';

/** One connection of a reader: the stream at its instance, and the way between them. */
interface Connection {
  readonly instance: Instance;
  readonly controller: AbortController;
  /** The place of the stream at the instance, and since when it waits there for something to tell. */
  cursor: number | undefined;
  waitsSince: number | undefined;
  toldAt: number;
}

export interface ReaderWish {
  readonly user: UserRow;
  readonly after: number;
  readonly filter: SyncEventFilter | undefined;
}

/** Follows one log over connections to any instances, and holds what it is told against the database. */
export class Reader {
  readonly party: Party;
  readonly user: UserRow;
  readonly #fleet: Fleet;
  readonly #bus: DoorbellBus;
  readonly #filter: SyncEventFilter | undefined;
  readonly #start: number;
  #cursor: number;
  /** Sequences that retention took before they could be read: after the first, before the second. */
  readonly #missed: [number, number][] = [];
  readonly #seen = new Set<number>();
  #newest: Date | undefined;
  #connection: Connection | undefined;
  /** The log is gone, and so the stream. */
  isEnded = false;

  constructor(name: string, fleet: Fleet, bus: DoorbellBus, { user, after, filter }: ReaderWish) {
    this.party = new Party(name);
    this.user = user;
    this.#fleet = fleet;
    this.#bus = bus;
    this.#filter = filter;
    this.#start = after;
    this.#cursor = after;
  }

  start(inMs: number): void {
    this.#later(inMs + this.#fleet.world.between(0, 1_000), () => this.#connect());
  }

  /** Whose stream it reads right now. */
  get instance(): Instance | undefined {
    return this.#connection?.instance;
  }

  /** The connection breaks. Both ends notice. */
  cut(): void {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#fleet.world.time.plan(this.#fleet.world.latency(), connection.instance.party, () =>
      connection.controller.abort(),
    );
    this.#later(this.#fleet.world.between(1, 300), () => this.#connect());
  }

  get #isGone(): boolean {
    return this.user.goneAt !== undefined;
  }

  #stop(): void {
    this.#connection = undefined;
    this.isEnded = true;
  }

  /** Is its log one that was made anew? */
  get #isSuccessor(): boolean {
    return this.user.createdAt.getTime() > this.#fleet.world.time.dateAt(0);
  }

  /** Whoever follows a log that was made anew meets the one before on an instance that could not look in the meantime. */
  #hasLooked({ party }: Instance): boolean {
    const { world, limits } = this.#fleet;
    return !this.#isSuccessor || party.isWellSince(world.time.now - limits.slowPollMs - 1_500);
  }

  #later(ms: number, run: () => void): void {
    this.#fleet.world.time.plan(ms, this.party, run);
  }

  #connect(): void {
    if (this.isEnded || this.#connection) return;
    if (this.#isGone) {
      this.#stop(); // what comes next under this id is another log, which nobody would tell it
      return;
    }
    const { world, instances } = this.#fleet;
    const open = instances.filter((instance) => instance.isAlive && !instance.isClosing && this.#hasLooked(instance));
    const instance = open.length > 0 ? world.some(open) : undefined;
    if (!instance) {
      this.#later(100, () => this.#connect());
      return;
    }
    const connection: Connection = {
      ...{ instance, controller: new AbortController(), cursor: undefined },
      ...{ waitsSince: undefined, toldAt: world.time.now },
    };
    this.#connection = connection;
    const after = this.#cursor;
    world.time.plan(world.latency(), instance.party, () => {
      if (instance.isClosing)
        world.time.plan(world.latency(), this.party, () => this.cut()); // it listens no more
      else instance.serve(this.#serve(connection, after));
    });
  }

  /** What a transport does at the instance: it takes a step once the one before has been taken. */
  async #serve(connection: Connection, after: number): Promise<void> {
    const { world } = this.#fleet;
    const { instance, controller } = connection;
    const signal = AbortSignal.any([controller.signal, instance.shutdown.signal]);
    const request = { userId: this.user.id, after, filter: this.#filter };
    const stream = instance.log.follow(request, signal);
    const tell = (run: () => void) =>
      world.carry(instance.party, this.party, () => {
        if (this.#connection === connection) run();
      });
    try {
      for (;;) {
        connection.waitsSince = world.time.now;
        const { value: step, done } = await stream.next();
        connection.waitsSince = undefined;
        if (done) break;
        if (connection.cursor === undefined && this.#isGone) return this.#stop(); // it may be of a log that came after
        connection.cursor = step.cursor;
        connection.toldAt = world.time.now;
        await tell(() => this.#take(step));
      }
      await tell(() => this.#over(controller.signal.aborted));
    } catch (error) {
      connection.waitsSince = undefined;
      await tell(() => this.#failed(error, connection));
    }
  }

  /** Each event once, in order, as it is in the log. */
  #take({ events, cursor, reset }: FollowedEvents): void {
    const { world, server } = this.#fleet;
    if (reset) this.#skip(reset.reason, reset.oldest);
    for (const event of events) {
      const { sequence, recordedAt } = event;
      const stored = server.everStored.get(event.id);
      if (stored?.event !== event) world.violated(`${this.party.name} was shown what is not in the log`);
      if (stored && stored.user !== this.user) world.violated(`${this.party.name} was shown an event of a newer log`);
      if (sequence <= this.#cursor) world.violated(`${this.party.name} was shown ${sequence} after ${this.#cursor}`);
      if (!this.#filter && sequence !== this.#cursor + 1)
        world.violated(`${this.party.name} was shown ${sequence} next after ${this.#cursor}`);
      if (!matches(event, this.#filter)) world.violated(`${this.party.name} was shown what it did not ask for`);
      if (this.#newest && recordedAt < this.#newest)
        world.violated(`the times of ${this.user.id} go back at ${sequence}`);
      this.#newest = recordedAt;
      this.#cursor = sequence;
      this.#seen.add(sequence);
    }
    if (cursor < this.#cursor) world.violated(`the cursor of ${this.party.name} goes back to ${cursor}`);
    this.#cursor = cursor;
  }

  #skip(reason: string, oldest: number): void {
    const { world } = this.#fleet;
    world.tell(() => `${this.party.name}: reset ${reason}, from ${this.#cursor} to ${oldest}`);
    const { tail } = this.user;
    if (reason !== 'CURSOR_EXPIRED' || oldest <= this.#cursor + 1 || oldest > tail)
      world.violated(
        `${this.party.name} was reset by ${reason} from ${this.#cursor} to ${oldest}, the tail is ${tail}`,
      );
    this.#missed.push([this.#cursor, oldest]);
    this.#cursor = oldest - 1;
  }

  /** A stream ends without a word when its log is gone. */
  #over(wasLeft: boolean): void {
    if (wasLeft) return;
    const { world } = this.#fleet;
    if (this.#isSuccessor && !this.#isGone) {
      this.cut(); // it has met the log before, which its instance had not yet looked at
      return;
    }
    this.#stop();
    world.tell(() => `${this.party.name}: its log is gone`);
    if (!this.#isGone) world.violated(`the stream of ${this.party.name} ended and its log has not`);
  }

  #failed(error: unknown, { instance, cursor }: Connection): void {
    const { world } = this.#fleet;
    this.#connection = undefined;
    if (error instanceof AppError && error.code === 'NOT_FOUND' && this.#isGone) {
      this.#stop();
      return;
    }
    if (error instanceof AppError && error.code === 'UNAVAILABLE' && instance.isClosing)
      this.#judgeFarewell(Number(error.extensions.cursor), cursor ?? this.#cursor);
    else world.violated(`the stream of ${this.party.name} failed with ${error}`);
    this.#later(world.between(1, 300), () => this.#connect());
  }

  /** It goes on from where it was sent away: nothing that it wanted lies between. */
  #judgeFarewell(end: number, cursor: number): void {
    const wanted = [...this.user.events.values()].filter(({ event }) => matches(event, this.#filter));
    if (!(end >= cursor) || wanted.some(({ event: { sequence } }) => sequence > cursor && sequence <= end))
      this.#fleet.world.violated(`${this.party.name} was sent away with cursor ${end} at ${cursor}`);
  }

  /** Is it told in time of what there is? To be asked now and then. */
  judgeTime(): void {
    const { world } = this.#fleet;
    const connection = this.#connection;
    const { instance, waitsSince, cursor } = connection ?? {};
    if (!connection || waitsSince === undefined || instance?.party.state !== 'runs') return;
    const due = this.#dueAt(connection, waitsSince, this.#isGone);
    const { now } = world.time;
    if (now <= due.at) return;
    world.violated(
      `${this.party.name} at ${cursor} is told of ${due.what} ${Math.round(now - due.at)} ms too late by ${instance.party.name}`,
    );
    this.cut(); // it is said once
  }

  #dueAt(
    { instance, cursor = 0, toldAt }: Connection,
    waitsSince: number,
    isGone: boolean,
  ): { readonly what: string; readonly at: number } {
    const stream = { instance, waitsSince };
    if (isGone) return { what: 'its end', at: dueByLook(stream, this.user.goneAt ?? 0) }; // whoever has deleted the user may have told nobody
    const news = this.#firstNewsAfter(cursor);
    if (news) return { what: `event ${news.event.sequence}`, at: dueByNews(this.#bus, stream, news) };
    const checkpointAt = toldAt + this.#fleet.limits.checkpointMs * 1.02;
    return { what: 'a checkpoint', at: dueByLook({ instance, waitsSince: 0 }, checkpointAt) };
  }

  #firstNewsAfter(cursor: number): StoredEvent | undefined {
    const { head, events } = this.user;
    for (let sequence = cursor + 1; sequence <= head.sequence; sequence += 1) {
      const stored = events.get(sequence);
      if (stored && matches(stored.event, this.#filter)) return stored;
    }
    return undefined;
  }

  /** All that there is was shown. To be asked once all is quiet. */
  judgeEnd(): void {
    const { world } = this.#fleet;
    if (this.#isGone) {
      if (!this.isEnded) world.violated(`${this.party.name} still follows a log that is gone`);
      return;
    }
    if (this.#cursor !== this.user.head.sequence && !this.#filter)
      world.violated(`${this.party.name} is at ${this.#cursor} of ${this.user.head.sequence} when all is quiet`);
    const isMissed = (sequence: number) =>
      this.#missed.some(([after, before]) => sequence > after && sequence < before);
    for (const { event } of this.user.events.values())
      if (
        event.sequence > this.#start &&
        matches(event, this.#filter) &&
        !this.#seen.has(event.sequence) &&
        !isMissed(event.sequence)
      )
        world.violated(`${this.party.name} was never shown ${event.sequence}`);
  }
}
