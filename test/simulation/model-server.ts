import type { LogState, SyncRun } from '../../src/db/rows.ts';
import type { SyncEvent } from '../../src/log/event.ts';
import { runKey } from '../../src/log/record/fold-run.ts';
import type { LogHead } from '../../src/log/sql/log-sql.ts';
import type { Snapshot } from '../../src/log/sql/snapshots.ts';
import type { Party } from './virtual-time.ts';
import type { World } from './world.ts';

/** A user's row and log. One that is made anew under the same id is another object. */
export interface UserRow {
  readonly id: string;
  readonly createdAt: Date;
  head: LogHead;
  tail: number;
  /** By sequence; from the tail on. */
  readonly events: Map<number, StoredEvent>;
  /** The transaction that has locked the row, and those that wait for it. */
  lockedBy: ModelTransaction | undefined;
  readonly waiting: Set<() => void>;
  /** When the user was deleted. */
  goneAt: number | undefined;
}

export interface StoredEvent {
  readonly event: SyncEvent;
  /** When the transaction was committed, by virtual time. */
  readonly committedAt: number;
  /** Whose transaction it was. */
  readonly by: Party | undefined;
}

/** A state of a run. */
export interface StoredRun {
  readonly run: SyncRun;
  /** The how manieth of all that were committed. */
  readonly order: number;
  /** When the transaction was committed, by virtual time, and whose it was. */
  readonly committedAt: number;
  readonly by: Party | undefined;
}

/** A row of the table of sources. */
export interface SourceRow {
  holder: string | null;
  /** When the holder took it from another one, or from nobody. */
  takenAt: number;
  heldUntil: number;
  position: number;
}

/** An error as a driver reports it. */
export class ModelError extends Error {
  readonly code: string;

  constructor(code: string, message = code) {
    super(message);
    this.code = code;
  }
}

/** A transaction at the server. What it writes is seen by nobody before its commit; rows stay locked until its end. */
export class ModelTransaction {
  readonly party: Party | undefined;
  readonly locked = new Set<UserRow>();
  readonly writes: ((by: Party | undefined) => void)[] = [];
  /** How long each statement waits for one lock, in milliseconds. */
  readonly lockWaitMs: number;
  state: 'open' | 'failed' | 'over' = 'open';
  /** Its number, once it has begun to write. */
  change: bigint | undefined;
  /** For whose row it waits right now. */
  waitsFor: UserRow | undefined;

  constructor(party: Party | undefined, lockWaitMs: number) {
    this.party = party;
    this.lockWaitMs = lockWaitMs;
  }
}

/** How long Postgres lets two wait for each other before it looks. */
const DEADLOCK_MS = 1_000;

/**
 * What the core asks of Postgres, as rows in memory: READ COMMITTED, row locks with and without waiting, commits that are
 * whole or not at all. What is read is what is committed at that moment.
 */
export class ModelServer {
  readonly users = new Map<string, UserRow>();
  /** The newest states, by key. */
  readonly runs = new Map<string, StoredRun>();
  /** All states that there ever were. */
  readonly everRun = new Map<SyncRun, StoredRun>();
  readonly source: SourceRow = { holder: null, takenAt: 0, heldUntil: 0, position: 0 };
  logState: LogState = {
    name: 'log',
    change: 0n,
    believedAt: null,
    doubtedSince: null,
    doubtedAt: null,
    searchFilled: true,
  };
  isUp = true;
  /** All events that there ever were, also those of users who are gone, by id. */
  readonly everStored = new Map<string, { readonly user: UserRow; readonly event: SyncEvent }>();
  readonly #byId = new Map<string, SyncEvent>();
  readonly #world: World;
  /** The newest number of a transaction, and the newest of those that are over. */
  #begun = 0n;
  #over = 0n;
  readonly #writing = new Set<bigint>();
  #starts = 1;

  constructor(world: World) {
    this.#world = world;
  }

  /** The number of a transaction that begins to write, or has begun. */
  changeOf(transaction: ModelTransaction): bigint {
    if (transaction.change !== undefined) return transaction.change;
    this.#begun += 1n;
    transaction.change = this.#begun;
    this.#writing.add(this.#begun);
    return this.#begun;
  }

