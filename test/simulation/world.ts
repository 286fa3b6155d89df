import { between, type Random } from '../../src/lib/random.ts';
import { mulberry32 } from '../support/seeded.ts';
import { type Party, VirtualTime } from './virtual-time.ts';

/** What one schedule has in common: its time, its choices, its story and what went wrong. */
export class World {
  readonly time = new VirtualTime();
  readonly random: Random;
  /** What happened, a line each; nothing unless it is told. */
  readonly story: string[] = [];
  readonly violations: string[] = [];
  /** How quick everything is: the same machine, a network between two of them. */
  readonly #pace: number;
  /** Troubles that were made. */
  faults = 0;
  readonly #isTold: boolean;

  constructor(seed: number, isTold: boolean) {
    this.random = mulberry32(seed);
    this.#isTold = isTold;
    this.#pace = this.some([0.05, 1, 1]);
  }

  between(lowest: number, highest: number): number {
    return between(this.random, lowest, highest);
  }

  /** One in so many. */
  chance(oneIn: number): boolean {
    return this.between(1, oneIn) === 1;
  }

  some<T>(list: readonly T[]): T {
    const one = list[this.between(0, list.length - 1)];
    if (one === undefined) throw new Error('there is nothing to choose from');
    return one;
  }

  /** A little time for a way or a piece of work, in milliseconds. Seldom it is long. */
  latency(usualMs = 2): number {
    return this.#pace * usualMs * this.random() * (this.chance(100) ? 20 : 1);
  }

  /** Carries something to a party, and word that it was taken back to who sent it. Resolves there. */
  carry(sender: Party, receiver: Party, take: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.time.plan(this.latency(), receiver, () => {
        take();
        this.time.plan(this.latency(), sender, resolve);
      });
    });
  }

  tell(text: () => string): void {
    if (this.#isTold) this.story.push(`${(this.time.now / 1000).toFixed(3).padStart(8)} s  ${text()}`);
  }

  violated(text: string): void {
    this.violations.push(`after ${(this.time.now / 1000).toFixed(3)} s: ${text}`);
    this.tell(() => `VIOLATED: ${text}`);
  }
}
