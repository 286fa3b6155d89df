import { uuid } from '../../src/lib/random.ts';
import { defaultLimits, type Limits } from '../../src/limits.ts';
import type { ChangedRowSql } from '../../src/log/changes/watched-rows.ts';
import type { SyncEventFilter } from '../../src/log/filter.ts';
import type { LogSql } from '../../src/log/sql/log-sql.ts';
import { DoorbellBus } from './doorbell-bus.ts';
import { Feed } from './feed.ts';
import { type Installation, Instance, smallLimits } from './instance.ts';
import { ModelServer, type UserRow } from './model-server.ts';
import { modelSql } from './model-sql.ts';
import { type Fleet, Producer } from './producer.ts';
import { Reader } from './reader.ts';
import { RunReader } from './run-reader.ts';
import { makeTrouble } from './troubles.ts';
import { Party } from './virtual-time.ts';
import { World } from './world.ts';

/** What one schedule has shown. */
export interface Outcome {
  readonly seed: number;
  readonly events: number;
  readonly faults: number;
  readonly steps: number;
  readonly violations: readonly string[];
  readonly story: readonly string[];
}

/** Troubles begin in this time; afterwards all is quiet until the end. In milliseconds. */
const TROUBLED_MS = 10_000;
/** What may still hang then: a pause or a lock, a read that is given up, a look. */
const QUIET_MS = 26_000;
const JUDGE_EVERY_MS = 250;
/** What a recording for free users may take at the median while others are locked, and how many are judged at least. */
const BESIDE_LOCKED_MS = 80;
const FEWEST_TIMES = 5;

/** One installation in half a minute of trouble: everything that happens follows from the seed. */
export class Schedule implements Fleet, Installation {
  readonly world: World;
  readonly server: ModelServer;
  readonly sql: LogSql & ChangedRowSql;
  readonly bus: DoorbellBus;
  readonly limits: Limits;
  readonly keepMs: number | undefined;
  readonly instances: Instance[] = [];
  readonly readers: (Reader | RunReader)[] = [];
  readonly #lockedUntil = new Map<string, number>();
  clockOffMs = 0;
  /** How many keep users locked right now. */
  strangers = 0;
  /** Nothing tells the age of what is recorded then, if it was made some time before. */
  wasClockBehind = false;
  wasClockAhead = false;
  readonly #producers: Producer[] = [];
  readonly #feed: Feed | undefined;
  #named = 0;

  readonly #seed: number;

  constructor(seed: number, { isTold = false } = {}) {
    this.#seed = seed;
    this.world = new World(seed, isTold);
    const { world } = this;
    this.server = new ModelServer(world);
    this.bus = new DoorbellBus(world);
    this.sql = modelSql(this.server, (row, tail) => this.#judgeRemoval(row, tail));
    // The alarms of checkpoints tick 512 times in this time: most schedules do without.
    const checkpointMs = world.chance(12) ? defaultLimits.checkpointMs : 600_000;
    this.limits = { ...smallLimits, checkpointMs };
    this.keepMs = world.chance(2) ? 5_000 : undefined;
    this.#feed = world.chance(2) ? new Feed(this) : undefined;
  }

  clock = (): number => Math.round(Date.now() + this.clockOffMs);

  /** The users that there are. */
  rows(): UserRow[] {
    return [...this.server.users.values()];
  }

  anInstance(): Instance | undefined {
    const running = this.instances.filter(({ party, isClosing }) => party.state === 'runs' && !isClosing);
    return running.length > 0 ? this.world.some(running) : undefined;
  }

  addInstance(): void {
    this.#named += 1;
    const party = new Party(`instance ${this.#named}`);
    // As a task of its own: what it plans is then its.
    this.world.time.plan(0, party, () => this.#start(party));
  }

  #start(party: Party): void {
    const instance = new Instance(party, this);
    this.instances.push(instance);
    instance.holding = this.#feed?.attach(instance);
    this.world.tell(() => `${party.name}: starts`);
  }

  remove(instance: Instance): void {
    this.instances.splice(this.instances.indexOf(instance), 1);
    this.bus.leave(instance.party);
    for (const reader of this.readers) if (reader.instance === instance) reader.cut();
  }

  stop(instance: Instance): void {
    this.world.time.plan(0, instance.party, () => {
      instance.close().then(
        () => {
          this.world.tell(() => `${instance.party.name}: has stopped`);
          this.remove(instance);
        },
        (error: unknown) => this.world.violated(`${instance.party.name} could not stop: ${error}`),
      );
    });
  }

  lockedUntil(userId: string): number {
    return this.#lockedUntil.get(userId) ?? 0;
  }

  isSomebodyLocked(): boolean {
    return this.strangers > 0;
  }

  keepLocked(rows: readonly UserRow[], until: number): void {
    for (const { id } of rows) this.#lockedUntil.set(id, Math.max(this.lockedUntil(id), until));
  }

  /** A user is gone: an instance may say so, and whoever comes next may follow the new log. */
  followedBy(row: UserRow, isTold: boolean): void {
    const instance = this.anInstance();
    if (isTold && instance)
      this.world.time.plan(1, instance.party, () => instance.log.wakeUps.notify({ kind: 'deleted', userId: row.id }));
    const anew = this.server.users.get(row.id);
    // Until an instance has looked, a stream that begins there may meet the old log, and ends with it.
    if (anew) this.#addReader(anew, undefined, this.limits.slowPollMs + 1_500);
  }

  async run(): Promise<Outcome> {
    const { world } = this;
    const uninstall = world.time.install();
    try {
      this.#begin();
      await world.time.runTo(TROUBLED_MS + QUIET_MS);
      this.#judgeEnd();
      return {
        seed: this.#seed,
        events: this.server.everStored.size,
        faults: world.faults,
        steps: world.time.steps,
        violations: world.violations,
        story: world.story,
      };
    } finally {
      uninstall();
    }
  }

  #begin(): void {
    const { world } = this;
    const users = Array.from({ length: world.between(2, 5) }, () => this.server.addUser(uuid(world.random)));
    const silent = this.server.addUser(uuid(world.random));
    for (let count = world.between(1, 3); count > 0; count -= 1) this.addInstance();
    for (let count = world.between(1, 4); count > 0; count -= 1) this.#addProducer(users);
    for (let count = world.between(2, 6); count > 0; count -= 1)
      this.#addReader(world.some(users), world.chance(3) ? { providers: ['garmin'] } : undefined);
    this.#addReader(silent, undefined);
    for (let count = world.between(0, 2); count > 0; count -= 1)
      this.#addRunReader(world.chance(3) ? world.some(users) : undefined);
    for (let count = world.between(1, 10); count > 0; count -= 1)
      world.time.plan(world.between(200, TROUBLED_MS), undefined, () => makeTrouble(this));
    if (this.#feed)
      for (let count = world.between(3, 15); count > 0; count -= 1)
        world.time.plan(world.between(0, TROUBLED_MS), undefined, () => this.#feed?.add(world.some(users).id));
    world.time.plan(JUDGE_EVERY_MS, undefined, () => this.#judgeTimes(), JUDGE_EVERY_MS);
  }

  #addProducer(users: readonly UserRow[]): void {
    const { world } = this;
    const own = users.filter(() => world.chance(2)).map(({ id }) => id);
    const ids = own.length > 0 ? own : [world.some(users).id];
    const producer = new Producer(`producer ${this.#producers.length + 1}`, this, ids, {
      recordings: world.between(3, 16),
      until: TROUBLED_MS + 5_000,
    });
    this.#producers.push(producer);
    producer.start();
  }

  #addReader(user: UserRow, filter: SyncEventFilter | undefined, inMs = 0): void {
    const reader = new Reader(`reader ${this.readers.length + 1}`, this, this.bus, { user, after: 0, filter });
    this.readers.push(reader);
    reader.start(inMs);
  }

  #addRunReader(only: UserRow | undefined): void {
    const reader = new RunReader(`reader of runs ${this.readers.length + 1}`, this, this.bus, only);
    this.readers.push(reader);
    reader.start();
  }