  /** As `pg_current_snapshot()` says it: nobody knows of transactions after the newest one that is over. */
  snapshot(): Snapshot {
    const end = this.#over + 1n;
    const open = [...this.#writing].filter((change) => change < end).map(Number);
    return { end: Number(end), open, server: `start ${this.#starts}`, takenAt: Date.now() };
  }

  restart(): void {
    this.#starts += 1;
    this.isUp = true;
  }

  eventById(id: string): SyncEvent | undefined {
    return this.#byId.get(id);
  }

  /** @param after a user who was deleted: the product makes the next one later than that */
  addUser(id: string, after?: UserRow): UserRow {
    const createdAt = new Date(Math.max(Date.now(), (after?.createdAt.getTime() ?? 0) + 1));
    const user: UserRow = {
      ...{ id, createdAt, head: { sequence: 0, recordedAt: null }, tail: 1 },
      ...{ events: new Map(), lockedBy: undefined, waiting: new Set(), goneAt: undefined },
    };
    this.users.set(id, user);
    return user;
  }

  removeUser(user: UserRow): void {
    this.users.delete(user.id);
    user.goneAt = this.#world.time.now;
    for (const { event } of user.events.values()) this.#byId.delete(event.id);
    for (const [key, { run }] of this.runs) if (run.userId === user.id) this.runs.delete(key);
    this.#wake(user);
  }

  addEvents(events: readonly SyncEvent[], by: Party | undefined): void {
    for (const event of events) {
      const user = this.users.get(event.userId);
      if (!user) throw new ModelError('23503', `there is no user ${event.userId}`);
      if (user.events.has(event.sequence) || this.#byId.has(event.id)) {
        this.#world.violated(`two events are number ${event.sequence} of ${event.userId}, or have one id`);
        continue;
      }
      user.events.set(event.sequence, { event, committedAt: this.#world.time.now, by });
      this.#byId.set(event.id, event);
      this.everStored.set(event.id, { user, event });
    }
  }

  /** How many states of runs there ever were. */
  get runStates(): number {
    return this.everRun.size;
  }

  storeRuns(runs: readonly SyncRun[], by: Party | undefined): void {
    for (const run of runs) {
      const stored = { run, order: this.everRun.size + 1, committedAt: this.#world.time.now, by };
      this.everRun.set(run, stored);
      this.runs.set(runKey(run), stored);
    }
  }

  raiseHeads(heads: ReadonlyMap<string, LogHead>): void {
    for (const [id, head] of heads) {
      const user = this.users.get(id);
      if (!user) continue;
      for (let sequence = user.head.sequence + 1; sequence <= head.sequence; sequence += 1)
        if (!user.events.has(sequence)) this.#world.violated(`the log of ${id} has a hole at ${sequence}`);
      if (head.sequence < user.head.sequence) this.#world.violated(`the head of ${id} goes back`);
      user.head = head;
    }
  }

  /** @returns how many events there were */
  removeBefore(user: UserRow, tail: number): number {
    let removed = 0;
    for (const [sequence, { event }] of user.events) {
      if (sequence >= tail) continue;
      user.events.delete(sequence);
      this.#byId.delete(event.id);
      removed += 1;
    }
    for (const [key, { run }] of this.runs)
      if (run.userId === user.id && run.lastSequence < tail) this.runs.delete(key);
    return removed;
  }

  isLocked(user: UserRow, by: ModelTransaction): boolean {
    return user.lockedBy !== undefined && user.lockedBy !== by;
  }

  /** Calls back with the row once it is locked, or with why it could not be. */
  lock(user: UserRow, by: ModelTransaction, done: (error?: ModelError) => void): void {
    if (by.state !== 'open') done(new ModelError('25P02'));
    else if (this.isLocked(user, by)) this.#waitForLock(user, by, done);
    else {
      user.lockedBy = by;
      by.locked.add(user);
      done();
    }
  }

  #waitForLock(user: UserRow, by: ModelTransaction, done: (error?: ModelError) => void): void {
    by.waitsFor = user;
    let isOver = false;
    const end = (error?: ModelError) => {
      if (isOver) return;
      isOver = true;
      by.waitsFor = undefined;
      user.waiting.delete(again);
      if (error) done(error);
      else this.lock(user, by, done);
    };
    const again = () => end();
    user.waiting.add(again);
    this.#world.time.plan(by.lockWaitMs, undefined, () => end(new ModelError('55P03')));
    this.#world.time.plan(DEADLOCK_MS, undefined, () => {
      if (isOver || !waitsInCircle(by)) return;
      this.#world.violated('two transactions wait for each other');
      end(new ModelError('40P01'));
    });
  }

  commit(transaction: ModelTransaction): void {
    if (transaction.state === 'open') for (const write of transaction.writes) write(transaction.party);
    this.end(transaction);
  }

  /** Without a commit nothing of it has happened. */
  end(transaction: ModelTransaction): void {
    transaction.state = 'over';
    const { change } = transaction;
    if (change !== undefined && this.#writing.delete(change) && change > this.#over) this.#over = change;
    const locked = [...transaction.locked];
    transaction.locked.clear();
    for (const user of locked) {
      user.lockedBy = undefined;
      this.#wake(user);
    }
  }

  #wake(user: UserRow): void {
    for (const waiting of [...user.waiting]) waiting();
  }
}

function waitsInCircle(start: ModelTransaction): boolean {
  const seen = new Set<ModelTransaction>();
  for (let at = start.waitsFor?.lockedBy; at && !seen.has(at); at = at.waitsFor?.lockedBy) {
    if (at === start) return true;
    seen.add(at);
  }
  return false;
}
