import type { SyncRun } from '../../src/db/rows.ts';
import { AppError } from '../../src/errors.ts';
import type { ChangedRow, RowChange } from '../../src/log/changes/row-subscriber.ts';
import { runKey } from '../../src/log/record/fold-run.ts';
import type { DoorbellBus } from './doorbell-bus.ts';
import { dueByLook, dueByNews } from './due.ts';
import type { Instance } from './instance.ts';
import type { StoredRun, UserRow } from './model-server.ts';
import type { Fleet } from './producer.ts';
import { Party } from './virtual-time.ts';

/** One connection: the stream at its instance, and the way between them. */
interface Connection {
  readonly instance: Instance;
  readonly controller: AbortController;
  /** Since when the stream waits at the instance for something to tell. */
  waitsSince: number | undefined;
  /** How many states of runs there were when the stream said that it has begun: it shows the later ones. */
  begunAfter: number | undefined;
  /** What the stream has told at the instance, the newest state of each run. */
  readonly told: Map<string, StoredRun>;
}

/**
 * Watches runs over connections to any instances. After each sign that a stream has begun it reads the list, as the
 * contract says, and holds what it knows then against the database.
 */
export class RunReader {
  readonly party: Party;
  readonly #fleet: Fleet;
  readonly #bus: DoorbellBus;
  /** The one user whose runs it may see, if it may not see all. */
  readonly #only: UserRow | undefined;
  /** The newest state of each run that it has read, or was shown. */
  readonly #known = new Map<string, StoredRun>();
  #connection: Connection | undefined;
  #isEnded = false;

  constructor(name: string, fleet: Fleet, bus: DoorbellBus, only: UserRow | undefined) {
    this.party = new Party(name);
    this.#fleet = fleet;
    this.#bus = bus;
    this.#only = only;
  }

  start(): void {
    this.#later(this.#fleet.world.between(0, 1_000), () => this.#connect());
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
    const { world } = this.#fleet;
    world.time.plan(world.latency(), connection.instance.party, () => connection.controller.abort());
    this.#later(world.between(1, 300), () => this.#connect());
  }