  #judgeTimes(): void {
    for (const reader of this.readers) reader.judgeTime();
  }

  /** Retention takes little at a time, and nothing that is young or among the newest. */
  #judgeRemoval(row: UserRow, tail: number): void {
    const { world, limits, keepMs = Number.POSITIVE_INFINITY } = this;
    const removed = [...row.events.values()].filter(({ event }) => event.sequence < tail);
    if (removed.length > limits.retentionBatch) world.violated(`retention removes ${removed.length} events at once`);
    for (const { event, committedAt } of removed) {
      if (event.sequence > row.head.sequence - limits.retainedEvents)
        world.violated(`retention removes ${event.sequence}, one of the newest of ${row.head.sequence}`);
      // It was recorded some time before its commit; a clock that was ahead has left nothing but its producer's time.
      const told = this.wasClockAhead ? Date.now() - event.timestamp.getTime() : 0;
      const age = Math.round(Math.max(world.time.now - committedAt, told));
      if (age < keepMs / 4 && !this.wasClockBehind) world.violated(`retention removes an event that is ${age} ms old`);
    }
  }

  #judgeEnd(): void {
    const { world, server, limits, keepMs } = this;
    for (const reader of this.readers) reader.judgeEnd();
    for (const producer of this.#producers)
      if (!producer.isDone) world.violated(`${producer.party.name} still waits for an answer when all is quiet`);
    this.#judgeBesideLocked();
    this.#feed?.judgeEnd(TROUBLED_MS + 11_000);
    for (const row of server.users.values()) {
      const oldest = row.events.get(row.tail);
      if (row.tail <= row.head.sequence && !oldest) world.violated(`the log of ${row.id} has a hole at its tail`);
      if (keepMs === undefined || this.instances.some(({ doubtsClock }) => doubtsClock) || !oldest) continue;
      const isDue = row.tail <= row.head.sequence - limits.retainedEvents;
      if (isDue && world.time.now - oldest.committedAt > keepMs + 3 * limits.retentionPauseMs)
        world.violated(`retention has left event ${row.tail} of ${row.id}, which is due`);
    }
  }

  /** Others who are locked slow nobody down. */
  #judgeBesideLocked(): void {
    const took = this.#producers.flatMap(({ besideLocked }) => besideLocked).sort((a, b) => a - b);
    const median = took[Math.floor(took.length / 2)] ?? 0;
    if (took.length >= FEWEST_TIMES && median > BESIDE_LOCKED_MS)
      this.world.violated(`recordings for free users took ${Math.round(median)} ms at the median beside locked ones`);
  }
}
