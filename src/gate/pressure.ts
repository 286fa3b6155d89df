import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits.ts';

/** How often it is looked how late the event loop is, in milliseconds; memory is looked at every tenth time. */
const LOOK_MS = 100;
const LOOKS_PER_MEMORY = 10;

const states = ['calm', 'strained', 'overloaded'] as const;

export type PressureState = (typeof states)[number];

/** What can be put off when the server cannot keep up, the first to go first. */
export type Deferrable = 'stream' | 'anonymous' | 'costly';

/** From which state on each is refused. */
const refusedFrom = { stream: 'strained', anonymous: 'overloaded', costly: 'overloaded' } as const satisfies Record<
  Deferrable,
  PressureState
>;

interface PressureOptions {
  readonly limits: Pick<
    Limits,
    'strainLagMs' | 'overloadLagMs' | 'strainMemoryPercent' | 'overloadMemoryPercent' | 'strainLastsMs'
  >;
  /** In milliseconds; it must not go back. */
  readonly clock?: Clock;
  /** How much of its memory the process uses, in percent. */
  readonly memory?: () => number;
  /** Told of each change, with what was seen last. */
  readonly onChange?: (state: PressureState, seen: { readonly lagMs: number; readonly memoryPercent: number }) => void;
}

/**
 * Can the process keep up? It looks how late a timer is, as late as everything else is that waits for the event loop, and
 * how much memory is left: of V8's heap, and of what the container allows.
 *
 * | state | enters | leaves | refuses |
 * |---|---|---|---|
 * | calm | at the beginning, and when nothing was seen for `strainLastsMs` | | nothing |
 * | strained | with a lag of `strainLagMs` or memory of `strainMemoryPercent` | `strainLastsMs` after the last of either | new streams and sockets |
 * | overloaded | with `overloadLagMs` or `overloadMemoryPercent` | `strainLastsMs` after the last of either, to strained if that was seen since | also who shows no credential, and operations of more than `costlyItems` |
 *
 * What a client has begun goes on in every state, and small requests and recordings are answered in every state.
 */
export class Pressure {
  readonly #options: PressureOptions;
  readonly #clock: Clock;
  readonly #memory: () => number;
  #lookedAt: number;
  #looks = 0;
  #memoryPercent = 0;
  #lagMs = 0;
  #strainedUntil = Number.NEGATIVE_INFINITY;
  #overloadedUntil = Number.NEGATIVE_INFINITY;
  #told: PressureState = 'calm';

  constructor(options: PressureOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#memory = options.memory ?? memoryPercent;
    this.#lookedAt = this.#clock();
  }

  /** Looks from now on. Returns how to stop it. */
  start(): () => void {
    this.#lookedAt = this.#clock();
    const looking = setInterval(() => this.look(), LOOK_MS).unref();
    return () => clearInterval(looking);
  }

  /** The timer has come. */
  look(): void {
    const now = this.#clock();
    this.#see(now);
    this.#lookedAt = now;
    if (this.#looks % LOOKS_PER_MEMORY === 0) this.#memoryPercent = this.#memory();
    this.#looks += 1;
    this.#tell(this.#stateAt(now));
  }

  /** How far it is from calm: 0, 1 or 2. The timer may be late this very moment. */
  get level(): number {
    const now = this.#clock();
    this.#see(now);
    return states.indexOf(this.#stateAt(now));
  }

  /** Is this to be put off? */
  refuses(what: Deferrable): boolean {
    return this.level >= states.indexOf(refusedFrom[what]);
  }

  #see(now: number): void {
    const { strainLagMs, overloadLagMs, strainMemoryPercent, overloadMemoryPercent, strainLastsMs } =
      this.#options.limits;
    this.#lagMs = now - this.#lookedAt - LOOK_MS;
    if (this.#lagMs >= strainLagMs || this.#memoryPercent >= strainMemoryPercent)
      this.#strainedUntil = now + strainLastsMs;
    if (this.#lagMs >= overloadLagMs || this.#memoryPercent >= overloadMemoryPercent)
      this.#overloadedUntil = now + strainLastsMs;
  }

  #stateAt(now: number): PressureState {
    if (now < this.#overloadedUntil) return 'overloaded';
    return now < this.#strainedUntil ? 'strained' : 'calm';
  }

  #tell(state: PressureState): void {
    if (state === this.#told) return;
    this.#told = state;
    this.#options.onChange?.(state, { lagMs: Math.round(this.#lagMs), memoryPercent: Math.round(this.#memoryPercent) });
  }
}

/** Of the heap, which ends the process when it is full, or of the container, which is ended: whichever is nearer. */
function memoryPercent(): number {
  const { used_heap_size: used, heap_size_limit: most } = getHeapStatistics();
  const container = process.constrainedMemory?.() ?? 0;
  // Without a container it is 0, or more than any machine has.
  const ofContainer = container > 0 && container < Number.MAX_SAFE_INTEGER ? process.memoryUsage.rss() / container : 0;
  return 100 * Math.max(used / most, ofContainer);
}