  /** Is the only user gone whose runs it may see, and nobody there under that id? */
  get #isGone(): boolean {
    return this.#only !== undefined && !this.#fleet.server.users.has(this.#only.id);
  }

  #later(ms: number, run: () => void): void {
    this.#fleet.world.time.plan(ms, this.party, run);
  }

  #connect(): void {
    if (this.#isEnded || this.#connection) return;
    if (this.#isGone) {
      this.#stop();
      return;
    }
    const { world, instances } = this.#fleet;
    const open = instances.filter(({ isAlive, isClosing }) => isAlive && !isClosing);
    const instance = open.length > 0 ? world.some(open) : undefined;
    if (!instance) {
      this.#later(100, () => this.#connect());
      return;
    }
    const connection: Connection = {
      ...{ instance, controller: new AbortController(), waitsSince: undefined, begunAfter: undefined, told: new Map() },
    };
    this.#connection = connection;
    world.time.plan(world.latency(), instance.party, () => {
      if (instance.isClosing)
        world.time.plan(world.latency(), this.party, () => this.cut()); // it listens no more
      else instance.serve(this.#serve(connection));
    });
  }

  #stop(): void {
    this.#connection = undefined;
    this.#isEnded = true;
  }

  #wants({ run }: Pick<StoredRun, 'run'>): boolean {
    return this.#only === undefined || run.userId === this.#only.id;
  }

  /** What a transport does at the instance: it takes a step once the one before has been taken. */
  async #serve(connection: Connection): Promise<void> {
    const { world, server } = this.#fleet;
    const { instance, controller } = connection;
    const signal = AbortSignal.any([controller.signal, instance.shutdown.signal]);
    const wish = { wants: (run: StoredRun['run']) => this.#wants({ run }), only: this.#only?.id };
    const stream = instance.runChanges.follow(wish, signal);
    const tell = (run: () => void) =>
      world.carry(instance.party, this.party, () => {
        if (this.#connection === connection) run();
      });
    try {
      for (;;) {
        connection.waitsSince = world.time.now;
        const { value: change, done } = await stream.next();
        connection.waitsSince = undefined;
        if (done) break;
        if (change.kind === 'began') connection.begunAfter = server.runStates;
        else this.#noteTold(connection, change);
        await tell(() => this.#take(change));
      }
      await tell(() => this.#over(controller.signal.aborted));
    } catch (error) {
      connection.waitsSince = undefined;
      await tell(() => this.#failed(error, instance));
    }
  }

  /** A stream never goes back to an older state of a run, and shows nothing but what is committed. */
  #noteTold({ told, begunAfter }: Connection, { row: run }: ChangedRow<SyncRun>): void {
    const { world, server } = this.#fleet;
    const { name } = this.party;
    const stored = server.everRun.get(run);
    if (!stored) {
      world.violated(`${name} was shown a run that was never committed`);
      return;
    }
    if (begunAfter === undefined) world.violated(`${name} was shown a run before the sign that its stream has begun`);
    if (!this.#wants(stored)) world.violated(`${name} was shown a run that it may not see`);
    const before = told.get(runKey(run));
    if (before && before.order > stored.order) world.violated(`${name} was shown an old state of ${run.runId}`);
    told.set(runKey(run), stored);
  }

  #take(change: RowChange<SyncRun>): void {
    const { everRun, runs } = this.#fleet.server;
    const stored = change.kind === 'changed' ? everRun.get(change.row) : undefined;
    for (const each of stored ? [stored] : [...runs.values()].filter((run) => this.#wants(run))) {
      const key = runKey(each.run);
      const { order = 0 } = this.#known.get(key) ?? {};
      if (each.order > order) this.#known.set(key, each);
    }
  }

  /** A stream ends without a word when its only user is gone. */
  #over(wasLeft: boolean): void {
    if (wasLeft) return;
    if (!this.#isGone) this.#fleet.world.violated(`the stream of ${this.party.name} ended and its user is there`);
    this.#stop();
  }

  #failed(error: unknown, instance: Instance): void {
    const { world } = this.#fleet;
    this.#connection = undefined;
    if (!(error instanceof AppError && error.code === 'UNAVAILABLE' && instance.isClosing))
      world.violated(`the stream of ${this.party.name} failed with ${error}`);
    this.#later(world.between(1, 300), () => this.#connect());
  }

  /** Is it told in time of what there is? To be asked now and then. */
  judgeTime(): void {
    const { world } = this.#fleet;
    const { instance, waitsSince } = this.#connection ?? {};
    if (!this.#connection || !instance || waitsSince === undefined || instance.party.state !== 'runs') return;
    const late = this.#expected(this.#connection, { instance, waitsSince }).find(({ at }) => world.time.now > at);
    if (!late) return;
    const ms = Math.round(world.time.now - late.at);
    world.violated(`${this.party.name} is told of ${late.what} ${ms} ms too late by ${instance.party.name}`);
    this.cut(); // it is said once
  }

  /** What a stream that waits has still to tell, and when at the latest. */
  #expected(
    { begunAfter, told }: Connection,
    stream: { readonly instance: Instance; readonly waitsSince: number },
  ): { readonly what: string; readonly at: number }[] {
    if (this.#isGone) return [{ what: 'its end', at: dueByLook(stream, this.#only?.goneAt ?? 0) }];
    if (begunAfter === undefined) return [{ what: 'its beginning', at: dueByLook(stream, 0) }];
    return [...this.#fleet.server.runs.values()]
      .filter((stored) => this.#wants(stored) && stored.order > begunAfter)
      .filter(({ run, order }) => order > (told.get(runKey(run))?.order ?? 0))
      .map((stored) => ({
        what: `${stored.run.runId} of ${stored.run.userId}`,
        at: dueByNews(this.#bus, stream, stored),
      }));
  }

  /** It knows the newest state of every run. To be asked once all is quiet. */
  judgeEnd(): void {
    const { world, server } = this.#fleet;
    if (this.#isGone) {
      if (!this.#isEnded) world.violated(`${this.party.name} still watches the runs of somebody who is gone`);
      return;
    }
    for (const stored of server.runs.values())
      if (this.#wants(stored) && this.#known.get(runKey(stored.run)) !== stored)
        world.violated(`${this.party.name} was never shown ${stored.run.runId} of ${stored.run.userId} as it is`);
  }
}
