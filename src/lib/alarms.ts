/** Something that waits for a time. */
export interface Alarmed {
  /** The time has come, give or take a slot. It must not throw. */
  ring(): void;
}

/** Into so many slots the usual wait is cut: few ring in the same turn of the event loop, even of thousands that began together. */
const SLOTS = 512;

/**
 * Many waits with one timer: what a timer for each stream would cost in memory, and in turns of the event loop. Times are
 * those of `performance.now()`. An alarm rings in the slot in which its time lies, so up to `slotMs` too early or too late;
 * one that has rung is over. The timer runs while anything waits, and does not keep the process alive.
 */
export class Alarms {
  /** How far from its time an alarm may ring, in milliseconds. */
  readonly slotMs: number;
  readonly #slots = new Map<number, Set<Alarmed>>();
  #timer: NodeJS.Timeout | undefined;
  /** All slots up to this one have rung. */
  #rung = 0;

  /** @param usualMs how long most of them wait, in milliseconds */
  constructor(usualMs: number) {
    this.slotMs = Math.max(1, usualMs / SLOTS);
  }

  /** @returns the slot, for {@link cancel} */
  set(alarmed: Alarmed, atMs: number): number {
    const now = this.#slotAt(performance.now());
    const slot = Math.max(this.#slotAt(atMs), now + 1);
    const waiting = this.#slots.get(slot);
    if (waiting) waiting.add(alarmed);
    else this.#slots.set(slot, new Set([alarmed]));
    this.#start(now);
    return slot;
  }

  /** Nothing rings that has rung, or was cancelled, before. */
  cancel(alarmed: Alarmed, slot: number): void {
    const waiting = this.#slots.get(slot);
    if (!waiting?.delete(alarmed) || waiting.size > 0) return;
    this.#slots.delete(slot);
    this.#stopIfIdle();
  }

  #slotAt(atMs: number): number {
    return Math.floor(atMs / this.slotMs);
  }

  /** @param now the slot of this moment: with a later one, an alarm of the next slot would never ring. */
  #start(now: number): void {
    if (this.#timer) return;
    this.#rung = now;
    this.#timer = setInterval(() => this.#ring(), this.slotMs).unref();
  }

  #ring(): void {
    const now = this.#slotAt(performance.now());
    while (this.#rung < now) {
      this.#rung += 1;
      const waiting = this.#slots.get(this.#rung);
      this.#slots.delete(this.#rung);
      for (const alarmed of waiting ?? []) alarmed.ring();
    }
    this.#stopIfIdle();
  }

  #stopIfIdle(): void {
    if (this.#slots.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
