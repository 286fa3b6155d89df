import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

/** Whose code runs: an instance, a client, the database. Its code can be paused or ended without its knowing. */
export class Party {
  readonly name: string;
  /** What it would have done while it was paused. */
  held: Task[] = [];
  state: 'runs' | 'paused' | 'dead' = 'runs';
  /** When it and its way to the database were last in trouble, and what of that is over only later. */
  troubledUntil = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Is all well with it, and has been since a moment? */
  isWellSince(moment: number): boolean {
    return this.state === 'runs' && this.troubledUntil <= moment;
  }
}

interface Task {
  at: number;
  /** Of two for the same moment the one that was planned first comes first. */
  order: number;
  readonly run: () => void;
  readonly party: Party | undefined;
  /** For an interval, the time between two runs. */
  readonly every: number | undefined;
  isCancelled: boolean;
}

/** What the clocks say at the beginning. */
const EPOCH_MS = Date.UTC(2030, 0, 1);
/** Node counts a time-out of no length as one of a millisecond. */
const SHORTEST_TIMEOUT_MS = 1;

/**
 * The only clock there is while it is installed, and the order of all that happens: one task after another, each with all
 * promises that follow from it. So the same choices lead to the same story. What a task plans is its party's.
 */
export class VirtualTime {
  now = 0;
  /** Tasks that were run. */
  steps = 0;
  readonly #heap: Task[] = [];
  #planned = 0;
  #party: Party | undefined;

  /** What the clock of the process says at a moment. */
  dateAt(ms: number): number {
    return EPOCH_MS + Math.floor(ms);
  }

  /** Runs something as somebody's code, in so many milliseconds. */
  plan(ms: number, party: Party | undefined, run: () => void, every?: number): Task {
    const task = { at: this.now + ms, order: this.#planned++, run, party, every, isCancelled: false };
    this.#push(task);
    return task;
  }

  pause(party: Party): void {
    if (party.state === 'runs') party.state = 'paused';
  }

  resume(party: Party): void {
    if (party.state !== 'paused') return;
    party.state = 'runs';
    for (const task of party.held.splice(0)) this.#push({ ...task, at: this.now });
  }

  /** Nothing of it runs any more. */
  end(party: Party): void {
    party.state = 'dead';
    party.held = [];
  }

  /** Runs what is planned up to a moment. */
  async runTo(end: number): Promise<void> {
    for (let first = this.#heap[0]; first && first.at <= end; first = this.#heap[0]) {
      this.#pop();
      if (first.isCancelled || first.party?.state === 'dead') continue;
      this.now = Math.max(this.now, first.at);
      if (first.party?.state === 'paused') {
        first.party.held.push(first);
        continue;
      }
      this.steps += 1;
      this.#party = first.party;
      first.run();
      await new Promise((resolve) => process.nextTick(resolve)); // comes after all promises, and costs no turn of the real loop
      this.#party = undefined;
      if (first.every === undefined || first.isCancelled) continue;
      first.at = this.now + first.every;
      first.order = this.#planned++;
      this.#push(first);
    }
    this.now = end;
  }

  /** Puts itself in the place of all clocks and timers of the process. @returns what puts them back */
  install(): () => void {
    const { performance } = globalThis;
    const real = {
      ...{ setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate },
      now: performance.now,
      dateNow: Date.now,
      promised: { setTimeout: timersPromises.setTimeout, setImmediate: timersPromises.setImmediate },
    };
    const timer = (ms: number, run: () => void, every?: number) => new Timer(this.plan(ms, this.#party, run, every));
    const cancel = (given: unknown) => {
      if (given instanceof Timer) given.cancel();
    };
    // Their types name more than anybody uses here, such as promisified forms.
    Object.assign(globalThis, {
      setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        timer(Math.max(ms, SHORTEST_TIMEOUT_MS), () => run(...args)),
      setInterval: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        timer(Math.max(ms, SHORTEST_TIMEOUT_MS), () => run(...args), Math.max(ms, SHORTEST_TIMEOUT_MS)),
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) => timer(0, () => run(...args)),
      ...{ clearTimeout: cancel, clearInterval: cancel, clearImmediate: cancel },
    });
    Object.assign(timersPromises, {
      setTimeout: (ms: number, value: unknown) =>
        new Promise((resolve) => timer(Math.max(ms, SHORTEST_TIMEOUT_MS), () => resolve(value))),
      setImmediate: (value: unknown) => new Promise((resolve) => timer(0, () => resolve(value))),
    });
    syncBuiltinESMExports();
    performance.now = () => this.now;
    Date.now = () => this.dateAt(this.now);
    return () => {
      const { now, dateNow, promised, ...globals } = real;
      Object.assign(globalThis, globals);
      Object.assign(timersPromises, promised);
      syncBuiltinESMExports();
      performance.now = now;
      Date.now = dateNow;
    };
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || !isEarlier(task, above)) break;
      heap[at] = above;
      heap[parent] = task;
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const task = heap.pop();
    if (!task || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      const isRight = left !== undefined && right !== undefined && isEarlier(right, left);
      const child = isRight ? right : left;
      if (!child || !isEarlier(child, task)) break;
      heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = task;
  }
}

function isEarlier(one: Task, other: Task): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** What the timer functions return. Whether the process waits for it does not matter: time goes on as far as it is told to. */
class Timer {
  readonly #task: Task;

  constructor(task: Task) {
    this.#task = task;
  }

  cancel(): void {
    this.#task.isCancelled = true;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return false;
  }
}
